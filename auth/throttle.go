package auth

import (
	"net/netip"
	"sync"
	"time"
)

// A Throttle holds up those who fail to prove who they are. It counts failures
// by address and by user, so that neither one address can try many users'
// passcodes, nor many addresses one user's. A few in a while cost nothing.
// Beyond them, an address may try only as often as failures are free, and what
// is tried for a user has to wait: nobody can lock a user out by failing in
// its name. It may be used by any goroutine.
type Throttle struct {
	free float64 // failures that cost nothing
	per  time.Duration

	mu    sync.Mutex // guards what follows
	known map[string]*culprit
}

// A culprit is an address or a user with failures, which are forgotten with
// time.
type culprit struct {
	failures float64
	at       time.Time // when failures was right
	next     time.Time // when the address may try again
}

const (
	// longestDelay is what a try may have to wait; an address whose turn is
	// later is refused.
	longestDelay = 5 * time.Second
	// maxCulprits bounds the memory that failing can cost the broker.
	maxCulprits = 100_000
)

// NewThrottle returns a Throttle that lets n failures pass in that time.
func NewThrottle(n int, per time.Duration) *Throttle {
	return &Throttle{free: float64(n), per: per, known: make(map[string]*culprit)}
}

// Delay is how long a try from that address, for that user, has to wait; ok is
// false if it may not be made at all.
func (t *Throttle) Delay(remote, user string, now time.Time) (wait time.Duration, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c := t.excess(addressKey(remote), now); c != nil {
		turn := c.next
		if turn.Before(now) {
			turn = now
		}
		if wait = turn.Sub(now); wait > longestDelay {
			return 0, false
		}
		c.next = turn.Add(t.per / time.Duration(t.free))
	}
	if c := t.excess(userKey(user), now); c != nil {
		wait = max(wait, min(longestDelay, time.Duration((c.failures-t.free)*float64(time.Second))))
	}
	return wait, true
}

// excess returns who has more failures than are free, nil if that is not so.
func (t *Throttle) excess(key string, now time.Time) *culprit {
	c := t.known[key]
	if c == nil {
		return nil
	}
	if t.age(c, now); c.failures <= t.free {
		return nil
	}
	return c
}

// Failed counts a failure.
func (t *Throttle) Failed(remote, user string, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.known) >= maxCulprits {
		t.forget(now)
	}
	t.count(addressKey(remote), now)
	if user != "" {
		t.count(userKey(user), now)
	}
}

func (t *Throttle) count(key string, now time.Time) {
	c := t.known[key]
	if c == nil {
		c = &culprit{at: now}
		t.known[key] = c
	}
	t.age(c, now)
	// No more than it takes to reach the longest delay, so that it is over
	// soon after the failures are.
	c.failures = min(c.failures+1, t.free+longestDelay.Seconds())
}

// age forgets failures as time passes: as many in a period as are free.
func (t *Throttle) age(c *culprit, now time.Time) {
	c.failures = max(0, c.failures-t.free*float64(now.Sub(c.at))/float64(t.per))
	c.at = now
}

// forget drops who has no failures left, and if that is not enough everybody:
// those who go on are soon known again.
func (t *Throttle) forget(now time.Time) {
	for k, c := range t.known {
		if t.age(c, now); c.failures == 0 {
			delete(t.known, k)
		}
	}
	if len(t.known) >= maxCulprits {
		clear(t.known)
	}
}

func userKey(user string) string { return "user " + user }

// addressKey is the address without its port; of IPv6 the first 64 bits, as
// whoever has one of these addresses has all of them (RFC 6177).
func addressKey(remote string) string {
	if ap, err := netip.ParseAddrPort(remote); err == nil {
		ip := ap.Addr().Unmap().WithZone("")
		remote = ip.String()
		if ip.Is6() && !ip.IsLoopback() {
			remote = netip.PrefixFrom(ip, 64).Masked().String()
		}
	}
	return "address " + remote
}
