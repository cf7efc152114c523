package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// A SigningKey makes tokens, for development and tests. It prints as nothing
// of the key.
type SigningKey struct {
	material any // []byte, or a private key
	public   key // verifies its signatures
}

// String names the kind of the key.
func (k SigningKey) String() string { return "signing key (" + k.public.describe() + ")" }

// GoString implements fmt.GoStringer.
func (k SigningKey) GoString() string { return k.String() }

// Format implements fmt.Formatter, as other verbs would print the fields.
func (k SigningKey) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(k.String())) }

// LogValue implements slog.LogValuer.
func (k SigningKey) LogValue() slog.Value { return slog.StringValue(k.String()) }

// ConfiguredSecret returns the secret of the options as a key to sign with. The
// error names the setting and holds nothing of the secret.
func ConfiguredSecret(o TokenOptions) (SigningKey, error) {
	var k key
	var err error
	setting := "auth.jwt.secret"
	switch {
	case o.Secret != "":
		k, err = newKey([]byte(o.Secret))
	case o.SecretFile != "":
		setting = "auth.jwt.secret_file"
		k, err = secretFile(o.SecretFile)
	default:
		return SigningKey{}, errors.New("there is neither auth.jwt.secret nor auth.jwt.secret_file")
	}
	if err != nil {
		return SigningKey{}, fmt.Errorf("%s: %w", setting, err)
	}
	return SigningKey{material: k.material, public: k}, nil
}

// ReadPrivateKey reads a PEM file with a private key, as PKCS #8 or in the old
// forms of RSA and EC keys. The error holds nothing of the key.
func ReadPrivateKey(path string) (SigningKey, error) {
	data, err := readFile(path, maxKeyFile)
	if err != nil {
		return SigningKey{}, err
	}
	k, err := parsePrivateKey(data)
	if err != nil {
		return SigningKey{}, fmt.Errorf("%s: %w", path, err)
	}
	return k, nil
}

func parsePrivateKey(data []byte) (SigningKey, error) {
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			return SigningKey{}, errors.New("there is no private key in it; expected a PEM block PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY")
		}
		data = rest
		var material any
		var err error
		switch block.Type {
		case "PRIVATE KEY":
			material, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			material, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			material, err = x509.ParseECPrivateKey(block.Bytes)
		case "ENCRYPTED PRIVATE KEY":
			err = errors.ErrUnsupported
		default:
			continue // openssl writes EC PARAMETERS before the key
		}
		pair, ok := material.(crypto.Signer)
		if err != nil || !ok {
			return SigningKey{}, errors.New("the private key cannot be read; expected one that is not encrypted, of RSA, EC or Ed25519")
		}
		public, err := newKey(pair.Public())
		return SigningKey{material: material, public: public}, err
	}
}

// DefaultAlgorithm is the first of the preferred algorithms that the key is
// for, else the usual one of its kind.
func (k SigningKey) DefaultAlgorithm(preferred []string) string {
	for _, name := range preferred {
		if a, ok := algorithmOf(name); ok && k.public.fits(a) {
			return name
		}
	}
	switch k.material.(type) {
	case *rsa.PrivateKey:
		return string(jose.RS256)
	case *ecdsa.PrivateKey:
		return map[int]string{256: "ES256", 384: "ES384", 521: "ES512"}[k.public.bits]
	case ed25519.PrivateKey:
		return string(jose.EdDSA)
	}
	return string(jose.HS256)
}

// A Draft is a token to be signed.
type Draft struct {
	Claims    []byte // one JSON object
	Algorithm string // see [SigningKey.DefaultAlgorithm]
	KeyID     string // kid; empty: none
	// IssuedAt becomes iat and Expires exp, unless the claims have them. A
	// zero Expires stands for none.
	IssuedAt, Expires time.Time
}

// Sign makes the token. Errors hold nothing of the key.
func Sign(k SigningKey, d Draft) (string, error) {
	a, ok := algorithmOf(d.Algorithm)
	if !ok {
		return "", fmt.Errorf("the algorithm %.*q is not known; expected HS, RS, PS or ES with 256, 384 or 512 behind it, or EdDSA",
			maxAlgorithmName, d.Algorithm)
	}
	if !k.public.fits(a) {
		return "", fmt.Errorf("%s cannot be used with this key of type %s, or the key is too short for it", a.name, k.public.describe())
	}
	payload, err := d.payload()
	if err != nil {
		return "", err
	}
	options := (&jose.SignerOptions{}).WithType("JWT")
	if d.KeyID != "" {
		options = options.WithHeader("kid", d.KeyID)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: a.name, Key: k.material}, options)
	if err != nil {
		return "", errors.New("the key cannot sign")
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", errors.New("the key could not sign")
	}
	return signed.CompactSerialize()
}

func (d Draft) payload() ([]byte, error) {
	claims, err := decodeObject(d.Claims)
	if err != nil {
		return nil, fmt.Errorf("the claims are %w", err)
	}
	for name, at := range map[string]time.Time{"iat": d.IssuedAt, "exp": d.Expires} {
		if _, given := claims[name]; !given && !at.IsZero() {
			claims[name] = at.Unix()
		}
	}
	return json.Marshal(claims)
}
