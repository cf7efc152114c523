package auth

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// try makes an attempt with a wrong passcode, and returns its result.
func try(t *testing.T, th *Throttle, remote, user string) (waited time.Duration, err error) {
	t.Helper()
	start := time.Now()
	a, err := th.passcode(user, Peer{Remote: remote})
	a.wrong()
	return time.Since(start), err
}

func wantLimited(t *testing.T, err error) {
	t.Helper()
	if r, ok := errors.AsType[*Refusal](err); !ok || !r.Limited {
		t.Errorf("got %#v, want to be limited", err)
	}
}

func TestThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := NewThrottle(3, time.Minute)
		want := func(remote, user string, wait time.Duration) {
			t.Helper()
			if d, err := try(t, th, remote, user); err != nil || d.Round(time.Millisecond) != wait {
				t.Errorf("%s, %s: got %v %v, want %v", remote, user, d, err, wait)
			}
		}
		for range 3 {
			want("10.0.0.1:1000", "alice", 0) // three are free
		}
		_, err := try(t, th, "10.0.0.1:1001", "alice")
		wantLimited(t, err)
		_, err = try(t, th, "[::ffff:10.0.0.1]:5", "alice")
		wantLimited(t, err)
		want("10.0.0.1:1002", "bob", 0) // another user at that address
		want("10.0.0.2:1000", "alice", 0)
		want("10.0.0.2:1000", "alice", time.Second) // held up by failures elsewhere, but not locked out
		time.Sleep(16 * time.Second)
		want("10.0.0.1:1003", "alice", 4*time.Second) // one is free each 20 s, and it is held up as well
		time.Sleep(10 * time.Minute)
		for range 3 {
			want("10.0.0.1:1004", "alice", 0)
		}
	})
}

// An address that tries many users gets ten times the failures of one user.
func TestThrottleByAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := NewThrottle(3, time.Hour)
		for i := range 3 * looser {
			if _, err := try(t, th, "10.0.0.1:1", fmt.Sprint("user", i)); err != nil {
				t.Fatalf("try %d: %v", i, err)
			}
		}
		_, err := try(t, th, "10.0.0.1:1", "another")
		wantLimited(t, err)
	})
}

// Users who have succeeded from an address stay in, whatever others do there.
func TestThrottleKnowsWhoSucceeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := NewThrottle(3, time.Hour)
		a, err := th.passcode("relay", Peer{Remote: "10.0.0.1:1"})
		if err != nil {
			t.Fatal(err)
		}
		a.right()
		for i := range 1000 {
			_, _ = try(t, th, "10.0.0.1:1", fmt.Sprint("user", i))
			_, _ = try(t, th, fmt.Sprintf("10.0.1.%d:1", i%250), "relay") // and others in its name
		}
		start := time.Now()
		a, err = th.passcode("relay", Peer{Remote: "10.0.0.1:2"})
		if err != nil || time.Since(start) > 0 {
			t.Fatalf("it took %v: %v", time.Since(start), err)
		}
		a.right()
		for range 3 {
			if _, err := try(t, th, "10.0.0.1:1", "relay"); err != nil {
				t.Fatal(err)
			}
		}
		_, err = try(t, th, "10.0.0.1:1", "relay") // which is no licence to guess
		wantLimited(t, err)
	})
}

// Thousands of good logins at once, as Spring's relay makes them, are let in.
func TestThrottleLetsCrowdsIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := NewThrottle(10, time.Minute)
		var crowd sync.WaitGroup
		for range 3000 {
			crowd.Go(func() {
				a, err := th.passcode("relay", Peer{Remote: "10.0.0.1:1"})
				if err != nil {
					t.Error(err)
					return
				}
				time.Sleep(10 * time.Millisecond) // for the hash
				a.right()
			})
		}
		crowd.Wait()
	})
}

// A client that has left does not wait.
func TestThrottleForgetsWhoHasGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := NewThrottle(1, 3*time.Second)
		held, _ := th.passcode("a", Peer{Remote: "r"})
		gone := make(chan struct{})
		ended := make(chan error)
		go func() {
			_, err := th.passcode("a", Peer{Remote: "r", Gone: gone})
			ended <- err
		}()
		synctest.Wait()
		close(gone)
		if err := <-ended; err == nil {
			t.Error("who has gone was let in")
		}
		held.cancel()
		if _, err := try(t, th, "r", "a"); err != nil {
			t.Error(err)
		}
	})
}

