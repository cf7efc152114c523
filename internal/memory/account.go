package memory

import (
	"sync"
	"sync/atomic"
)

// grain is how far an account may be away from what the budget knows of it.
const grain = 16 << 10

// An Account counts the bytes that one holder makes the process hold. Its
// methods may be called by any goroutine with any lock held. A nil Account
// counts nothing and is never full.
type Account struct {
	budget *Budget
	limit  int64  // 0: none
	holder Holder // nil: nobody can be ended for it

	used    atomic.Int64
	settled atomic.Int64 // what the budget knows
	closed  atomic.Bool
	hungry  atomic.Bool // starving is not empty

	mu       sync.Mutex // a leaf; guards what follows
	starving []func()
	// refs is how many sessions a user has, and ending says that the holder
	// was ended; both guarded by the budget's lock.
	refs   int
	ending bool
}

// A Holder is whose memory an account counts. Its methods are called by the
// goroutine of [Budget.Watch].
type Holder interface {
	// EndForMemory ends it because it holds most.
	EndForMemory()
	// MemoryRelieved says that the process has memory again.
	MemoryRelieved()
}

// Add charges the account with n bytes, or takes off what was charged before
// where n is negative.
func (a *Account) Add(n int) {
	if a == nil || n == 0 {
		return
	}
	used := a.used.Add(int64(n))
	if d := used - a.settled.Load(); d >= grain || d <= -grain {
		a.settle()
	}
}

// settle tells the budget. Of two that settle at the same time one may tell an
// older value, but the sum that the budget has is always that of what it was
// told.
func (a *Account) settle() {
	if a.budget == nil || a.closed.Load() {
		return
	}
	used := a.used.Load()
	a.budget.add(used - a.settled.Swap(used))
}

// Used is how many bytes the account is charged with.
func (a *Account) Used() int {
	if a == nil {
		return 0
	}
	return int(a.used.Load())
}

// Limit is how many bytes the account may have; 0: any number.
func (a *Account) Limit() int {
	if a == nil {
		return 0
	}
	return int(a.limit)
}

// Over tells whether the account would be over its own limit with n bytes more.
func (a *Account) Over(n int) bool {
	return a != nil && a.limit > 0 && a.used.Load()+int64(n) > a.limit
}

// Pressed tells whether the process is near its budget and the account holds
// more than its share of what is left. Who holds less goes on as if nothing
// was the matter.
func (a *Account) Pressed() bool {
	if a == nil || a.budget == nil || !a.budget.near.Load() {
		return false
	}
	return a.used.Load() > a.budget.share()
}

// Full tells whether the account is over its limit, or pressed.
func (a *Account) Full() bool { return a.Over(0) || a.Pressed() }

// Starve has f called by Feed, once, because the account is full.
func (a *Account) Starve(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.starving = append(a.starving, f)
	a.hungry.Store(true)
}

// Feed calls those who starve if the account is not full any more. It is called
// with nothing locked, when the account may have become less.
func (a *Account) Feed() {
	if a == nil || !a.hungry.Load() || a.Full() {
		return
	}
	a.mu.Lock()
	all := a.starving
	a.starving = nil
	a.hungry.Store(false)
	a.mu.Unlock()
	for _, f := range all {
		f()
	}
}

// Affords tells whether a user may have n bytes more: a user's messages take
// at most as much as all others leave free, so that no number of users fills
// the memory, and each of few has much.
func (a *Account) Affords(n int) bool {
	if a == nil || a.budget == nil || a.budget.limit == 0 {
		return true
	}
	used := a.used.Load() + int64(n)
	return used <= max(a.budget.high-a.budget.used.Load(), grain)
}

// Close takes the account out of its budget, with all that is charged to it.
// What is charged later counts for nobody.
func (a *Account) Close() {
	if a == nil || a.closed.Swap(true) || a.budget == nil {
		return
	}
	a.budget.stray.Add(max(a.used.Load(), -a.used.Load()))
	a.budget.remove(a)
}
