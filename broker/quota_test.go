package broker

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"hoofbeat/destination"
)

// wantQuota says that an error is of a quota.
func wantQuota(tb testing.TB, err error, want QuotaError) {
	tb.Helper()
	if got := (*QuotaError)(nil); !errors.As(err, &got) || *got != want {
		tb.Errorf("the error is %v, want %+v", err, want)
	}
}

func subscribeAs(x *tester, text, user string) (*Subscription, error) {
	return x.b.Subscribe(SubscribeOptions{Destination: readDestination(x, text, alice), User: user, Sink: discard{}})
}

// A queue counts for the user that made it, until it is gone; others may
// still use it, and their own quota is not affected.
func TestQuotaOfQueues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTesterWith(t, Options{Quotas: Quotas{QueuesPerUser: 2, Queues: 4}})
		x.p.ActFor("alice")
		x.send("/queue/1", "a")
		x.send("/queue/2", "a")
		var done counter
		x.p.Send(x.message("/queue/3", "a"), done.done)
		wantQuota(t, done.err, QuotaError{Kind: destination.Queue, PerUser: true, Limit: 2})
		x.send("/queue/1", "b")
		x.wantDepth("/queue/1", 2, 0)
		s, err := subscribeAs(x, "/queue/4", "alice")
		wantQuota(t, err, QuotaError{Kind: destination.Queue, PerUser: true, Limit: 2})
		s.Unsubscribe()
		tx := x.p.Begin()
		tx.Send(x.message("/queue/1", "c"))
		tx.Send(x.message("/queue/5", "c"))
		tx.Commit(done.done)
		wantQuota(t, done.err, QuotaError{Kind: destination.Queue, PerUser: true, Limit: 2})
		x.wantDepth("/queue/1", 2, 0)
		for _, text := range []string{"/queue/6", "/queue/7"} {
			s, err := subscribeAs(x, text, "bob")
			x.must(err)
			defer s.Unsubscribe()
		}
		s, err = subscribeAs(x, "/queue/8", "carol")
		wantQuota(t, err, QuotaError{Kind: destination.Queue, Limit: 4})
		s.Unsubscribe()
		p := x.subscribe("/queue/2", AckAuto, 9) // bob's quota does not matter for an existing queue
		p.arrived("a")
		p.sub.Written(1)
		p.sub.Unsubscribe()
		x.send("/queue/3", "now")
		x.wantDepth("/queue/3", 1, 0)
		x.wantSize(0, 4)
		if got := x.b.Owned("alice"); got != (Owned{Queues: 2}) {
			t.Errorf("alice owns %+v", got)
		}
	})
}

func TestQuotaOfSubscriptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTesterWith(t, Options{Quotas: Quotas{SubscriptionsPerUser: 2, Subscriptions: 3, TempQueues: 3, TempQueuesPerUser: 2}})
		topic := readDestination(t, "/topic/t", alice)
		durable := func(user string, n int) error {
			return x.b.MakeDurable(destination.DurableSubscription(user, "", fmt.Sprint(n)), topic, nil)
		}
		x.must(durable("alice", 1))
		x.must(durable("alice", 2))
		x.must(durable("alice", 2)) // is there
		wantQuota(t, durable("alice", 3), QuotaError{Kind: destination.Durable, PerUser: true, Limit: 2})
		x.must(durable("bob", 1))
		wantQuota(t, durable("bob", 2), QuotaError{Kind: destination.Durable, Limit: 3})
		x.must(x.b.DeleteDurable(destination.DurableSubscription("alice", "", "1"), nil))
		x.must(durable("bob", 2))
		temporary := func(user string, n int) error {
			return x.b.MakeTemporary(readDestination(t, fmt.Sprint("/temp-queue/", n), destination.Owner{User: user, Connection: user}), user, 0, nil)
		}
		x.must(temporary("alice", 1))
		x.must(temporary("alice", 2))
		wantQuota(t, temporary("alice", 3), QuotaError{Kind: destination.TempQueue, PerUser: true, Limit: 2})
		x.must(temporary("bob", 1))
		wantQuota(t, temporary("bob", 2), QuotaError{Kind: destination.TempQueue, Limit: 3})
		x.b.DropTemporary(readDestination(t, "/temp-queue/1", alice))
	})
}

// Queues above a new quota stay, after a restart and a reload.
func TestQuotaLeavesWhatIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &Memory{}
		x := newTester(t, store)
		x.p.ActFor("alice")
		for i := range 3 {
			x.send(fmt.Sprint("/queue/", i), "a")
			x.must(x.b.MakeDurable(destination.DurableSubscription("alice", "c", fmt.Sprint(i)), readDestination(t, "/topic/t", alice), nil))
		}
		synctest.Wait()
		x.b.Close()

		x = newTesterWith(t, Options{Store: store, Policies: durably, Quotas: Quotas{QueuesPerUser: 1}})
		if got := x.b.Owned("alice"); got != (Owned{Queues: 3, Subscriptions: 3, Stored: 3 * x.message("/queue/0", "a").Size()}) {
			t.Errorf("alice owns %+v", got)
		}
		x.b.SetQuotas(Quotas{QueuesPerUser: 1, SubscriptionsPerUser: 1})
		x.p.ActFor("alice")
		for i := range 3 {
			x.send(fmt.Sprint("/queue/", i), "b")
			x.wantDepth(fmt.Sprint("/queue/", i), 2, 0)
		}
		var done counter
		x.p.Send(x.message("/queue/9", "a"), done.done)
		wantQuota(t, done.err, QuotaError{Kind: destination.Queue, PerUser: true, Limit: 1})
		wantQuota(t, x.b.MakeDurable(destination.DurableSubscription("alice", "", "9"), readDestination(t, "/topic/t", alice), nil),
			QuotaError{Kind: destination.Durable, PerUser: true, Limit: 1})
		x.attach("2", "/topic/t", AckAuto).sub.Unsubscribe()
	})
}
