package auth

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// A Throttle slows down clients that guess credentials, and admits all
// others. A failure counts from the moment its attempt begins, and is taken
// back if the attempt succeeds: concurrent attempts get no more guesses than
// consecutive ones.
//
// Passcodes are counted by user and address together, with a limit ten times
// as high by address, and by user alone, where failures from everywhere only
// cause a delay: nobody can lock a user out by failing in its name. For a
// user that succeeded from an address lately, only the first count matters,
// so that users who share the address with a guesser stay in.
//
// Tokens are always verified, as good ones cannot be guessed: those of an
// address with many failures one at a time.
//
// A Throttle may be used by any goroutine. A nil Throttle delays nobody.
type Throttle struct {
	free float64 // failures that cost nothing
	per  time.Duration
	seed maphash.Seed

	mu     sync.Mutex
	guilty table // guarded by mu
	good   table // users at addresses that succeeded lately; guarded by mu
}

const (
	// longestWait is the longest delay of an attempt before it is made or
	// refused. Clients wait for CONNECTED for at least 5 s.
	longestWait = 4 * time.Second
	// looser is how many more failures an address has than one user there.
	looser = 10
	// goodFor is how long the success of a user at an address counts.
	goodFor = 24 * time.Hour
	// failurePause is how long the refusal of a token is held back where the
	// address has failed too often.
	failurePause = time.Second
	// maxGuilty and maxGood bound the memory that failing can cost the broker
	// to 16 MiB.
	maxGuilty, maxGood = 1 << 16, 1 << 14
)

// NewThrottle returns a Throttle that lets n failures pass in that time.
func NewThrottle(n int, per time.Duration) *Throttle {
	return &Throttle{free: float64(n), per: per, seed: maphash.MakeSeed(), guilty: newTable(maxGuilty), good: newTable(maxGood)}
}

// A Peer is where credentials come from.
type Peer struct {
	Remote string          // the client's address
	Gone   <-chan struct{} // closed when nobody waits for the answer any more; nil: never
}

// A kind tells counters of the same name apart.
type kind byte

const (
	userAtAddress kind = iota + 1
	passcodesOfAddress
	failuresOfUser
	tokensOfAddress
)

// key is of a fixed size whatever a client sends. A client can neither compute
// it nor see it.
func (t *Throttle) key(k kind, address, user string) uint64 {
	var h maphash.Hash
	h.SetSeed(t.seed)
	_ = h.WriteByte(byte(k)) // never fails
	_, _ = h.WriteString(address)
	_ = h.WriteByte(0)
	_, _ = h.WriteString(user)
	return h.Sum64()
}

// An attempt is a passcode that may be tried. It must be ended.
type attempt struct {
	t    *Throttle
	held []*counter // in the order they were entered
	pair uint64
}

// passcode waits until a passcode may be tried. The error is a [Refusal].
func (t *Throttle) passcode(user string, from Peer) (*attempt, error) {
	if t == nil {
		return nil, nil //nolint:nilnil // a nil attempt is one that nothing is counted of
	}
	deadline := time.Now().Add(longestWait)
	address := addressOf(from.Remote)
	a := &attempt{t: t, pair: t.key(userAtAddress, address, user)}
	if err := a.enter(a.pair, t.free, deadline, from); err != nil {
		return nil, err
	}
	if t.isGood(a.pair) {
		return a, nil
	}
	err := a.enter(t.key(passcodesOfAddress, address, ""), looser*t.free, deadline, from)
	if err == nil {
		err = a.delay(t.key(failuresOfUser, "", user), deadline, from)
	}
	if err != nil {
		a.cancel()
		return nil, err
	}
	return a, nil
}

func (a *attempt) enter(key uint64, free float64, deadline time.Time, from Peer) error {
	c, err := a.t.enter(key, free, 0, deadline, from)
	if err == nil {
		a.held = append(a.held, c)
	}
	return err
}

// delay counts an attempt for its user, and makes it wait a second for each
// failure that is not free.
func (a *attempt) delay(key uint64, deadline time.Time, from Peer) error {
	t, now := a.t, time.Now()
	t.mu.Lock()
	c := t.use(key, t.free, now)
	c.age(now)
	over := c.level + float64(c.running) - t.free
	c.running++
	a.held = append(a.held, c)
	t.mu.Unlock()
	return sleep(min(time.Duration(over*float64(time.Second)), deadline.Sub(now)), from)
}

// right ends an attempt that succeeded.
func (a *attempt) right() {
	if a == nil {
		return
	}
	a.cancel()
	a.t.mu.Lock()
	defer a.t.mu.Unlock()
	now := time.Now()
	a.t.good.rest(a.t.good.use(a.pair, now), now, now.Add(goodFor))
}

// wrong ends an attempt that failed, and cancel one of which nobody knows.
func (a *attempt) wrong()  { a.end(1) }
func (a *attempt) cancel() { a.end(0) }

