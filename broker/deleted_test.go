package broker

import (
	"sync"
	"testing"

	"hoofbeat/destination"
)

// A durable subscription that is made and deleted by several at a time is gone
// after the last deletion, and a restart finds nothing of it.
func TestMadeWhileDeleted(t *testing.T) {
	store := &Memory{}
	b, err := New(Options{Store: store, Policies: durably})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	d, topic := destination.DurableSubscription("alice", "c", "n"), readDestination(t, "/topic/a", alice)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range 5000 {
				_ = b.MakeDurable(d, topic, nil)
				_ = b.DeleteDurable(d, nil)
			}
		})
	}
	wg.Wait()
	_ = b.DeleteDurable(d, nil)
	if _, err := store.Load(func(s StoredQueue) error {
		t.Errorf("a restart finds %s", s.Meta.Destination)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
