package auth

import (
	"fmt"
	"testing"
	"time"
)

func TestThrottle(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	th := NewThrottle(3, time.Minute)
	want := func(remote, user string, wait time.Duration, ok bool) {
		t.Helper()
		if d, may := th.Delay(remote, user, now); d != wait || may != ok {
			t.Errorf("%s, %s: got %v %v, want %v %v", remote, user, d, may, wait, ok)
		}
	}
	for range 3 {
		th.Failed("10.0.0.1:1000", "alice", now)
	}
	want("10.0.0.1:1001", "alice", 0, true) // three are free
	th.Failed("10.0.0.1:1002", "alice", now)
	want("10.0.0.1:1003", "bob", 0, true)  // its turn is now,
	want("10.0.0.1:1004", "bob", 0, false) // the next one in 20 seconds, which is too late
	want("10.0.0.2:1000", "alice", time.Second, true)
	want("10.0.0.2:1000", "bob", 0, true)
	want("[::ffff:10.0.0.1]:5", "bob", 0, false)
	for range 1000 {
		th.Failed("10.0.0.3:1", "alice", now)
	}
	want("10.0.0.2:1000", "alice", longestDelay, true) // held up, but not locked out
	now = now.Add(17 * time.Second)
	want("10.0.0.1:1", "bob", 3*time.Second, true)
	now = now.Add(10 * time.Minute)
	want("10.0.0.1:1", "bob", 0, true)
	want("10.0.0.3:1", "alice", 0, true)
}

func TestThrottleIsBounded(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	th := NewThrottle(3, time.Minute)
	for i := range maxCulprits {
		th.Failed(fmt.Sprint("a", i), fmt.Sprint("u", i), now)
		if len(th.known) > maxCulprits+1 {
			t.Fatalf("%d are known", len(th.known))
		}
	}
}

// Whoever has one address of an IPv6 network has all of them.
func TestThrottleTakesNetworksForOne(t *testing.T) {
	for a, b := range map[string]string{"[2001:db8:1:2::1]:1": "[2001:db8:1:2:ff::9]:2", "10.0.0.1:1": "10.0.0.1:2", "[::ffff:10.0.0.1]:1": "10.0.0.1:5"} {
		if addressKey(a) != addressKey(b) {
			t.Errorf("%s and %s are two", a, b)
		}
	}
	for a, b := range map[string]string{"[2001:db8:1:2::1]:1": "[2001:db8:1:3::1]:1", "10.0.0.1:1": "10.0.0.2:1", "pipe": "other"} {
		if addressKey(a) == addressKey(b) {
			t.Errorf("%s and %s are one", a, b)
		}
	}
}
