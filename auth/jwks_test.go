package auth

import (
	"context"
	"crypto/rsa"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// An issuer serves a key set over HTTPS, and is as unreliable as it is told.
type issuer struct {
	*httptest.Server
	t     *testing.T
	clock *handClock
	log   logBuffer

	mu     sync.Mutex
	answer http.HandlerFunc // guarded by mu
	asked  int              // guarded by mu
}

func newIssuer(t *testing.T) *issuer {
	i := &issuer{t: t, clock: newHandClock()}
	i.publish(rsaJWK("r1", &testRSA().PublicKey))
	i.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		i.asked++
		answer := i.answer
		i.mu.Unlock()
		answer(w, r)
	}))
	i.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	i.StartTLS()
	t.Cleanup(i.Close)
	return i
}

// behave changes the issuer's answers from now on.
func (i *issuer) behave(answer http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.answer = answer
}

func (i *issuer) publish(keys ...map[string]any) { i.say(jwks(keys...)) }

func (i *issuer) say(text string) {
	i.behave(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) })
}

func (i *issuer) fail() {
	i.behave(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "out of order", http.StatusServiceUnavailable)
	})
}

func (i *issuer) requests() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked
}

func (i *issuer) options() Options {
	return Options{
		JWT: &TokenOptions{
			Algorithms: []string{"RS256", "ES256"}, JWKSURL: i.URL + "/keys?secret=qqqqqqqqqqqqqqqq", Sources: everywhere,
			JWKS: RemoteOptions{Client: i.Client()},
		},
		Log: slog.New(slog.NewTextHandler(&i.log, nil)), clock: i.clock,
	}
}

func (i *issuer) start() *Authenticator {
	i.t.Helper()
	a := start(i.t, i.options())
	i.clock.await(1) // the first pause has begun
	return a
}

// after turns the clock so far that a fetch is due, and waits for its end. One
// pause follows each request.
func (i *issuer) after(d time.Duration) {
	i.t.Helper()
	pauses := i.requests()
	i.clock.await(pauses)
	i.clock.advance(d)
	i.clock.await(pauses + 1)
}

func token(kid string, key *rsa.PrivateKey) string {
	return forge(`{"alg":"RS256","kid":"`+kid+`"}`, with("exp", nil), rs256(key))
}

func (i *issuer) wantAccepted(a *Authenticator, token string) {
	i.t.Helper()
	if _, err := a.Verify(token); err != nil {
		i.t.Errorf("refused: %s", err.(*Refusal).Reason)
	}
}

func (i *issuer) wantRefused(a *Authenticator, token, reason string) {
	i.t.Helper()
	_, err := a.Verify(token)
	wantRefused(i.t, err, reason)
}

func (i *issuer) wantRequests(n int) {
	i.t.Helper()
	if got := i.requests(); got != n {
		i.t.Errorf("the issuer was asked %d times, want %d", got, n)
	}
}

func TestKeysOfURLAreRefreshed(t *testing.T) {
	i := newIssuer(t)
	a := i.start()
	old, young := token("r1", testRSA()), token("r2", otherRSA())
	i.wantAccepted(a, old)

	// Both are published for a while, then the old one is withdrawn.
	i.publish(rsaJWK("r1", &testRSA().PublicKey), rsaJWK("r2", &otherRSA().PublicKey))
	i.after(5 * time.Minute)
	i.wantAccepted(a, old)
	i.wantAccepted(a, young)
	i.publish(rsaJWK("r2", &otherRSA().PublicKey))
	i.after(5 * time.Minute)
	i.wantAccepted(a, young)
	i.wantRequests(3)
	i.wantRefused(a, old, reasonKey)
	i.wantRequests(4) // it could have been new

	// The same name for another key.
	i.publish(rsaJWK("r2", &testRSA().PublicKey))
	i.after(5 * time.Minute)
	i.wantRefused(a, young, reasonSignature)
	i.wantAccepted(a, token("r2", testRSA()))
	if s := a.Stats(); s.Refreshes != 5 || s.Failures != 0 || s.Keys != 1 || s.KeysAge != 0 || s.Stale {
		t.Errorf("got %+v", s)
	}
}

