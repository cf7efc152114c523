package auth

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Reasons of tokens that prove nothing.
const (
	reasonNoJWT     = "tokens are not accepted"
	reasonLong      = "the token is too long"
	reasonForm      = "the token does not consist of three parts in base64url"
	reasonEncrypted = "the token is encrypted"
	reasonHeader    = "the header of the token is not one JSON object without duplicate names"
	reasonAlgorithm = "the algorithm of the token is not one of those configured"
	reasonCritical  = "the token demands an extension"
	reasonKeyID     = "the key id of the token is not a string, or too long"
	reasonMalformed = "the token is malformed"
	reasonKey       = "no trusted key fits the token"
	reasonManyKeys  = "the token names no key, and too many fit it"
	reasonStale     = "no trusted key fits the token, as the last keys fetched are too old"
	reasonSignature = "the signature of the token is wrong"
	reasonPayload   = "the payload of the token is not one JSON object without duplicate names"
	reasonTokenGone = "the token was revoked"
	reasonUserGone  = "the user was revoked"
)

const (
	maxCandidates    = 8   // keys that one token is tried with: 8 of P-521 take 25 ms
	maxKeyIDBytes    = 256 // those of issuers are up to 64 long
	maxAlgorithmName = 16  // how much of an unknown one is told
)

// A verifier accepts tokens as configured. It is not changed after it was
// made, but its remote keys are refreshed.
type verifier struct {
	options    TokenOptions
	algorithms map[string]algorithm
	names      []jose.SignatureAlgorithm
	static     keyset
	remote     *remote // nil: no URL
	clock      clock
}

// newVerifier checks the options and reads the files. The remote keys are left
// to the caller.
func newVerifier(o TokenOptions, c clock) (*verifier, error) {
	v := &verifier{options: o, algorithms: map[string]algorithm{}, clock: c}
	faults := []error{v.setAlgorithms(), checkTokenOptions(o)}
	keys, err := staticKeys(o)
	faults = append(faults, err)
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	v.static = newKeyset(keys)
	return v, v.checkKeys(keys)
}

func (v *verifier) setAlgorithms() error {
	var faults []error
	for _, name := range v.options.Algorithms {
		a, ok := algorithmOf(name)
		if !ok {
			faults = append(faults, fmt.Errorf("auth.jwt.algorithms: %.*q is not known; expected HS, RS, PS or ES "+
				"with 256, 384 or 512 behind it, or EdDSA", maxAlgorithmName, name))
			continue
		}
		v.algorithms[name] = a
		v.names = append(v.names, a.name)
	}
	if len(v.options.Algorithms) == 0 {
		faults = append(faults, errors.New("auth.jwt.algorithms: there is none"))
	}
	return errors.Join(faults...)
}

func checkTokenOptions(o TokenOptions) error {
	var faults []error
	if o.Sources == (Sources{}) {
		faults = append(faults, errors.New("auth.jwt: no source of tokens is enabled (auth.jwt.sources)"))
	}
	if o.Secret == "" && o.SecretFile == "" && len(o.PublicKeyFiles) == 0 && o.JWKSFile == "" && o.JWKSURL == "" {
		faults = append(faults, errors.New("auth.jwt: there are no keys; expected secret, secret_file, public_key_files, jwks_file or jwks_url"))
	}
	if o.Leeway < 0 {
		faults = append(faults, errors.New("auth.jwt.leeway: it is negative"))
	}
	r := o.JWKS
	if min(r.Refresh, r.UnknownInterval, r.UnknownTTL, r.Timeout) <= 0 || r.MaxBytes <= 0 || r.MaxAge < r.Refresh {
		faults = append(faults, errors.New("auth.jwt: the times and sizes of jwks_url must be positive, and the age of keys not below the time from fetch to fetch"))
	}
	return errors.Join(faults...)
}

