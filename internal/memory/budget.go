package memory

import (
	"sync"
	"sync/atomic"
	"time"
)

// A Budget is what all accounts may use together. A nil Budget has no limit.
type Budget struct {
	limit     int64 // 0: none
	high, low int64 // near from high on, until low

	used atomic.Int64
	near atomic.Bool // changes with mu held
	open atomic.Int64
	kick chan struct{} // tells Watch that near has changed
	gone chan struct{} // tells Watch that a holder that it has ended is gone

	paused, ended, stray atomic.Int64

	mu       sync.Mutex // a leaf; guards what follows
	accounts map[*Account]struct{}
	users    map[string]*Account
	sweep    int           // users are swept when there are so many
	relief   chan struct{} // closed when near ends
}

const (
	highPercent = 85
	lowPercent  = 80
)

// Patience is how long the budget may stay nearly used up before the largest
// holder is ended.
const Patience = 10 * time.Second

// New returns a Budget of so many bytes; 0: any number.
func New(limit int) *Budget {
	l := int64(limit)
	return &Budget{
		limit: l, high: l / 100 * highPercent, low: l / 100 * lowPercent,
		kick: make(chan struct{}, 1), gone: make(chan struct{}, 1), accounts: make(map[*Account]struct{}), users: make(map[string]*Account),
		relief: make(chan struct{}), sweep: fewUsers,
	}
}

// Open returns a new account with a limit of its own, 0 for none. Whoever
// opens it closes it.
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
	if a.ending { // nobody ends an account that is not among them
		tell(b.gone)
	}
}

// tell leaves word for whoever waits, unless it is there already.
func tell(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// fewUsers is a number of accounts of users that is not worth a sweep.
const fewUsers = 64

// EnterUser returns the account of what a user has sent and queues hold in
// memory, for a session of it. Each call needs one of LeaveUser.
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

// LeaveUser says that a session of the user has ended. The account stays while
// anything is charged to it.
func (b *Budget) LeaveUser(a *Account) {
	if b == nil || a == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	a.refs--
}

// sweepUsers forgets the accounts of users that hold nothing. It looks at all
// when they have doubled. The lock is held.
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

// add counts what an account has settled.
func (b *Budget) add(n int64) {
	used := b.used.Add(n)
	if b.limit == 0 {
		return
	}
	if near := b.near.Load(); !near && used > b.high || near && used <= b.low {
		b.turn()
	}
}

// turn looks again, with the lock held, whether the budget is nearly used up.
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

// Relief is closed when the budget is not nearly used up any more. It is asked
// for before [Account.Pressed], or the moment could be missed.
func (b *Budget) Relief() <-chan struct{} {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.relief
}

// share is what an account may hold while the budget is nearly used up: its
// part of what is left.
func (b *Budget) share() int64 {
	return max(grain, (b.limit-b.used.Load())/max(1, b.open.Load()))
}

// Exhausted tells whether all of the budget is used.
func (b *Budget) Exhausted() bool {
	return b != nil && b.limit > 0 && b.used.Load() >= b.limit
}

// Pause counts a sender that is paused for want of memory.
func (b *Budget) Pause() {
	if b != nil {
		b.paused.Add(1)
	}
}

// Used is exactly how many bytes all accounts are charged with.
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

// Stats are the figures of a budget at one moment.
type Stats struct {
	Limit, Used   int64
	Near          bool
	Paused, Ended int64 // senders that were paused, and connections that were ended, since the start
	// Stray is what was charged to accounts when they were closed, which is 0
	// if everything was taken off again.
	Stray int64
}

// Stats reads the figures.
func (b *Budget) Stats() Stats {
	if b == nil {
		return Stats{}
	}
	return Stats{Limit: b.limit, Used: b.used.Load(), Near: b.near.Load(), Paused: b.paused.Load(), Ended: b.ended.Load(), Stray: b.stray.Load()}
}
