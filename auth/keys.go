package auth

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// maxKeys is the most keys a key set may have. Real ones have two to ten.
const maxKeys = 256

// maxKeyFile is the size of the largest file of keys, in bytes.
const maxKeyFile = 1 << 20

// staticKeys reads all keys that are configured in place or in files. The
// error has one line per fault, each with the name of the setting.
func staticKeys(o TokenOptions) ([]key, error) {
	var keys []key
	var faults []error
	add := func(setting string, more []key, err error) {
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", setting, err))
		}
		keys = append(keys, more...)
	}
	if o.Secret != "" {
		k, err := newKey([]byte(o.Secret))
		add("auth.jwt.secret", []key{k}, err)
	}
	if o.SecretFile != "" {
		k, err := secretFile(o.SecretFile)
		add("auth.jwt.secret_file", []key{k}, err)
	}
	for _, path := range o.PublicKeyFiles {
		more, err := publicKeyFile(path)
		add("auth.jwt.public_key_files", more, err)
	}
	if o.JWKSFile != "" {
		more, err := jwksFile(o.JWKSFile)
		add("auth.jwt.jwks_file", more, err)
	}
	return keys, errors.Join(faults...)
}

// secretFile reads a secret: all bytes but one line end at the end.
func secretFile(path string) (key, error) {
	data, err := readFile(path, maxKeyFile)
	if err != nil {
		return key{}, err
	}
	data = bytes.TrimSuffix(bytes.TrimSuffix(data, []byte("\n")), []byte("\r"))
	k, err := newKey(data)
	if err != nil {
		return key{}, fmt.Errorf("%s: %w", path, err)
	}
	return k, nil
}

// publicKeyFile reads a PEM file.
func publicKeyFile(path string) ([]key, error) {
	data, err := readFile(path, maxKeyFile)
	if err != nil {
		return nil, err
	}
	keys, err := parsePEM(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return keys, nil
}

// parsePEM reads public keys, or one certificate: of a chain, the others are
// authorities, which must not become signers of tokens.
func parsePEM(data []byte) ([]key, error) {
	var keys []key
	certificates := 0
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			break
		}
		data = rest
		if block.Type == "CERTIFICATE" {
			certificates++
		}
		material, err := parseBlock(block)
		if err != nil {
			return nil, err
		}
		k, err := newKey(material)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	switch {
	case len(keys) == 0:
		return nil, errors.New("there is no PEM block in it; expected PUBLIC KEY or CERTIFICATE")
	case certificates > 1:
		return nil, errors.New("there are several certificates in it; expected the signer's own, without its authorities")
	}
	return keys, nil
}

func parseBlock(block *pem.Block) (any, error) {
	switch {
	case block.Type == "PUBLIC KEY":
		material, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, errors.New("the public key cannot be read")
		}
		return material, nil
	case block.Type == "RSA PUBLIC KEY":
		material, err := x509.ParsePKCS1PublicKey(block.Bytes)
		if err != nil {
			return nil, errors.New("the RSA public key cannot be read")
		}
		return material, nil
	case block.Type == "CERTIFICATE":
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, errors.New("the certificate cannot be read")
		}
		return certificate.PublicKey, nil
	case strings.HasSuffix(block.Type, "PRIVATE KEY"):
		return nil, errors.New("there is a private key in it; expected the public key, which is all that is needed here")
	default:
		return nil, errors.New("there is a PEM block of another kind in it; expected PUBLIC KEY or CERTIFICATE")
	}
}

// jwksFile reads a key set that may hold secrets.
func jwksFile(path string) ([]key, error) {
	data, err := readFile(path, maxKeyFile)
	if err != nil {
		return nil, err
	}
	keys, ignored, err := parseJWKS(data, true)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s: none of its %d keys can verify tokens", path, ignored)
	}
	return keys, nil
}

// parseJWKS reads a JSON Web Key Set. Keys that are not for signatures, of an
// unknown kind, too weak or broken are counted and left out (RFC 7517, 5), and
// so are secrets unless they are allowed. Certificates and links in keys are
// not looked at. The error holds nothing of the keys.
func parseJWKS(data []byte, allowSecrets bool) (keys []key, ignored int, err error) {
	var set struct {
		Keys []map[string]json.RawMessage `json:"keys"`
	}
	if json.Unmarshal(data, &set) != nil {
		return nil, 0, errors.New("it is not a JSON Web Key Set")
	}
	if set.Keys == nil {
		return nil, 0, errors.New("it is not a JSON Web Key Set: there is no list named keys in it")
	}
	if len(set.Keys) > maxKeys {
		return nil, 0, fmt.Errorf("it has %d keys, expected at most %d", len(set.Keys), maxKeys)
	}
	for _, members := range set.Keys {
		k, err := parseJWK(members)
		if err != nil || k.family == secrets && !allowSecrets {
			ignored++
			continue
		}
		keys = append(keys, k)
	}
	return keys, ignored, nil
}

// parseJWK reads one key, the public half if it is a pair.
func parseJWK(members map[string]json.RawMessage) (key, error) {
	for _, name := range []string{"x5c", "x5u", "x5t", "x5t#S256"} {
		delete(members, name)
	}
	data, err := json.Marshal(members)
	if err != nil {
		return key{}, err
	}
	var use struct {
		Operations []string `json:"key_ops"`
	}
	if err := json.Unmarshal(data, &use); err != nil {
		return key{}, err
	}
	var web jose.JSONWebKey
	if err := json.Unmarshal(data, &web); err != nil {
		return key{}, err
	}
	if web.Use != "" && web.Use != "sig" {
		return key{}, errors.New("the key is not for signatures")
	}
	if use.Operations != nil && !slices.Contains(use.Operations, "verify") && !slices.Contains(use.Operations, "sign") {
		return key{}, errors.New("the key is not for verifying")
	}
	material := web.Key
	if pair, ok := material.(crypto.Signer); ok {
		material = pair.Public()
	}
	k, err := newKey(material)
	if err != nil {
		return key{}, err
	}
	k.id, k.only = web.KeyID, web.Algorithm
	if k.only == "Ed25519" { // the name of EdDSA with this curve (RFC 9864)
		k.only = string(jose.EdDSA)
	}
	if _, known := algorithmOf(k.only); k.only != "" && !known {
		return key{}, errors.New("the key is for another algorithm")
	}
	return k, nil
}