// checkKeys refuses a secret that is too short for one of the algorithms, and
// a key that no algorithm takes: it would never be used.
func (v *verifier) checkKeys(keys []key) error {
	var faults []error
	for _, k := range keys {
		used := false
		for _, a := range v.algorithms {
			if k.family == secrets && k.allows(a) && k.bits < a.bits {
				faults = append(faults, fmt.Errorf("auth.jwt: a secret of %d bytes is too short for %s, which needs %d",
					k.bits/8, a.name, a.bits/8))
				used = true
			}
			used = used || k.fits(a)
		}
		if !used {
			faults = append(faults, fmt.Errorf("auth.jwt.algorithms: none of %s can be used with the key of type %s",
				strings.Join(v.options.Algorithms, ", "), k.describe()))
		}
	}
	return errors.Join(faults...)
}

// describe names the kind of a key, and nothing of the key.
func (k key) describe() string {
	switch k.family {
	case secrets:
		return "secret"
	case rsaKeys:
		return "RSA"
	case ecKeys:
		return fmt.Sprintf("EC P-%d", k.bits)
	default:
		return "Ed25519"
	}
}

// verifyFrom is verify that counts a failure, unless the token is genuine.
func (v *verifier) verifyFrom(token string, u *turn) (*Identity, error) {
	id, err := v.verify(token, u)
	if isGuess(err) {
		u.failed()
	}
	return id, err
}

// verify returns the identity of the token, or a [Refusal]. It may wait for
// keys to be fetched, and for its turn.
func (v *verifier) verify(token string, u *turn) (*Identity, error) {
	header, err := v.readHeader(token)
	if err != nil {
		return nil, err
	}
	signed, err := jose.ParseSignedCompact(token, v.names)
	if err != nil {
		return nil, refuse(reasonMalformed)
	}
	payload, by, err := v.verifySignature(signed, header, u)
	if err != nil {
		return nil, err
	}
	claims, err := decodeObject(payload)
	if err != nil {
		return nil, &Refusal{Reason: reasonPayload, genuine: true}
	}
	id, err := v.identify(claims)
	if err != nil {
		return nil, err
	}
	id.basis = basis{by, string(header.algorithm.name)}
	return id, nil
}

// A header has the relevant members of the protected header (RFC 7515, 4.1).
// It ignores jwk, jku, x5u and x5c: otherwise the maker of a token would
// choose the key that checks it.
type header struct {
	algorithm algorithm
	keyID     string
}

func (v *verifier) readHeader(token string) (header, error) {
	if len(token) > v.options.MaxBytes {
		return header{}, refuse(reasonLong)
	}
	if strings.Count(token, ".") == 4 {
		return header{}, refuse(reasonEncrypted)
	}
	if !threeParts(token) {
		return header{}, refuse(reasonForm)
	}
	var parts [3][]byte
	for i, part := range strings.Split(token, ".") {
		var err error
		if parts[i], err = base64.RawURLEncoding.Strict().DecodeString(part); err != nil {
			return header{}, refuse(reasonForm)
		}
	}
	members, err := decodeObject(parts[0])
	if err != nil {
		return header{}, refuse(reasonHeader)
	}
	return v.checkHeader(members)
}

func (v *verifier) checkHeader(members map[string]any) (header, error) {
	name, _ := members["alg"].(string)
	a, ok := v.algorithms[name]
	if !ok {
		return header{}, refuse(reasonAlgorithm)
	}
	if _, ok := members["enc"]; ok {
		return header{}, refuse(reasonEncrypted)
	}
	for _, extension := range []string{"crit", "b64", "zip"} {
		if _, ok := members[extension]; ok {
			return header{}, refuse(reasonCritical)
		}
	}
	h := header{algorithm: a}
	if value, ok := members["kid"]; ok {
		if h.keyID, ok = value.(string); !ok || len(h.keyID) > maxKeyIDBytes {
			return header{}, refuse(reasonKeyID)
		}
	}
	return h, nil
}

