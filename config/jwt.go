package config

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

const (
	secretKey     = "auth.jwt.secret"
	secretFileKey = "auth.jwt.secret_file"
	pemKey        = "auth.jwt.public_key_files"
	urlKey        = "auth.jwt.jwks_url"
	setKey        = "auth.jwt.jwks_file"
	algorithmsKey = "auth.jwt.algorithms"
)

// supply describes the tokens that the configured keys can verify. If a file
// could not be read, everything is assumed possible, so that its fault is the
// only one.
type supply struct {
	secret string    // the key of a secret; "" without one
	public string    // a key of public keys; "" without one
	bytes  int       // of the secret
	files  []pemFile // of auth.jwt.public_key_files
	others bool      // a key set may have more public keys
	shared bool      // a key set has secrets
}

// pemFile is a file with the algorithms of its keys.
type pemFile struct {
	path string
	fits []string
}

func (l *loader) checkJWT(j JWT) {
	if l.sound("auth.jwt.jwks_refresh", "auth.jwt.jwks_max_age") && j.JWKSMaxAge < j.JWKSRefresh {
		l.blame("auth.jwt.jwks_max_age", "expected at least auth.jwt.jwks_refresh, which is "+formatDuration(j.JWKSRefresh))
	}
	if !l.sound(secretKey, secretFileKey, pemKey, urlKey, setKey) {
		return
	}
	if !j.Configured() {
		l.checkIdleKeys()
		return
	}
	l.checkPlaces(j)
	s := l.readKeys(j)
	if l.sound(algorithmsKey) && l.checkFamilies(j.Algorithms, s) {
		l.checkKeyFiles(j.Algorithms, s)
		l.checkSecretLength(j, s)
	}
}

// checkIdleKeys reports settings that would have no effect without a key,
// except explicit defaults.
func (l *loader) checkIdleKeys() {
	for _, e := range append(tokenKeys(), tokenPlaces()...) {
		if l.sound(e.key) && l.differs(e.key) {
			l.blame(e.key, "it means nothing without a key; expected auth.jwt.secret, secret_file, "+
				"public_key_files, jwks_url or jwks_file to be set")
		}
	}
}

func (l *loader) checkPlaces(j JWT) {
	const sources, parameter, cookie = "auth.jwt.sources", "auth.jwt.query_parameter", "auth.jwt.cookie"
	if l.sound(sources, parameter, cookie) && len(j.Sources) == 0 && j.QueryParameter == "" && j.Cookie == "" {
		l.blame(sources, "expected at least one, or "+parameter+" or "+cookie+", as no token could come")
	}
}

// readKeys reads every key file.
func (l *loader) readKeys(j JWT) supply {
	var s supply
	if j.Secret != "" {
		s.secret, s.bytes = secretKey, len(j.Secret)
	}
	if j.SecretFile != "" {
		l.readSecret(j.SecretFile, &s)
	}
	if j.Secret != "" && j.SecretFile != "" {
		l.blame(secretFileKey, "expected either this or "+secretKey+", not both")
	}
	for _, path := range j.PublicKeyFiles {
		s.public = pemKey
		l.readPublicKeys(path, &s)
	}
	if j.JWKSURL != "" {
		s.public, s.others = urlKey, true
	}
	if j.JWKSFile != "" {
		l.readKeySet(j.JWKSFile, &s)
	}
	return s
}

// enough is a length that every check accepts.
const enough = 1 << 10

func (l *loader) readSecret(path string, s *supply) {
	s.secret, s.bytes = secretFileKey, enough
	if data, ok := l.read(secretFileKey, path); ok {
		data = bytes.TrimSuffix(bytes.TrimSuffix(data, []byte("\n")), []byte("\r"))
		s.bytes = len(data)
	}
}

func (l *loader) readPublicKeys(path string, s *supply) {
	data, ok := l.read(pemKey, path)
	if !ok {
		s.others = true
		return
	}
	fits, expected := pemAlgorithms(data)
	if expected != "" {
		l.fault(pemKey, show(path), l.values[pemKey].source, expected)
		s.others = true
		return
	}
	s.files = append(s.files, pemFile{path, fits})
}

