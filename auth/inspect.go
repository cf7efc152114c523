package auth

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// An Inspection is the unverified content of a token: anybody can write
// anything into a token.
type Inspection struct {
	Header map[string]any
	Claims map[string]any // numbers as [Identity] has them
}

// Inspect parses a token without verifying it, to show it to people.
// [Authenticator.Verify] decides.
func Inspect(token string) (*Inspection, error) {
	if strings.Count(token, ".") == 4 {
		return nil, errors.New(reasonEncrypted)
	}
	if !threeParts(token) {
		return nil, errors.New(reasonForm)
	}
	var objects [2]map[string]any
	for i, part := range strings.Split(token, ".")[:2] {
		data, err := base64.RawURLEncoding.Strict().DecodeString(part)
		if err != nil {
			return nil, errors.New(reasonForm)
		}
		if objects[i], err = decodeObject(data); err != nil {
			return nil, errors.New([...]string{reasonHeader, reasonPayload}[i])
		}
	}
	return &Inspection{Header: objects[0], Claims: objects[1]}, nil
}

// Date returns a claim that is a time, such as exp; false if it is none.
func (i *Inspection) Date(claim string) (time.Time, bool) {
	at, err := dateClaim(i.Claims, claim)
	return at, err == nil && !at.IsZero()
}

// UnverifiedIdentity is the identity of a token with these claims (one JSON
// object), if its signature, dates, issuer and audience were right: it checks
// none of them. Use it to try rules, never to admit a client.
func UnverifiedIdentity(claims []byte, o TokenOptions) (*Identity, error) {
	o = o.withDefaults()
	object, err := decodeObject(claims)
	if err != nil {
		return nil, fmt.Errorf("the claims are %w", err)
	}
	id := &Identity{Claims: object}
	if id.User, err = userOf(object, o.UserClaim); err != nil {
		return nil, plain(err)
	}
	if id.Roles, err = rolesOf(object, o.RolesClaim); err != nil {
		return nil, plain(err)
	}
	return id, nil
}

// plain tells the reason of a Refusal, to an operator.
func plain(err error) error {
	var r *Refusal
	if errors.As(err, &r) {
		return errors.New(r.Why())
	}
	return err
}

// UserRoles returns the roles of a static user, of the options or the file.
func (a *Authenticator) UserRoles(name string) (roles []string, known bool) {
	account, known := a.state.Load().users.byName[name]
	return account.roles, known
}

// A Proof names the key that verified a token.
type Proof struct {
	Identity  *Identity
	Algorithm string
	KeyID     string // kid of the token; often empty
	Setting   string // where the key is from, such as auth.jwt.secret
}

// Prove is [Authenticator.Verify] with the key that verified the token. It
// reads static keys from their files once more.
func (a *Authenticator) Prove(token string) (*Proof, error) {
	id, err := a.Verify(token)
	if err != nil {
		return nil, err
	}
	v := a.state.Load().tokens
	h, err := v.readHeader(token)
	if err != nil {
		return nil, err
	}
	signed, err := jose.ParseSignedCompact(token, v.names)
	if err != nil {
		return nil, refuse(reasonMalformed)
	}
	return &Proof{Identity: id, Algorithm: string(h.algorithm.name), KeyID: h.keyID, Setting: v.settingOf(signed, h)}, nil
}

// settingOf finds the setting of the key that verifies a token.
func (v *verifier) settingOf(signed *jose.JSONWebSignature, h header) string {
	o := v.options
	sources := []struct {
		setting string
		options TokenOptions
	}{
		{"auth.jwt.secret", TokenOptions{Secret: o.Secret}},
		{"auth.jwt.secret_file", TokenOptions{SecretFile: o.SecretFile}},
		{"auth.jwt.public_key_files", TokenOptions{PublicKeyFiles: o.PublicKeyFiles}},
		{"auth.jwt.jwks_file", TokenOptions{JWKSFile: o.JWKSFile}},
	}
	for _, s := range sources {
		keys, err := staticKeys(s.options)
		if err != nil {
			continue // the file was changed meanwhile
		}
		one := &verifier{static: newKeyset(keys)}
		if _, _, err := one.tryKeys(signed, h); err == nil {
			return s.setting
		}
	}
	if v.remote != nil {
		return "auth.jwt.jwks_url"
	}
	return "a key that is no longer configured"
}
