package memory

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

type holder struct {
	ended, relieved atomic.Int32
	account         *Account
}

func (h *holder) EndForMemory() {
	h.ended.Add(1)
	h.account.Add(-h.account.Used())
	h.account.Close()
}
func (h *holder) MemoryRelieved() { h.relieved.Add(1) }

func open(b *Budget, limit int) *holder {
	h := &holder{}
	h.account = b.Open(limit, h)
	return h
}

// The budget differs from the sum of the accounts by at most a grain per
// account, and is exact when they have closed.
func TestSum(t *testing.T) {
	b := New(1 << 30)
	var wg sync.WaitGroup
	accounts := make([]*Account, 8)
	for i := range accounts {
		accounts[i] = b.Open(0, nil)
		for range 4 {
			wg.Go(func() {
				r, held := rand.New(rand.NewPCG(uint64(i), 1)), 0
				for range 2000 {
					n := r.IntN(40_000)
					if held > 0 && r.IntN(2) == 0 {
						n = -r.IntN(held + 1)
					}
					accounts[i].Add(n)
					held += n
				}
				accounts[i].Add(-held)
			})
		}
	}
	wg.Wait()
	if used := b.Stats().Used; used < -8*grain || used > 8*grain {
		t.Errorf("%d bytes are used by accounts that hold nothing", used)
	}
	for _, a := range accounts {
		if a.Used() != 0 {
			t.Errorf("an account that holds nothing has %d bytes", a.Used())
		}
		a.Close()
		a.Close()
	}
	if used := b.Stats().Used; used != 0 {
		t.Errorf("%d bytes are used by nobody", used)
	}
}

// Charges left in a closed account do not count any longer.
func TestCloseForgets(t *testing.T) {
	b := New(1 << 20)
	a := b.Open(0, nil)
	a.Add(900_000)
	if !b.Stats().Near {
		t.Error("900,000 bytes of 1 MiB are not near")
	}
	a.Close()
	a.Add(900_000)
	if s := b.Stats(); s.Used != 0 || s.Near {
		t.Errorf("after its end: %+v", s)
	}
}

func TestNilCountsNothing(t *testing.T) {
	var a *Account
	var b *Budget
	a.Add(1)
	a.Close()
	b.Pause()
	b.LeaveUser(b.EnterUser("u"))
	if a.Full() || a.Over(1<<40) || a.Used() != 0 || !a.Affords(1<<40) || b.Exhausted() || b.Relief() != nil || b.Stats() != (Stats{}) {
		t.Error("something that does not count has an opinion")
	}
	c := b.Open(100, nil)
	c.Add(100)
	if c.Full() || !c.Over(1) {
		t.Error("an account without a budget keeps its limit")
	}
	c.Close()
}

// When the budget is nearly used up, only accounts above their share are
// pressed.
func TestPressed(t *testing.T) {
	b := New(100 << 20)
	large, small := b.Open(0, nil), b.Open(0, nil)
	large.Add(80 << 20)
	small.Add(1 << 20)
	if large.Pressed() || small.Pressed() {
		t.Error("somebody is pressed below 85 %")
	}
	relief := b.Relief()
	large.Add(10 << 20)
	if !large.Pressed() || small.Pressed() {
		t.Errorf("pressed: %v, %v", large.Pressed(), small.Pressed())
	}
	large.Add(-9 << 20)
	if !large.Pressed() {
		t.Error("81 % is above the low mark")
	}
	large.Add(-3 << 20)
	select {
	case <-relief:
	default:
		t.Error("nobody is told")
	}
	if large.Pressed() {
		t.Error("pressed below 80 %")
	}
}

// Users share the free bytes: one may have half at most, and several together
// leave some.
func TestUsersShare(t *testing.T) {
	b := New(100 << 20)
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		u := b.EnterUser(name)
		for u.Affords(1 << 16) {
			u.Add(1 << 16)
		}
		if name == "a" && (u.Used() < 40<<20 || u.Used() > 45<<20) {
			t.Errorf("the first has %d bytes", u.Used())
		}
	}
	if b.Stats().Near {
		t.Error("users alone have used up the budget")
	}
	if u := b.EnterUser("g"); !u.Affords(1 << 10) {
		t.Error("one more user has nothing")
	}
}

func TestUsersAreForgotten(t *testing.T) {
	b := New(100 << 20)
	holding := b.EnterUser("holding")
	holding.Add(1)
	b.LeaveUser(holding)
	for i := range 10_000 {
		u := b.EnterUser(string(rune('a' + i)))
		u.Add(100)
		u.Add(-100)
		b.LeaveUser(u)
	}
	if n := len(b.users); n > 2*fewUsers {
		t.Errorf("%d users are remembered", n)
	}
	if b.EnterUser("holding") != holding {
		t.Error("a user with messages is forgotten")
	}
}

// After GracePeriod, the largest holder is ended, then the next one, until the
// budget is relieved. Small holders stay.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(100 << 20)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go b.Watch(ctx)
		small, second, first := open(b, 0), open(b, 0), open(b, 0)
		small.account.Add(1 << 10)
		second.account.Add(45 << 20)
		first.account.Add(50 << 20)
		time.Sleep(GracePeriod - time.Second)
		synctest.Wait()
		if first.ended.Load()+second.ended.Load() > 0 {
			t.Error("somebody was ended at once")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if first.ended.Load() != 1 || second.ended.Load() != 0 || small.ended.Load() != 0 {
			t.Errorf("ended: %d, %d, %d", first.ended.Load(), second.ended.Load(), small.ended.Load())
		}
		if second.relieved.Load() != 1 || small.relieved.Load() != 1 {
			t.Errorf("relieved: %d, %d", second.relieved.Load(), small.relieved.Load())
		}
		if s := b.Stats(); s.Ended != 1 || s.Near {
			t.Errorf("%+v", s)
		}
	})
}

// A budget that is relieved in time ends no holder.
func TestWatchPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(100 << 20)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go b.Watch(ctx)
		h := open(b, 0)
		for range 5 {
			h.account.Add(90 << 20)
			time.Sleep(GracePeriod - time.Second)
			h.account.Add(-90 << 20)
			time.Sleep(time.Second)
		}
		synctest.Wait()
		if h.ended.Load() != 0 || h.relieved.Load() == 0 {
			t.Errorf("ended %d, relieved %d", h.ended.Load(), h.relieved.Load())
		}
	})
}

// A holder that was ended before does not shorten the patience of the next
// time.
func TestWatchPatienceAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(100 << 20)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go b.Watch(ctx)
		first, second, third := open(b, 0), open(b, 0), open(b, 0)
		first.account.Add(90 << 20)
		time.Sleep(GracePeriod + time.Second)
		synctest.Wait()
		if first.ended.Load() != 1 {
			t.Fatal("the first was not ended")
		}
		second.account.Add(45 << 20)
		third.account.Add(44 << 20)
		time.Sleep(GracePeriod - time.Second)
		synctest.Wait()
		if second.ended.Load()+third.ended.Load() > 0 {
			t.Error("somebody was ended at once")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if second.ended.Load() != 1 || third.ended.Load() != 0 {
			t.Errorf("ended: %d, %d", second.ended.Load(), third.ended.Load())
		}
	})
}

// Users' messages do not end connections that hold little.
func TestWatchSparesSmall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(100 << 20)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go b.Watch(ctx)
		u, h := b.EnterUser("u"), open(b, 0)
		u.Add(95 << 20)
		h.account.Add(100)
		time.Sleep(10 * GracePeriod)
		synctest.Wait()
		if h.ended.Load() > 0 {
			t.Error("ended for nothing")
		}
	})
}
