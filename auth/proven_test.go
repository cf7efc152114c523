package auth

import (
	"sync"
	"sync/atomic"
	"testing"
)

// A callHash counts how often a password is looked at.
type callHash struct {
	passwordHash
	calls *atomic.Int64
}

func (h callHash) matches(password string) bool {
	h.calls.Add(1)
	return password == "right"
}

// counted makes accounts with one user, and counts the hashes.
func counted(t *testing.T) (accounts, *atomic.Int64) {
	t.Helper()
	a, err := newAccounts(Options{}, randomBytes(32))
	if err != nil {
		t.Fatal(err)
	}
	calls := &atomic.Int64{}
	a.byName["alice"] = account{hash: callHash{calls: calls}, roles: []string{"staff"}}
	return a, calls
}

// TestRightLoginIsRemembered: it takes its time once, a wrong one each time.
func TestRightLoginIsRemembered(t *testing.T) {
	a, calls := counted(t)
	g := make(gate, 1)
	for _, step := range []struct {
		password string
		ok       bool
		calls    int64
	}{{"wrong", false, 1}, {"right", true, 2}, {"right", true, 2}, {"wrong", false, 3}, {"", false, 4}, {"right", true, 4}} {
		id, err := a.login(g, "alice", step.password)
		if (err == nil) != step.ok || calls.Load() != step.calls {
			t.Errorf("%q: error %v after %d calls, want %d", step.password, err, calls.Load(), step.calls)
		}
		if step.ok && (id.User != "alice" || len(id.Roles) != 1) {
			t.Errorf("%q: it is %v", step.password, id)
		}
	}
	if _, err := a.login(g, "bob", "right"); err == nil {
		t.Error("somebody unknown is known by the passcode of another")
	}
	again, calls := counted(t)
	if _, err := again.login(g, "alice", "right"); err != nil || calls.Load() != 1 {
		t.Errorf("other accounts: error %v after %d calls, want 1", err, calls.Load())
	}
}

// TestCrowdLogsIn: waiting clients benefit from the first check of the same
// passcode.
func TestCrowdLogsIn(t *testing.T) {
	a, calls := counted(t)
	g := make(gate, 1)
	g <- struct{}{} // all come while it is taken
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			if _, err := a.login(g, "alice", "right"); err != nil {
				t.Error(err)
			}
		})
	}
	g.leave()
	all.Wait()
	if n := calls.Load(); n != 1 {
		t.Errorf("the passcode was looked at %d times", n)
	}
}
