package timers

import (
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestRunsInOrderAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		q := New()
		defer q.Close()
		type event struct {
			name string
			at   time.Duration
		}
		var got []event
		note := func(name string, again time.Duration) func(time.Time) time.Time {
			return func(now time.Time) time.Time {
				got = append(got, event{name, now.Sub(start)})
				if again == 0 {
					return time.Time{}
				}
				return now.Add(again)
			}
		}
		q.Add(start.Add(3*time.Second), note("once", 0))
		often := q.Add(start.Add(time.Second), note("often", 2*time.Second))
		stopped := q.Add(start.Add(2*time.Second), note("stopped", 0))
		stopped.Stop()
		later := q.Add(start.Add(time.Second), note("later", 0))
		later.Reset(start.Add(4 * time.Second))

		synctest.Wait()
		time.Sleep(5500 * time.Millisecond) // on the bubble's clock
		often.Stop()
		time.Sleep(time.Hour)

		want := []event{{"often", time.Second}, {"once", 3 * time.Second}, {"often", 3 * time.Second}, {"later", 4 * time.Second}, {"often", 5 * time.Second}}
		if len(got) != len(want) {
			t.Fatalf("got %v, want %v", got, want)
		}
		for i := range want {
			if got[i].at != want[i].at {
				t.Errorf("%d: got %v, want %v", i, got[i], want[i])
			}
		}
	})
}

func TestManyConcurrently(t *testing.T) {
	q := New()
	var fired, stopped sync.WaitGroup
	const n = 500
	for range 4 {
		stopped.Add(1)
		go func() {
			defer stopped.Done()
			for range n {
				fired.Add(1)
				tm := q.Add(time.Now().Add(time.Duration(rand.IntN(3))*time.Millisecond), func(time.Time) time.Time {
					fired.Done()
					return time.Time{}
				})
				if other := q.Add(time.Now().Add(time.Hour), func(time.Time) time.Time { panic("stopped") }); tm != nil {
					other.Stop()
				}
			}
		}()
	}
	stopped.Wait()
	fired.Wait()
	q.Close()
	q.Add(time.Now(), func(time.Time) time.Time { panic("closed") })
}

// Timers of AddWall follow steps of the wall clock; others are not affected.
func TestClockIsSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var offset atomic.Int64
		clock := func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
		q := NewClock(clock)
		defer q.Close()
		var mu sync.Mutex
		var ran []string // guarded by mu
		note := func(name string) func(time.Time) time.Time {
			return func(time.Time) time.Time {
				mu.Lock()
				defer mu.Unlock()
				ran = append(ran, name)
				return time.Time{}
			}
		}
		want := func(names string) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if got := strings.Join(ran, " "); got != names {
				t.Errorf("%s ran, want %s", got, names)
			}
		}
		day := clock().Round(0)
		q.Add(time.Now().Add(time.Hour), note("hour"))
		q.AddWall(day.Add(3*time.Hour), note("3"))
		q.AddWall(day.Add(5*time.Hour), note("5"))
		moved := q.AddWall(day.Add(30*time.Second), note("moved"))
		moved.Reset(day.Add(4 * time.Hour))
		time.Sleep(time.Minute)
		want("")
		offset.Store(int64(4 * time.Hour)) // the machine was suspended, or its clock was set
		time.Sleep(lookAgain)
		want("3 moved")
		offset.Store(-int64(4 * time.Hour))
		time.Sleep(58*time.Minute - time.Millisecond - lookAgain)
		want("3 moved")
		time.Sleep(time.Minute + time.Millisecond)
		want("3 moved hour")
		time.Sleep(8*time.Hour - time.Millisecond - lookAgain)
		want("3 moved hour")
		time.Sleep(time.Millisecond + lookAgain)
		want("3 moved hour 5")
		q.mu.Lock()
		defer q.mu.Unlock()
		if q.armed {
			t.Error("it looks at the clock although nothing is due")
		}
	})
}

// A timer of AddWall is exact while the clock is not set.
func TestTimeOfDayIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New()
		defer q.Close()
		at := time.Now().Add(time.Hour).Add(time.Millisecond).Round(0)
		var ran time.Time
		q.AddWall(at, func(now time.Time) time.Time { ran = now; return time.Time{} })
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if !ran.Equal(at) {
			t.Errorf("it ran at %v, want %v", ran, at)
		}
	})
}
