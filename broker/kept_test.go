package broker

import (
	"testing"
	"testing/synctest"
	"time"

	"hoofbeat/destination"
)

// Queues that exist while they are empty are on disk as soon as their policy
// says that they are durable.
func TestReloadMakesDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Options{Store: &Memory{}, Policies: Policies{}}
		x := newTesterWith(t, o)
		x.must(x.b.MakeDurable(destination.DurableSubscription("alice", "c", "s"), readDestination(t, "/topic/a", alice), nil))
		x.must(x.b.CreateQueue(x.ctx(), readDestination(t, "/queue/made", alice)))
		x.b.SetPolicies(durably)
		synctest.Wait()
		x = newTesterWith(t, o)
		x.wantSize(1, 2)
	})
}

// A durable subscription is abandoned since its subscriber went with the
// process, however often the process is started again.
func TestAbandonedAcrossRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Options{Store: &Memory{}, Policies: rules(t, map[string]Policy{"/topic/**": {Durable: true, SubscriptionExpiry: 4 * time.Hour}})}
		x := newTesterWith(t, o)
		x.attach("s", "/topic/a", AckClient) // and never leaves
		for range 3 {
			pass(time.Hour)
			x.b.Close()
			x = newTesterWith(t, o)
		}
		pass(time.Hour)
		x.wantSize(1, 1)
		pass(time.Hour + time.Minute)
		x.wantSize(0, 0)
	})
}
