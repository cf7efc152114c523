package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// A family is the kind of key that an algorithm takes. It follows from the
// key, never from the token.
type family int

const (
	secrets family = iota + 1
	rsaKeys
	ecKeys
	edKeys
)

// An algorithm is one way to sign (RFC 7518, 3.1; RFC 8037, 3.1).
type algorithm struct {
	name   jose.SignatureAlgorithm
	family family
	bits   int // of the hash for a secret, of the curve for an EC key
}

// algorithmOf finds an algorithm by its exact name. "none" has none.
func algorithmOf(name string) (algorithm, bool) {
	a := algorithm{name: jose.SignatureAlgorithm(name)}
	switch a.name {
	case jose.HS256:
		a.family, a.bits = secrets, 256
	case jose.HS384:
		a.family, a.bits = secrets, 384
	case jose.HS512:
		a.family, a.bits = secrets, 512
	case jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512:
		a.family = rsaKeys
	case jose.ES256:
		a.family, a.bits = ecKeys, 256
	case jose.ES384:
		a.family, a.bits = ecKeys, 384
	case jose.ES512:
		a.family, a.bits = ecKeys, 521
	case jose.EdDSA:
		a.family = edKeys
	default:
		return algorithm{}, false
	}
	return a, true
}

// Bounds of an RSA modulus in bits: RFC 7518, 3.3 demands the lower; the upper
// keeps a verification below a millisecond.
const minRSABits, maxRSABits = 2048, 8192

// minSecretBytes is the size of the smallest hash (RFC 7518, 3.2).
const minSecretBytes = 32

// A key is something that signatures are verified with.
type key struct {
	id       string // kid; empty: fits every token
	only     string // the one algorithm it may be used with; empty: all of its family
	family   family
	bits     int // of a secret or of the curve
	material any // []byte, *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
	print    fingerprint
}

// newKey makes a key, or says why it is too weak or of no use. The error holds
// nothing of the key.
func newKey(material any) (key, error) {
	k := key{material: material}
	switch m := material.(type) {
	case []byte:
		if len(m) < minSecretBytes {
			return key{}, fmt.Errorf("the secret is too short: %d bytes, expected at least %d", len(m), minSecretBytes)
		}
		k.family, k.bits = secrets, 8*len(m)
	case *rsa.PublicKey:
		if bits := m.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return key{}, fmt.Errorf("the RSA key has %d bits, expected %d to %d", bits, minRSABits, maxRSABits)
		}
		if m.E < 3 || m.E%2 == 0 {
			return key{}, fmt.Errorf("the RSA key has an exponent that is even or below 3")
		}
		k.family = rsaKeys
	case *ecdsa.PublicKey:
		k.family, k.bits = ecKeys, m.Curve.Params().BitSize
		if k.bits != 256 && k.bits != 384 && k.bits != 521 {
			return key{}, fmt.Errorf("the EC key is on the curve %s, expected P-256, P-384 or P-521", m.Curve.Params().Name)
		}
		if _, err := m.ECDH(); err != nil {
			return key{}, fmt.Errorf("the EC key is not a point of its curve")
		}
	case ed25519.PublicKey:
		if len(m) != ed25519.PublicKeySize {
			return key{}, fmt.Errorf("the Ed25519 key has %d bytes, expected %d", len(m), ed25519.PublicKeySize)
		}
		k.family = edKeys
	default:
		return key{}, fmt.Errorf("keys of this kind (%T) sign no tokens", material)
	}
	k.print = printOf(material)
	return k, nil
}

// allows reports whether k is a key for a, be it strong enough or not.
func (k key) allows(a algorithm) bool {
	return k.family == a.family && (k.only == "" || k.only == string(a.name))
}

// fits reports whether signatures by a may be verified with k.
func (k key) fits(a algorithm) bool {
	if !k.allows(a) {
		return false
	}
	switch k.family {
	case secrets:
		return k.bits >= a.bits
	case ecKeys:
		return k.bits == a.bits
	default:
		return true
	}
}

// A keyset is keys by name. It is not changed once it is in use.
type keyset struct {
	named   map[string][]key
	unnamed []key
	all     []key
	size    int
}

func newKeyset(keys []key) keyset {
	s := keyset{named: map[string][]key{}, all: keys, size: len(keys)}
	for _, k := range keys {
		if k.id == "" {
			s.unnamed = append(s.unnamed, k)
		} else {
			s.named[k.id] = append(s.named[k.id], k)
		}
	}
	return s
}

// has reports whether a key of this name is in the set.
func (s keyset) has(id string) bool { return len(s.named[id]) > 0 }

// candidates adds to dst the keys that a token may have been signed with: those
// with its kid and those without a name, or all if the token names none.
func (s keyset) candidates(dst []key, a algorithm, id string) []key {
	add := func(keys []key) {
		for _, k := range keys {
			if k.fits(a) {
				dst = append(dst, k)
			}
		}
	}
	add(s.unnamed)
	if id != "" {
		add(s.named[id])
		return dst
	}
	for _, keys := range s.named {
		add(keys)
	}
	return dst
}
