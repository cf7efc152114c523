package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"sync"
)

// A slow hash costs a fraction of a second, on purpose. Spring's relay logs in
// once for each of its clients, always with the same passcode: after a restart
// of the broker, thousands at once.

// proven remembers which logins were right, by a digest under a key that only
// this process has. There is at most one for each user, and none outlives the
// accounts it belongs to. Wrong ones are not remembered and cost their time.
type proven struct {
	key []byte
	mu  sync.Mutex
	// digests are those of right logins, by user; guarded by mu.
	digests map[string][sha256.Size]byte
}

func newProven() *proven {
	return &proven{key: randomBytes(sha256.Size), digests: make(map[string][sha256.Size]byte)}
}

func (p *proven) digest(name, password string) (sum [sha256.Size]byte) {
	mac := hmac.New(sha256.New, p.key)
	mac.Write([]byte(name))
	mac.Write([]byte{0})
	mac.Write([]byte(password))
	mac.Sum(sum[:0])
	return sum
}

// right reports whether that login was right before.
func (p *proven) right(name, password string) bool {
	p.mu.Lock()
	known, ok := p.digests[name]
	p.mu.Unlock()
	if !ok {
		return false
	}
	sum := p.digest(name, password)
	return hmac.Equal(known[:], sum[:])
}

// remember is for a login that was right.
func (p *proven) remember(name, password string) {
	sum := p.digest(name, password)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.digests[name] = sum
}