func TestAllKeysWithdrawn(t *testing.T) {
	i := newIssuer(t)
	a := i.start()
	i.publish()
	i.after(5 * time.Minute)
	i.wantRefused(a, token("r1", testRSA()), reasonKey)
	i.wantRefused(a, forge(`{"alg":"RS256"}`, with(), rs256(testRSA())), reasonKey)
	if !strings.Contains(i.log.String(), "all keys of the JWKS URL were withdrawn") {
		t.Errorf("the log does not say so: %s", i.log.String())
	}
}

func TestUnknownKeyIsAskedFor(t *testing.T) {
	i := newIssuer(t)
	a := i.start()
	i.publish(rsaJWK("r2", &otherRSA().PublicKey))
	i.wantAccepted(a, token("r2", otherRSA()))
	i.wantRequests(2)

	// Not again for another one at once.
	i.wantRefused(a, token("r3", otherRSA()), reasonKey)
	i.wantRequests(2)
	i.clock.advance(11 * time.Second)
	i.wantRefused(a, token("r3", otherRSA()), reasonKey)
	i.wantRequests(3)

	// The answer for r3 stands for a minute, whatever time has passed for others.
	i.clock.advance(20 * time.Second)
	i.wantRefused(a, token("r3", otherRSA()), reasonKey)
	i.wantRequests(3)
	i.publish(rsaJWK("r3", &otherRSA().PublicKey))
	i.clock.advance(41 * time.Second)
	i.wantAccepted(a, token("r3", otherRSA()))
	i.wantRequests(4)
}

// Only names that could be keys are asked for: not those of tokens that are
// refused anyway, not none, and not those that are known and do not fit.
func TestHostileTokensAskForNothing(t *testing.T) {
	i := newIssuer(t)
	a := i.start()
	i.wantRefused(a, forge(`{"alg":"none","kid":"x"}`, with(), unsigned), reasonAlgorithm)
	i.wantRefused(a, forge(`{"alg":"RS256","kid":"x","crit":[]}`, with(), rs256(testRSA())), reasonCritical)
	i.wantRefused(a, forge(`{"alg":"RS256"}`, with(), rs256(otherRSA())), reasonSignature)
	i.wantRefused(a, token("r1", otherRSA()), reasonSignature)
	i.wantRefused(a, forge(`{"alg":"ES256","kid":"r1"}`, with(), es256(testEC())), reasonKey)
	i.wantRequests(1)
	for n := range 3 * maxUnknown {
		i.wantRefused(a, forge(`{"alg":"RS256","kid":"x`+strconv.Itoa(n)+`"}`, with(), unsigned), reasonKey)
	}
	i.wantRequests(2)
}

func TestUnknownKeysAreForgotten(t *testing.T) {
	i := newIssuer(t)
	a := i.start()
	r := a.state.Load().remote()
	for n := range 5 * maxUnknown {
		r.remember("x" + strconv.Itoa(n))
		if n == 3*maxUnknown/2 || n == 4*maxUnknown {
			i.clock.advance(time.Minute)
		}
		if len(r.unknown) > maxUnknown {
			t.Fatalf("%d are remembered", len(r.unknown))
		}
	}
}

// Callers that come while a fetch is under way get its result.
func TestOneFetchForMany(t *testing.T) {
	i := newIssuer(t)
	a := i.start()
	arrived, release := make(chan struct{}), make(chan struct{})
	i.behave(func(w http.ResponseWriter, _ *http.Request) {
		arrived <- struct{}{}
		<-release
		_, _ = w.Write([]byte(jwks(rsaJWK("r2", &otherRSA().PublicKey))))
	})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { i.wantAccepted(a, token("r2", otherRSA())) })
	}
	<-arrived
	close(release)
	all.Wait()
	i.wantRequests(2)
}

func TestKeysGetTooOld(t *testing.T) {
	i := newIssuer(t)
	a := i.start()
	i.fail()
	i.after(24 * time.Hour)
	i.wantAccepted(a, token("r1", testRSA()))
	if s := a.Stats(); s.KeysAge != 24*time.Hour || s.Stale {
		t.Errorf("got %+v", s)
	}
	i.after(time.Minute)
	i.wantRefused(a, token("r1", testRSA()), reasonStale)
	if s := a.Stats(); !s.Stale || s.Failures != 3 { // the token has caused one
		t.Errorf("got %+v", s)
	}
	i.publish(rsaJWK("r1", &testRSA().PublicKey))
	i.clock.advance(11 * time.Second) // a token is enough to mend it
	i.wantAccepted(a, token("r1", testRSA()))
}