func (a *attempt) end(failures float64) {
	if a == nil {
		return
	}
	for _, c := range a.held {
		a.t.leave(c, failures)
	}
	a.held = nil
}

func (t *Throttle) isGood(pair uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.good.find(pair, time.Now()) != nil
}

// A turn is for one token: its signature may be checked between take and give,
// repeatedly.
type turn struct {
	t    *Throttle
	key  uint64
	from Peer
	held *counter
}

func (t *Throttle) token(from Peer) *turn {
	if t == nil {
		return nil
	}
	return &turn{t: t, key: t.key(tokensOfAddress, addressOf(from.Remote), ""), from: from}
}

// take waits for the turn. The error is a [Refusal].
func (u *turn) take() (err error) {
	if u != nil {
		u.held, err = u.t.enter(u.key, u.t.free, 1, time.Now().Add(longestWait), u.from)
	}
	return err
}

// give lets the next one take its turn.
func (u *turn) give() {
	if u != nil && u.held != nil {
		u.t.leave(u.held, 0)
		u.held = nil
	}
}

// failed counts the token as a failure of its address, and pauses if there
// were many.
func (u *turn) failed() {
	if u == nil {
		return
	}
	t := u.t
	t.mu.Lock()
	c := t.use(u.key, t.free, time.Now())
	t.settle(c, 1, time.Now())
	many := c.level > c.free
	t.mu.Unlock()
	if many {
		_ = sleep(failurePause, u.from) // it is refused in any case
	}
}

// enter waits until a counter has room for one more attempt, and counts it as
// being under way. It returns a [Refusal] if that takes too long.
func (t *Throttle) enter(key uint64, free float64, least int, deadline time.Time, from Peer) (*counter, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	c := t.use(key, free, now)
	if c.waiting.Len() == 0 && c.room(now, least) {
		c.running++
		return c, nil
	}
	if least == 0 && c.pause(1) > deadline.Sub(now) {
		t.settle(c, 0, now)
		return nil, refuseLimited()
	}
	look := make(chan struct{}, 1)
	place := c.waiting.PushBack(look)
	for {
		wait := deadline.Sub(now)
		if c.waiting.Front() == place {
			wait = min(wait, c.pause(float64(c.running+1)))
		}
		t.mu.Unlock()
		err := wake(wait, look, from)
		t.mu.Lock()
		now = time.Now()
		first := c.waiting.Front() == place
		switch {
		case err == nil && first && c.room(now, least):
			c.waiting.Remove(place)
			c.running++
			c.wake()
			return c, nil
		case err != nil || !now.Before(deadline):
			c.waiting.Remove(place)
			c.wake()
			t.settle(c, 0, now)
			return nil, c.refusal(least)
		}
	}
}

// refusal tells an attempt why it may not be made: failures, or others that
// are under way.
func (c *counter) refusal(least int) error {
	if least == 0 && c.pause(1) > 0 {
		return refuseLimited()
	}
	return &Refusal{Reason: reasonBusy, Busy: true}
}

// use returns a counter that stays in the table until it is settled.
func (t *Throttle) use(key uint64, free float64, now time.Time) *counter {
	c := t.guilty.use(key, now)
	c.free, c.per = free, t.per
	return c
}

// leave ends an attempt that was under way.
func (t *Throttle) leave(c *counter, failures float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c.running--
	t.settle(c, failures, time.Now())
	c.wake()
}

// settle adds failures, and lets a counter rest that nobody uses. There are
// never more failures than it takes to cause the longest delay, so that it is
// over soon after the failures are.
func (t *Throttle) settle(c *counter, failures float64, now time.Time) {
	c.age(now)
	c.level = min(c.level+failures, c.free+longestWait.Seconds())
	if c.running == 0 && c.waiting.Len() == 0 {
		t.guilty.rest(c, now, now.Add(c.pause(c.free)))
	}
}

const reasonLimited = "too many failures"

func refuseLimited() error { return &Refusal{Reason: reasonLimited, Limited: true} }

// sleep waits. It returns a [Refusal] if the client has left meanwhile.
func sleep(d time.Duration, from Peer) error { return wake(d, nil, from) }

// wake is sleep that ends early when look has a value.
func wake(d time.Duration, look <-chan struct{}, from Peer) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-look:
	case <-from.Gone:
		return refuse(reasonGone)
	}
	return nil
}

const reasonGone = "the client has gone"

// addressOf is the address without its port; of IPv6 the first 64 bits, as
// the owner of one of these addresses owns all of them (RFC 6177).
func addressOf(remote string) string {
	if ap, err := netip.ParseAddrPort(remote); err == nil {
		ip := ap.Addr().Unmap().WithZone("")
		remote = ip.String()
		if ip.Is6() && !ip.IsLoopback() {
			remote = netip.PrefixFrom(ip, 64).Masked().String()
		}
	}
	return remote
}
