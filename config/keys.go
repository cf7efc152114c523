package config

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"strings"
)

// pemAlgorithms returns the algorithms of the keys in a PEM file, or the
// expected content.
func pemAlgorithms(data []byte) (fits []string, expected string) {
	const keys = "expected a PEM file with public keys, or with one certificate"
	certificates := 0
	for {
		block, rest := pem.Decode(data)
		switch {
		case block == nil && len(fits) == 0:
			return nil, keys
		case block == nil && certificates > 1:
			return nil, "expected one certificate, that of the signer without its authorities"
		case block == nil:
			return fits, ""
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			return nil, "expected the public key; a private key is not needed here and should be where tokens are signed only"
		case block.Type == "CERTIFICATE":
			certificates++
		}
		key, err := parsePublicKey(block)
		if err != nil || key == nil {
			return nil, keys
		}
		more := keyAlgorithms(key)
		if more == nil {
			return nil, "expected an RSA key of 2048 to 8192 bits, an EC key on P-256, P-384 or P-521, or an Ed25519 key"
		}
		fits, data = append(fits, more...), rest
	}
}

// parsePublicKey returns nil for a block of another type.
func parsePublicKey(block *pem.Block) (any, error) {
	switch block.Type {
	case "PUBLIC KEY":
		return x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		return x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		return certificate.PublicKey, nil
	}
	return nil, nil
}

// keyAlgorithms returns the algorithms of a key, or nil. The minimal size of an
// RSA key is that of RFC 7518, 3.3; the maximum bounds the time of a
// verification.
func keyAlgorithms(key any) []string {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits >= 2048 && bits <= 8192 {
			return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
		}
	case *ecdsa.PublicKey:
		return map[int][]string{256: {"ES256"}, 384: {"ES384"}, 521: {"ES512"}}[k.Curve.Params().BitSize]
	case ed25519.PublicKey:
		return []string{"EdDSA"}
	}
	return nil
}

// keySetFamilies reports whether a JSON Web Key Set contains secrets and public
// keys. ok is false without any key.
func keySetFamilies(data []byte) (secrets, public, ok bool) {
	var set struct {
		Keys []struct {
			Type string `json:"kty"`
		} `json:"keys"`
	}
	if json.Unmarshal(data, &set) != nil || len(set.Keys) == 0 {
		return false, false, false
	}
	for _, key := range set.Keys {
		secrets = secrets || key.Type == "oct"
		public = public || key.Type != "oct"
	}
	return secrets, public, true
}
