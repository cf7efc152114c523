package auth

import (
	"crypto/sha256"
	"crypto/x509"
)

// A basis is the foundation of an identity: the key that signed its token and
// the algorithm, or the hash of its passcode. When it is withdrawn, the
// identity ends. The zero basis is that of anonymous clients.
type basis struct {
	print     fingerprint
	algorithm string // of a token
}

// A fingerprint tells keys and hashes apart. It is never shown, as that of a
// weak secret would give the secret away.
type fingerprint [sha256.Size]byte

// printOf is the fingerprint of a key. Its name and its place do not matter.
func printOf(material any) fingerprint {
	if secret, ok := material.([]byte); ok {
		return sha256.Sum256(append([]byte("secret "), secret...))
	}
	public, err := x509.MarshalPKIXPublicKey(material)
	if err != nil {
		return fingerprint{} // newKey accepts no key that has no such form
	}
	return sha256.Sum256(append([]byte("public "), public...))
}

// supports reports whether a token that one of the keys has verified would still be
// verified.
func (s keyset) supports(b basis) bool {
	a, known := algorithmOf(b.algorithm)
	for _, k := range s.all {
		if known && k.print == b.print && k.fits(a) {
			return true
		}
	}
	return false
}

// lacks reports whether one of other's keys is not in s, or not for the same.
func (s keyset) lacks(other keyset) bool {
	for _, k := range other.all {
		found := false
		for _, mine := range s.all {
			found = found || mine.print == k.print && (mine.only == "" || mine.only == k.only)
		}
		if !found {
			return true
		}
	}
	return false
}

// supports reports whether the basis of a token is still trusted. Keys of a
// URL that could not be fetched again stay, however old they are: an issuer
// that cannot be reached ends no session.
func (v *verifier) supports(b basis) bool {
	if _, accepted := v.algorithms[b.algorithm]; !accepted {
		return false
	}
	return v.static.supports(b) || v.remote != nil && v.remote.current.Load().keys.supports(b)
}