// threeParts reports whether all of token is base64url in three parts. Decoders skip
// line ends, so they are looked for here.
func threeParts(token string) bool {
	dots := 0
	for i := range len(token) {
		switch c := token[i]; {
		case c == '.':
			dots++
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return dots == 2
}

// verifySignature returns the payload if one of the trusted keys signed it, and
// which one. For an unknown key, the remote keys are asked for once, which takes nobody's turn.
func (v *verifier) verifySignature(signed *jose.JSONWebSignature, h header, u *turn) ([]byte, fingerprint, error) {
	if v.remote == nil {
		return v.tryInTurn(signed, h, u)
	}
	seen := v.remote.current.Load()
	payload, by, err := v.tryInTurn(signed, h, u)
	if err == nil || h.keyID == "" || !isGuess(err) && !isStale(err) || !v.remote.learn(h.keyID, seen) {
		return payload, by, err
	}
	return v.tryInTurn(signed, h, u)
}

func isStale(err error) bool {
	r, refused := errors.AsType[*Refusal](err)
	return refused && r.Reason == reasonStale
}

func (v *verifier) tryInTurn(signed *jose.JSONWebSignature, h header, u *turn) ([]byte, fingerprint, error) {
	if err := u.take(); err != nil {
		return nil, fingerprint{}, err
	}
	defer u.give()
	return v.tryKeys(signed, h)
}

func (v *verifier) tryKeys(signed *jose.JSONWebSignature, h header) ([]byte, fingerprint, error) {
	keys := v.static.candidates(nil, h.algorithm, h.keyID)
	stale := false
	if v.remote != nil {
		var fetched keyset
		fetched, stale = v.remote.keys()
		keys = fetched.candidates(keys, h.algorithm, h.keyID)
	}
	switch {
	case len(keys) == 0 && stale:
		return nil, fingerprint{}, &Refusal{Reason: reasonStale, Busy: true} // nobody can say whether it is good
	case len(keys) == 0:
		return nil, fingerprint{}, refuse(reasonKey)
	case len(keys) > maxCandidates:
		return nil, fingerprint{}, refuse(reasonManyKeys)
	}
	for _, k := range keys {
		if payload, err := signed.Verify(k.material); err == nil {
			return payload, k.print, nil
		}
	}
	return nil, fingerprint{}, refuse(reasonSignature)
}

// identify reads the claims of a token with a correct signature.
func (v *verifier) identify(claims map[string]any) (*Identity, error) {
	now := v.clock.Now()
	user, err := userOf(claims, v.options.UserClaim)
	if err != nil {
		return nil, ofGenuine("", err)
	}
	id := &Identity{User: user, Claims: claims, Method: MethodToken}
	if err := v.checkClaims(id, now); err != nil {
		return nil, ofGenuine(user, err)
	}
	return id, nil
}

func (v *verifier) checkClaims(id *Identity, now time.Time) (err error) {
	if id.Expires, err = checkDates(id.Claims, now, v.options.Leeway); err != nil {
		return err
	}
	if !id.Expires.IsZero() && !id.Expires.After(now) {
		// By this clock it is over, but it was accepted.
		id.Expires = id.Expires.Add(v.options.Leeway)
	}
	if err := checkParties(id.Claims, v.options.Issuer, v.options.Audience); err != nil {
		return err
	}
	if err := checkRequired(id.Claims, v.options.RequiredClaims); err != nil {
		return err
	}
	if err := checkSubject(id.Claims); err != nil {
		return err
	}
	if id.TokenID, err = stringClaim(id.Claims, "jti"); err != nil {
		return err
	}
	id.Roles, err = rolesOf(id.Claims, v.options.RolesClaim)
	return err
}

// ofGenuine says in a Refusal that the token is genuine, and of which user.
func ofGenuine(user string, err error) error {
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		return &Refusal{Reason: refusal.Reason, Detail: refusal.Detail, User: user, genuine: true}
	}
	return err
}
