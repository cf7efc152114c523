package auth

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// slowHash takes a while, and counts how often it was asked.
type slowHash struct {
	passwordHash
	calls *atomic.Int64
}

func (h slowHash) matches(password string) bool {
	h.calls.Add(1)
	time.Sleep(100 * time.Millisecond)
	return password == "sesame"
}

func (h slowHash) decoy() passwordHash { return h }

// braked has a user relay with the passcode sesame, and tokens.
func braked(t *testing.T, th *Throttle) (*Authenticator, *atomic.Int64) {
	t.Helper()
	hash, err := HashPassword(Argon2id, "sesame")
	if err != nil {
		t.Fatal(err)
	}
	a := start(t, Options{JWT: tokenOptions(t), Users: []User{{Name: "relay", Hash: hash}}, Throttle: th})
	calls := new(atomic.Int64)
	s := a.state.Load()
	s.users.byName["relay"] = account{hash: slowHash{calls: calls}}
	s.users.decoys = []passwordHash{slowHash{calls: calls}}
	return a, calls
}

// A burst of guesses does not outrun the hash.
func TestBurstOfGuesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, calls := braked(t, NewThrottle(10, time.Minute))
		var burst sync.WaitGroup
		for i := range 500 {
			burst.Go(func() {
				_, err := a.Authenticate(Request{Login: "relay", Passcode: fmt.Sprint(i), Peer: Peer{Remote: "10.0.0.1:1"}})
				if err == nil {
					t.Error("a guess was right")
				}
			})
		}
		burst.Wait()
		if n := calls.Load(); n < 10 || n > 11 {
			t.Errorf("%d guesses were looked at, want 10", n)
		}
	})
}

// A good token gets in wherever others fail, and so does a good passcode of
// another user.
func TestGoodOnesGetIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := braked(t, NewThrottle(5, time.Hour))
		here := Peer{Remote: "10.0.0.1:1"}
		for i := range 30 {
			forged := forge(rsHeader, with(), rs256(otherRSA()))
			if _, err := a.Authenticate(Request{Authorization: "Bearer " + forged, Peer: here}); err == nil {
				t.Fatal("a forged token was accepted")
			}
			if _, err := a.Login(fmt.Sprint("nobody", i%3), "x", here); err == nil {
				t.Fatal("nobody was let in")
			}
		}
		good := forge(rsHeader, with(), rs256(testRSA()))
		began := time.Now()
		for _, err := range []error{
			second(a.Authenticate(Request{Authorization: "Bearer " + good, Peer: here})),
			second(a.VerifyFrom(good, here)),
			second(a.Login("relay", "sesame", here)),
			second(a.Authenticate(Request{Login: "relay", Passcode: "sesame", Peer: here})),
		} {
			if err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

func second[T any](_ T, err error) error { return err }

// Genuine tokens are no failures of their address, whatever is wrong with them.
func TestGenuineTokensAreNoFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := NewThrottle(2, time.Hour)
		a, _ := braked(t, th)
		began := time.Now()
		for range 10 {
			for _, claims := range []string{
				with("exp", noon.Add(-time.Hour).Unix()), with("nbf", noon.Add(time.Hour).Unix()), with("iss", "other"), with("aud", "other"),
				with("jti", nil), with("sub", nil), with("roles", 7), with("exp", "soon"), `[]`,
			} {
				_, err := a.Authenticate(Request{Authorization: "Bearer " + forge(rsHeader, claims, rs256(testRSA())), Peer: Peer{Remote: "10.0.0.1:1"}})
				if err == nil {
					t.Fatalf("%s was accepted", claims)
				}
			}
		}
		if len(th.guilty.known) != 0 || time.Since(began) > 0 {
			t.Errorf("%d counters, after %v", len(th.guilty.known), time.Since(began))
		}
		forged := forge(rsHeader, with(), rs256(otherRSA()))
		for range 3 {
			_, _ = a.VerifyFrom(forged, Peer{Remote: "10.0.0.1:1"})
		}
		if took := time.Since(began); took != failurePause {
			t.Errorf("forged tokens: the third was refused after %v, want %v", took, failurePause)
		}
	})
}
