package memory

import (
	"sync"
	"sync/atomic"
	"time"
)

// A Budget is the memory that all accounts share. A nil Budget has no limit.
type Budget struct {
	limit     int64 // 0: none
	high, low int64 // near becomes true above high, and false at low

	used atomic.Int64
	near atomic.Bool // changes with mu held
	open atomic.Int64
	kick chan struct{} // wakes Watch when near changes
	gone chan struct{} // wakes Watch when an ended holder has closed its account

	paused, ended, stray atomic.Int64

	mu       sync.Mutex // a leaf; guards the fields below
	accounts map[*Account]struct{}
	users    map[string]*Account
	sweep    int           // number of users at which they are swept
	relief   chan struct{} // closed when near ends
}

const (
	highPercent = 85
	lowPercent  = 80
)

// GracePeriod is how long the budget may be nearly used up before the largest
// holder is ended.
const GracePeriod = 10 * time.Second

// New returns a Budget of limit bytes; 0: unlimited.
func New(limit int) *Budget {
	l := int64(limit)
	return &Budget{
		limit: l, high: l / 100 * highPercent, low: l / 100 * lowPercent,
		kick: make(chan struct{}, 1), gone: make(chan struct{}, 1), accounts: make(map[*Account]struct{}), users: make(map[string]*Account),
		relief: make(chan struct{}), sweep: fewUsers,
	}
}

// Open returns a new account with its own limit in bytes, 0 for none. The
// caller must Close it. h may be nil.
func (b *Budget) Open(limit int, h Holder) *Account {
	a := &Account{budget: b, limit: int64(limit), holder: h}
	if b == nil {
		return a
	}
	b.mu.Lock()
	b.accounts[a] = struct{}{}
	b.mu.Unlock()
	b.open.Add(1)
	return a
}

func (b *Budget) remove(a *Account) {
	b.mu.Lock()
	delete(b.accounts, a)
	b.mu.Unlock()
	b.open.Add(-1)
	b.add(-a.settled.Swap(0))
	if a.ending { // only accounts in b.accounts are ended, so ending is stable here
		tell(b.gone)
	}
}

// tell wakes the receiver, unless a wake-up is pending.
func tell(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// fewUsers is the number of users below which a sweep is not worth it.
const fewUsers = 64

// EnterUser returns the user's account, which counts the messages that the user
// has sent and that queues hold in memory. Each session calls it once, and
// LeaveUser at its end.
func (b *Budget) EnterUser(name string) *Account {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.users[name]
	if a == nil {
		b.sweepUsers()
		a = &Account{budget: b}
		b.users[name] = a
	}
	a.refs++
	return a
}

// LeaveUser undoes EnterUser. The account stays while anything is charged to
// it.
func (b *Budget) LeaveUser(a *Account) {
	if b == nil || a == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	a.refs--
}

// sweepUsers removes user accounts without sessions and charges. It runs when
// the number of users has doubled. The caller holds the lock.
func (b *Budget) sweepUsers() {
	if len(b.users) < b.sweep {
		return
	}
	for name, a := range b.users {
		if a.refs == 0 && a.used.Load() == 0 {
			delete(b.users, name)
			a.settle()
		}
	}
	b.sweep = max(fewUsers, 2*len(b.users))
}

// add adds n bytes that an account has settled.
func (b *Budget) add(n int64) {
	used := b.used.Add(n)
	if b.limit == 0 {
		return
	}
	if near := b.near.Load(); !near && used > b.high || near && used <= b.low {
		b.turn()
	}
}

// turn checks again, with the lock, whether near must change.
func (b *Budget) turn() {
	b.mu.Lock()
	defer b.mu.Unlock()
	used := b.used.Load()
	switch near := b.near.Load(); {
	case !near && used > b.high:
		b.near.Store(true)
	case near && used <= b.low:
		b.near.Store(false)
		close(b.relief)
		b.relief = make(chan struct{})
	default:
		return
	}
	tell(b.kick)
}

// Relief returns a channel that is closed when the budget is no longer nearly
// used up. Call it before [Account.Pressed], or the change may be missed.
func (b *Budget) Relief() <-chan struct{} {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.relief
}

// share is the number of bytes that an account may hold while the budget is
// nearly used up: its part of the free bytes, and at least a grain.
func (b *Budget) share() int64 {
	return max(grain, (b.limit-b.used.Load())/max(1, b.open.Load()))
}

// Exhausted reports whether the whole budget is used.
func (b *Budget) Exhausted() bool {
	return b != nil && b.limit > 0 && b.used.Load() >= b.limit
}

// Pause counts a sender that was paused because of memory.
func (b *Budget) Pause() {
	if b != nil {
		b.paused.Add(1)
	}
}

// Used returns the exact sum of all accounts, in bytes. It visits each account.
func (b *Budget) Used() int {
	if b == nil {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	n := int64(0)
	for a := range b.accounts {
		n += a.used.Load()
	}
	for _, a := range b.users {
		n += a.used.Load()
	}
	return int(n)
}

// UsedBy returns the bytes of the messages in memory that a user has sent.
func (b *Budget) UsedBy(user string) int {
	if b == nil {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.users[user].Used()
}

// Stats are the figures of a budget.
type Stats struct {
	Limit, Used   int64
	Near          bool
	Paused, Ended int64 // senders paused and connections ended since the start
	// Stray is the sum of the charges that were left when accounts were closed;
	// 0 if every charge was returned.
	Stray int64
}

// Stats returns the current figures.
func (b *Budget) Stats() Stats {
	if b == nil {
		return Stats{}
	}
	return Stats{Limit: b.limit, Used: b.used.Load(), Near: b.near.Load(), Paused: b.paused.Load(), Ended: b.ended.Load(), Stray: b.stray.Load()}
}
