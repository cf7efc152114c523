package memory

import (
	"sync"
	"sync/atomic"
)

// grain is the largest difference between an account and the budget's view of
// it.
const grain = 16 << 10

// An Account counts the bytes that one holder occupies. Its methods may be
// called from any goroutine, with any lock held, except Feed. A nil
// Account counts nothing and is never full.
type Account struct {
	budget *Budget
	limit  int64  // 0: none
	holder Holder // nil: a user's account, whose holder cannot be ended

	used    atomic.Int64
	settled atomic.Int64 // the budget's view of used
	closed  atomic.Bool
	hungry  atomic.Bool // starving is not empty

	mu       sync.Mutex // a leaf; guards starving
	starving []func()
	// refs is the number of a user's sessions, and ending is true once the
	// holder was ended; both guarded by the budget's lock.
	refs   int
	ending bool
}

// A Holder is the owner of an account. Its methods are called from the
// goroutine of [Budget.Watch].
type Holder interface {
	// EndForMemory ends the holder because it occupies most memory.
	EndForMemory()
	// MemoryRelieved is called when the budget is no longer nearly used up.
	MemoryRelieved()
}

// Add charges the account with n bytes. A negative n returns bytes charged
// before.
func (a *Account) Add(n int) {
	if a == nil || n == 0 {
		return
	}
	used := a.used.Add(int64(n))
	if d := used - a.settled.Load(); d >= grain || d <= -grain {
		a.settle()
	}
}

// settle tells the budget about changes. Concurrent calls may swap an outdated
// value last, but the budget's sum always equals the sum of settled.
func (a *Account) settle() {
	if a.budget == nil || a.closed.Load() {
		return
	}
	used := a.used.Load()
	a.budget.add(used - a.settled.Swap(used))
}

// Used returns the number of bytes charged.
func (a *Account) Used() int {
	if a == nil {
		return 0
	}
	return int(a.used.Load())
}

// Limit returns the limit in bytes; 0: none.
func (a *Account) Limit() int {
	if a == nil {
		return 0
	}
	return int(a.limit)
}

// Over reports whether n more bytes would exceed the account's own limit.
func (a *Account) Over(n int) bool {
	return a != nil && a.limit > 0 && a.used.Load()+int64(n) > a.limit
}

// Pressed reports whether the budget is nearly used up and the account holds
// more than its share of the rest. Accounts below their share are not affected.
func (a *Account) Pressed() bool {
	if a == nil || a.budget == nil || !a.budget.near.Load() {
		return false
	}
	return a.used.Load() > a.budget.share()
}

// Full reports whether the account is over its limit or pressed.
func (a *Account) Full() bool { return a.Over(0) || a.Pressed() }

// Crowded reports whether more than five eighths of the limit are used, or the
// account is pressed. What can wait, waits then, so that the rest is left for what
// cannot: an account that is merely crowded still affords a new subscription.
func (a *Account) Crowded() bool {
	return a != nil && a.limit > 0 && a.used.Load() > a.limit/8*5 || a.Pressed()
}

// Starve registers f for the next Feed after the account is no longer crowded. f
// is called once.
func (a *Account) Starve(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.starving = append(a.starving, f)
	a.hungry.Store(true)
}

// Feed calls the registered functions if the account is no longer crowded. Callers
// hold no lock, and call it after charges were returned.
func (a *Account) Feed() {
	if a == nil || !a.hungry.Load() || a.Crowded() {
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

// Affords reports whether a user may occupy n more bytes. A user may hold at
// most as much as is left free, so that many users together cannot exhaust the
// memory, and a few have plenty.
func (a *Account) Affords(n int) bool {
	if a == nil || a.budget == nil || a.budget.limit == 0 {
		return true
	}
	used := a.used.Load() + int64(n)
	return used <= max(a.budget.high-a.budget.used.Load(), grain)
}

// Close removes the account from its budget, with all bytes charged to it.
// Later charges do not count.
func (a *Account) Close() {
	if a == nil || a.closed.Swap(true) || a.budget == nil {
		return
	}
	a.budget.stray.Add(max(a.used.Load(), -a.used.Load()))
	a.budget.remove(a)
}
