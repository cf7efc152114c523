package timers

import (
	"math/rand/v2"
	"sync"
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
		time.Sleep(5500 * time.Millisecond) // of the bubble's clock
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
