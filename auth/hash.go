package auth

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// Kinds of hashes that [HashPassword] makes.
const (
	Bcrypt   = "bcrypt"
	Argon2id = "argon2id"
)

// The cost of new hashes: about 0.2 s with bcrypt, and the parameters that
// OWASP gives first for argon2id, 19 MiB and two passes.
const (
	newBcryptCost   = 12
	newArgonMemory  = 19 * 1024 // KiB
	newArgonPasses  = 2
	newArgonThreads = 1
	argonSaltBytes  = 16
	argonKeyBytes   = 32
)

// The highest cost of a hash in a file: with more, a login would occupy a
// processor for seconds.
const (
	maxBcryptCost   = 16
	maxArgonMemory  = 1 << 20 // KiB: 1 GiB
	maxArgonPasses  = 64
	maxArgonThreads = 64
	maxArgonBytes   = 128 // of salt and key
)

// maxPasswordBytes is the longest password, and maxBcryptBytes the longest that
// bcrypt looks at as a whole.
const maxPasswordBytes, maxBcryptBytes = 1024, 72

// HashPassword makes a hash for a users file, of the kind [Bcrypt] or
// [Argon2id]. Errors do not hold the password.
func HashPassword(kind, password string) (string, error) {
	switch {
	case password == "":
		return "", errors.New("the password is empty")
	case len(password) > maxPasswordBytes:
		return "", fmt.Errorf("the password is longer than %d bytes", maxPasswordBytes)
	case kind == Bcrypt && len(password) > maxBcryptBytes:
		return "", fmt.Errorf("the password is longer than the %d bytes that bcrypt can take; argon2id can take more", maxBcryptBytes)
	case kind == Bcrypt:
		hash, err := bcrypt.GenerateFromPassword([]byte(password), newBcryptCost)
		return string(hash), err
	case kind == Argon2id:
		h := newArgon()
		h.key = h.derive(password)
		return h.String(), nil
	default:
		return "", errors.New("the kind of hash is not known; expected bcrypt or argon2id")
	}
}

// randomBytes are unpredictable; the system's source does not fail.
func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

// A passwordHash is a stored hash of a password.
type passwordHash interface {
	// matches takes as long for every password.
	matches(password string) bool
	// cost is the same for hashes that take the same time.
	cost() string
	// decoy is a hash of the same cost that no password is known for.
	decoy() passwordHash
}

// parseHash reads a hash of bcrypt ($2a$, $2b$, $2y$) or argon2id (a PHC
// string). The error holds nothing of it.
func parseHash(s string) (passwordHash, error) {
	switch {
	case strings.HasPrefix(s, "$2a$"), strings.HasPrefix(s, "$2b$"), strings.HasPrefix(s, "$2y$"):
		return parseBcrypt(s)
	case strings.HasPrefix(s, "$argon2id$"):
		return parseArgon(s)
	default:
		return nil, errors.New("the hash is of an unknown kind; expected bcrypt or argon2id, as hoofbeat users hash makes them")
	}
}

type bcryptHash struct {
	hash  []byte
	level int
}

// bcryptBytes is the length of every hash: $2b$12$, 22 characters of salt and
// 31 of the key.
const bcryptBytes, bcryptSaltAt = 60, 7

func parseBcrypt(s string) (passwordHash, error) {
	level, err := bcrypt.Cost([]byte(s))
	if err != nil || len(s) != bcryptBytes || strings.Trim(s[bcryptSaltAt:], bcryptAlphabet) != "" {
		return nil, errors.New("the bcrypt hash is malformed")
	}
	if level > maxBcryptCost {
		return nil, fmt.Errorf("the bcrypt hash has the cost %d, expected at most %d", level, maxBcryptCost)
	}
	return bcryptHash{hash: []byte(s), level: level}, nil
}

func (h bcryptHash) matches(password string) bool {
	fits := len(password) <= maxBcryptBytes
	if !fits {
		password = password[:maxBcryptBytes]
	}
	return bcrypt.CompareHashAndPassword(h.hash, []byte(password)) == nil && fits
}

func (h bcryptHash) cost() string { return fmt.Sprintf("bcrypt %d", h.level) }

const bcryptAlphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

func (h bcryptHash) decoy() passwordHash {
	hash := append([]byte(nil), h.hash...)
	for i, b := range randomBytes(bcryptBytes - bcryptSaltAt) {
		hash[bcryptSaltAt+i] = bcryptAlphabet[b%64]
	}
	return bcryptHash{hash: hash, level: h.level}
}

type argonHash struct {
	memory, passes uint32 // memory in KiB
	threads        uint8
	salt, key      []byte
}

// newArgon has the parameters of new hashes, a new salt, and no key yet.
func newArgon() argonHash {
	return argonHash{
		memory: newArgonMemory, passes: newArgonPasses, threads: newArgonThreads,
		salt: randomBytes(argonSaltBytes), key: make([]byte, argonKeyBytes),
	}
}

func parseArgon(s string) (passwordHash, error) {
	malformed := errors.New("the argon2id hash is malformed; expected $argon2id$v=19$m=...,t=...,p=...$salt$hash")
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return nil, malformed
	}
	var h argonHash
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.passes, &h.threads); err != nil {
		return nil, malformed
	}
	var saltErr, keyErr error
	h.salt, saltErr = base64.RawStdEncoding.Strict().DecodeString(parts[4])
	h.key, keyErr = base64.RawStdEncoding.Strict().DecodeString(parts[5])
	if saltErr != nil || keyErr != nil || h.String() != s {
		return nil, malformed
	}
	if h.memory > maxArgonMemory || h.passes > maxArgonPasses || h.threads > maxArgonThreads {
		return nil, fmt.Errorf("the argon2id hash costs too much; expected at most m=%d,t=%d,p=%d", maxArgonMemory, maxArgonPasses, maxArgonThreads)
	}
	if h.memory < 8*uint32(h.threads) || h.passes < 1 || h.threads < 1 || len(h.salt) < 8 || len(h.key) < 16 ||
		len(h.salt) > maxArgonBytes || len(h.key) > maxArgonBytes {
		return nil, errors.New("the argon2id hash has parameters that are out of range")
	}
	return h, nil
}

func (h argonHash) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memory, h.passes, h.threads,
		base64.RawStdEncoding.EncodeToString(h.salt), base64.RawStdEncoding.EncodeToString(h.key))
}

func (h argonHash) derive(password string) []byte {
	return argon2.IDKey([]byte(password), h.salt, h.passes, h.memory, h.threads, uint32(len(h.key)))
}

func (h argonHash) matches(password string) bool {
	return subtle.ConstantTimeCompare(h.derive(password), h.key) == 1
}

func (h argonHash) cost() string {
	return fmt.Sprintf("argon2id %d %d %d %d %d", h.memory, h.passes, h.threads, len(h.salt), len(h.key))
}

func (h argonHash) decoy() passwordHash {
	h.salt, h.key = randomBytes(len(h.salt)), randomBytes(len(h.key))
	return h
}