// A guesser with any mix of addresses, users, tokens and passcodes, one after
// the other or all at once, never gets more guesses than are free, and a good
// token always gets in at once.
func TestThrottleRandom(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { guess(t, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

const guessFree, guessPer, guessHash = 5, 10 * time.Second, 200 * time.Millisecond

func guess(t *testing.T, random *rand.Rand) {
	th := NewThrottle(guessFree, guessPer)
	begun := map[string][]time.Time{} // passcodes that were tried, by address and by address and user
	var mu sync.Mutex
	passcode := func(address, user string, right bool) {
		a, err := th.passcode(user, Peer{Remote: address})
		if err != nil {
			return
		}
		at := time.Now()
		time.Sleep(guessHash)
		if right {
			a.right()
			return
		}
		mu.Lock()
		begun[address] = append(begun[address], at)
		begun[address+" "+user] = append(begun[address+" "+user], at)
		mu.Unlock()
		a.wrong()
	}
	token := func(address string) {
		u := th.token(Peer{Remote: address})
		if u.take() == nil {
			time.Sleep(time.Millisecond)
			u.give()
		}
		u.failed()
	}
	var all sync.WaitGroup
	for range 600 {
		address, user := fmt.Sprint("10.0.0.", random.IntN(3)), fmt.Sprint("u", random.IntN(20))
		switch random.IntN(4) {
		case 0:
			all.Go(func() { token(address) })
		case 1:
			all.Go(func() { passcode(address, user, user == "u0") }) // one of them is theirs
		default:
			all.Go(func() { passcode(address, user, false) })
		}
		if random.IntN(3) == 0 {
			time.Sleep(time.Duration(random.IntN(500)) * time.Millisecond)
		}
		if random.IntN(20) == 0 {
			start, u := time.Now(), th.token(Peer{Remote: address})
			if err := u.take(); err != nil || time.Since(start) > time.Second {
				t.Errorf("a good token waited %v: %v", time.Since(start), err)
			}
			u.give()
		}
	}
	all.Wait()
	checkGuesses(t, begun)
	time.Sleep(time.Minute)
	th.guilty.find(0, time.Now())
	if len(th.guilty.known) != 0 {
		t.Errorf("%d are still guilty", len(th.guilty.known))
	}
}

// checkGuesses looks at the guesses in every stretch of time.
func checkGuesses(t *testing.T, begun map[string][]time.Time) {
	t.Helper()
	for who, times := range begun {
		free := float64(guessFree)
		if !strings.Contains(who, " ") {
			free *= looser
			free += guessFree // of the user that is known there
		}
		for i := range times {
			for j := i; j < len(times); j++ {
				took := times[j].Sub(times[i]).Abs() + guessHash
				if most := free + free*took.Seconds()/guessPer.Seconds(); float64(j-i+1) > most+1e-3 {
					t.Fatalf("%s: %d guesses in %v", who, j-i+1, took)
				}
			}
		}
	}
}

// Memory is bounded for any names that clients send, and the lowest counts
// are forgotten first.
func TestThrottleIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := NewThrottle(3, time.Minute)
		th.guilty.most = 100
		for range 3 {
			_, _ = try(t, th, "10.9.9.9:1", "alice")
		}
		for i := range 10_000 {
			_, _ = try(t, th, fmt.Sprint("a", i), strings.Repeat("u", i%300)+fmt.Sprint(i))
			if n := len(th.guilty.known); n > 100 || n != len(th.guilty.rests) {
				t.Fatalf("%d are known, %d at rest", n, len(th.guilty.rests))
			}
		}
		_, err := try(t, th, "10.9.9.9:1", "alice")
		wantLimited(t, err)
	})
}

// All addresses of an IPv6 network of 64 bits count as one.
func TestThrottleTakesNetworksForOne(t *testing.T) {
	for a, b := range map[string]string{"[2001:db8:1:2::1]:1": "[2001:db8:1:2:ff::9]:2", "10.0.0.1:1": "10.0.0.1:2", "[::ffff:10.0.0.1]:1": "10.0.0.1:5"} {
		if addressOf(a) != addressOf(b) {
			t.Errorf("%s and %s are two", a, b)
		}
	}
	for a, b := range map[string]string{"[2001:db8:1:2::1]:1": "[2001:db8:1:3::1]:1", "10.0.0.1:1": "10.0.0.2:1", "pipe": "other"} {
		if addressOf(a) == addressOf(b) {
			t.Errorf("%s and %s are one", a, b)
		}
	}
}