func TestPausesAfterFailures(t *testing.T) {
	r := &remote{options: RemoteOptions{}.withDefaults()}
	for failed, want := range map[int]time.Duration{
		0: 5 * time.Minute, 1: 10 * time.Second, 2: 20 * time.Second, 5: 160 * time.Second, 6: 5 * time.Minute, 1000: 5 * time.Minute,
	} {
		if got := r.pause(failed); got != want {
			t.Errorf("after %d failures: %v, want %v", failed, got, want)
		}
	}
}

func TestURLs(t *testing.T) {
	for address, want := range map[string]bool{
		"https://issuer.example/keys": true, "http://127.0.0.1:8080/keys": true, "http://localhost/keys": true, "http://[::1]:1/": true,
		"http://issuer.example/keys": false, "http://10.0.0.1/": false, "ftp://localhost/": false, "file:///etc/keys": false, "issuer.example": false,
		"https://u:p@issuer.example/": false, "http://localhost.example/": false, "http://127.0.0.1.example/": false, "": false, "https://%zz": false,
	} {
		if err := checkURL(address); (err == nil) != want {
			t.Errorf("%s: %v", address, err)
		}
	}
	wantFault(t, Options{JWT: &TokenOptions{Algorithms: []string{"RS256"}, JWKSURL: "http://issuer.example/", Sources: everywhere}},
		"auth.jwt.jwks_url: expected https, or http on a loopback address")
}

// As it is configured in earnest: with the time of day and a client of its own.
func TestWithoutClock(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(jwks(rsaJWK("r1", &testRSA().PublicKey))))
	}))
	defer server.Close()
	a, err := New(context.Background(), Options{JWT: &TokenOptions{
		Algorithms: []string{"RS256"}, JWKSURL: server.URL, JWKS: RemoteOptions{Refresh: time.Millisecond}, Sources: everywhere,
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if _, err := a.Verify(token("r1", testRSA())); err != nil {
		t.Error(err)
	}
	for a.Stats().Refreshes < 3 {
		if _, err := a.Verify(token("r1", testRSA())); err != nil {
			t.Fatal(err)
		}
	}
}

// Close does not wait for an answer.
func TestCloseDuringFetch(t *testing.T) {
	i := newIssuer(t)
	a := i.start()
	arrived, gone := make(chan struct{}), make(chan struct{})
	defer close(gone)
	i.behave(func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		slow(gone)(w, r)
	})
	refused := make(chan error)
	go func() {
		_, err := a.Verify(token("r2", otherRSA()))
		refused <- err
	}()
	<-arrived
	a.Close()
	wantRefused(t, <-refused, reasonKey)
	i.wantAccepted(a, token("r1", testRSA()))
	i.wantRefused(a, token("r3", testRSA()), reasonKey)
	if err := a.Reload(context.Background(), i.options()); err != ErrClosed {
		t.Errorf("got %v", err)
	}
}

// A reload keeps the keys, and asks for them only when it is about other ones.
func TestReloadOfURL(t *testing.T) {
	i := newIssuer(t)
	a := i.start()
	o := i.options()
	o.JWT.Audience = []string{"hoofbeat"}
	i.fail()
	if err := a.Reload(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	i.wantAccepted(a, token("r1", testRSA()))
	i.wantRequests(1)
	o = i.options()
	o.JWT.JWKSURL += "&other"
	if err := a.Reload(context.Background(), o); err == nil {
		t.Error("a URL that does not answer was accepted")
	}
	i.wantAccepted(a, token("r1", testRSA()))
	i.publish(rsaJWK("r2", &otherRSA().PublicKey))
	if err := a.Reload(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	i.wantAccepted(a, token("r2", otherRSA()))
	o.JWT, o.Anonymous = nil, true
	if err := a.Reload(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	_, err := a.Verify(token("r2", otherRSA()))
	wantRefused(t, err, reasonNoJWT)
	if s := a.Stats(); s.Refreshes != 2 || s.Failures != 1 || s.Keys != 0 {
		t.Errorf("got %+v", s)
	}
}
