package auth

import (
	"crypto/ed25519"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// standing lets somebody in, and returns their identity.
func standing(t *testing.T) func(id *Identity, err error) *Identity {
	return func(id *Identity, err error) *Identity {
		t.Helper()
		if err != nil {
			t.Fatal(err.(*Refusal).Reason)
		}
		return id
	}
}

// A reload may withdraw the basis of an identity, and only that ends it.
func TestReloadWithdraws(t *testing.T) {
	const sesame, again = "$2a$04$DENGnxhW7tB0tl29bs3fkOBBeLi9h2mK7TAtnSEd3GOMGy8ULB2Ka", "$2a$04$wFSF1lnqC4aNxixLEWY0uy14G..yvUIXYD0ft9bZ31qJoWvCPKcOa"
	rsaSet := func(kid string) map[string]any { return rsaJWK(kid, &testRSA().PublicKey) }
	otherSet := rsaJWK("r2", &otherRSA().PublicKey)
	set := func(keys ...map[string]any) func(o *Options) {
		return func(o *Options) { o.JWT.JWKSFile = write(t, "jwks.json", jwks(keys...)) }
	}
	only := rsaSet("r1")
	only["alg"] = "PS256"
	for name, tt := range map[string]struct {
		change func(o *Options)
		ends   []string
	}{
		"nothing":              {func(*Options) {}, nil},
		"secret":               {func(o *Options) { o.JWT.Secret = "another-secret-of-more-than-32-bytes" }, []string{"secret"}},
		"secret moves to file": {func(o *Options) { o.JWT.SecretFile, o.JWT.Secret = write(t, "secret", o.JWT.Secret+"\n"), "" }, nil},
		"key added":            {set(rsaSet("r1"), otherSet), nil},
		"key renamed":          {set(rsaSet("new")), nil},
		"key for another use":  {set(only), []string{"rsa"}},
		"key removed":          {set(otherSet), []string{"rsa"}},
		"other key, same name": {set(rsaJWK("r1", &otherRSA().PublicKey)), []string{"rsa"}},
		"key moves to PEM": {func(o *Options) {
			set(otherSet)(o)
			o.JWT.PublicKeyFiles = []string{write(t, "k.pem", publicPEM(&testRSA().PublicKey))}
		}, nil},
		"algorithm withdrawn":   {func(o *Options) { o.JWT.Algorithms = []string{"HS256", "PS256"} }, []string{"rsa"}},
		"other audience":        {func(o *Options) { o.JWT.Audience = []string{"other"} }, nil},
		"no tokens":             {func(o *Options) { o.JWT = nil }, []string{"secret", "rsa"}},
		"passcode":              {func(o *Options) { o.Users = []User{{Name: "otto", Hash: again}} }, []string{"password"}},
		"roles":                 {func(o *Options) { o.Users = []User{{Name: "otto", Hash: sesame, Roles: []string{"x"}}} }, nil},
		"user moves to file":    {func(o *Options) { o.Users, o.UsersFile = nil, write(t, "users", "otto:"+sesame+"\n") }, nil},
		"user added":            {func(o *Options) { o.Users = append(o.Users, User{Name: "olga", Hash: again}) }, nil},
		"user removed":          {func(o *Options) { o.Users = []User{{Name: "olga", Hash: sesame}} }, []string{"password"}},
		"anonymous not allowed": {func(o *Options) { o.Anonymous = false }, []string{"anonymous"}},
	} {
		t.Run(name, func(t *testing.T) {
			options := func() Options {
				return Options{Anonymous: true, Users: []User{{Name: "otto", Hash: sesame}}, JWT: &TokenOptions{
					Algorithms: []string{"HS256", "RS256", "PS256"}, Secret: string(testSecret), Sources: everywhere,
					JWKSFile: write(t, "first.json", jwks(rsaSet("r1"))),
				}, clock: newHandClock()}
			}
			a := start(t, options())
			ids := map[string]*Identity{
				"secret":    standing(t)(a.Verify(forge(`{"alg":"HS256"}`, with(), hs256(testSecret)))),
				"rsa":       standing(t)(a.Verify(forge(rsHeader, with(), rs256(testRSA())))),
				"password":  standing(t)(a.Login("otto", "sesame", Peer{})),
				"anonymous": standing(t)(a.Authenticate(Request{})),
			}
			o := options()
			tt.change(&o)
			if err := a.Reload(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			for kind, id := range ids {
				if got, want := a.Revoked(id), slices.Contains(tt.ends, kind); got != want {
					t.Errorf("%s: it ends: %v, want %v", kind, got, want)
				}
			}
		})
	}
}

// An identity that depends on a key of a URL ends when the key is withdrawn,
// and not because other keys come or the issuer cannot be reached.
func TestRefreshWithdraws(t *testing.T) {
	i := newIssuer(t)
	var told atomic.Int64
	o := i.options()
	o.Withdrawn = func() { told.Add(1) }
	a := start(t, o)
	i.clock.await(1)
	id := standing(t)(a.Verify(token("r1", testRSA())))
	want := func(when string, tellings int64, ends bool) {
		t.Helper()
		if told.Load() != tellings || a.Revoked(id) != ends {
			t.Errorf("%s: told %d times, it ends: %v", when, told.Load(), a.Revoked(id))
		}
	}
	one, two := rsaJWK("r1", &testRSA().PublicKey), rsaJWK("r2", &otherRSA().PublicKey)
	i.publish(two, one)
	i.after(5 * time.Minute)
	want("a key came", 0, false)
	i.fail()
	i.after(5 * time.Minute)
	want("out of reach", 0, false)
	i.after(72 * time.Hour)
	want("out of reach for long", 0, false)
	i.say("{}")
	i.after(5 * time.Minute)
	want("no key set", 0, false)
	i.publish(one)
	i.after(5 * time.Minute)
	want("another key was withdrawn", 1, false)
	i.publish(two)
	i.after(5 * time.Minute)
	want("withdrawn", 2, true)
	i.publish(one, two)
	i.after(5 * time.Minute)
	want("back", 2, false)
	i.publish()
	i.after(5 * time.Minute)
	want("all withdrawn", 3, true)
}

// Fingerprints tell all keys apart.
func TestFingerprints(t *testing.T) {
	known := map[fingerprint]bool{{}: true}
	for _, material := range []any{
		testSecret, testSecret[1:], &testRSA().PublicKey, &otherRSA().PublicKey, &testEC().PublicKey, &testEC384().PublicKey, testEd().Public().(ed25519.PublicKey),
		[]byte(testEd().Public().(ed25519.PublicKey)),
	} {
		k, err := newKey(material)
		if err != nil || known[k.print] {
			t.Errorf("%T: %v, %x", material, err, k.print)
		}
		known[k.print] = true
	}
}