func (l *loader) readKeySet(path string, s *supply) {
	secrets, public := true, true
	if data, ok := l.read(setKey, path); ok {
		if secrets, public, ok = keySetFamilies(data); !ok {
			l.blame(setKey, `expected a JSON Web Key Set with at least one key: {"keys": [...]}`)
			secrets, public = true, true
		}
	}
	s.shared = secrets
	switch {
	case public:
		s.public, s.others = setKey, true
	case s.secret == "":
		s.secret, s.bytes = setKey, enough
	}
}

// checkFamilies checks that the algorithms match the presence of secrets and
// public keys. It returns false after a fault.
func (l *loader) checkFamilies(algorithms []string, s supply) bool {
	before := len(l.faults)
	secrets, public := splitAlgorithms(algorithms)
	switch {
	case len(algorithms) == 0:
		l.blame(algorithmsKey, "expected at least one algorithm")
	case s.secret != "" && len(secrets) == 0:
		l.blame(algorithmsKey, "expected HS256, HS384 or HS512 among the algorithms, as "+s.secret+" is set"+l.mend(s))
	case s.public != "" && len(public) == 0:
		l.blame(algorithmsKey, "expected one for public keys, such as RS256, ES256 or EdDSA, among the algorithms, as "+s.public+" is set")
	default:
		if s.secret == "" && !s.shared {
			l.blameEach(secrets, "expected "+secretKey+" or "+secretFileKey+" to be set, as this algorithm takes a secret")
		}
		if s.public == "" {
			l.blameEach(public, "expected "+pemKey+", "+urlKey+" or "+setKey+" to be set, as this algorithm takes a public key")
		}
	}
	return len(l.faults) == before
}

// mend suggests algorithms if they are the default.
func (l *loader) mend(s supply) string {
	if l.values[algorithmsKey].source != "default" {
		return ""
	}
	if s.public != "" {
		return "; set " + algorithmsKey + " to all that are in use, such as [HS256, RS256]"
	}
	return "; set " + algorithmsKey + " to [HS256], or to what the tokens are signed with"
}

func splitAlgorithms(algorithms []string) (secrets, public []string) {
	for _, name := range algorithms {
		if slices.Contains(secretAlgorithms(), name) {
			secrets = append(secrets, name)
		} else {
			public = append(public, name)
		}
	}
	return secrets, public
}

func (l *loader) blameEach(algorithms []string, expected string) {
	for _, name := range algorithms {
		l.fault(algorithmsKey, show(name), l.values[algorithmsKey].source, expected)
	}
}

// checkKeyFiles compares the algorithms with the keys in files. The default
// algorithms need not all have a key.
func (l *loader) checkKeyFiles(algorithms []string, s supply) {
	var possible []string
	for _, file := range s.files {
		possible = append(possible, file.fits...)
		if !overlap(file.fits, algorithms) {
			l.fault(pemKey, show(file.path), l.values[pemKey].source,
				"expected what its key is for among "+algorithmsKey+": "+strings.Join(file.fits, ", "))
		}
	}
	if s.others || l.values[algorithmsKey].source == "default" {
		return
	}
	_, public := splitAlgorithms(algorithms)
	public = slices.DeleteFunc(public, func(name string) bool { return slices.Contains(possible, name) })
	l.blameEach(public, "expected a key for this algorithm in one of "+pemKey)
}

// checkSecretLength requires a secret as long as the hash (RFC 7518, 3.2).
func (l *loader) checkSecretLength(j JWT, s supply) {
	least, longest := 0, ""
	for name, bytes := range map[string]int{"HS256": 32, "HS384": 48, "HS512": 64} {
		if bytes > least && slices.Contains(j.Algorithms, name) {
			least, longest = bytes, name
		}
	}
	if s.secret != "" && s.bytes < least {
		l.blame(s.secret, fmt.Sprintf("expected at least %d bytes, as %s is among %s", least, longest, algorithmsKey))
	}
}
