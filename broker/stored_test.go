package broker

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hoofbeat/destination"
)

// checkAccounts compares the charges of users with the queues that they own.
func checkAccounts(tb testing.TB, b *Broker) {
	tb.Helper()
	told := make(map[*holdings]int64)
	for _, q := range b.queues.all() {
		q.mu.Lock()
		if d := q.stored - q.told; q.holdings != nil && (d >= storedChunk || d <= -storedChunk) {
			tb.Errorf("%s: %d bytes are stored, and %d were told", q.dest, q.stored, q.told)
		}
		told[q.holdings] += int64(q.told)
		q.mu.Unlock()
	}
	b.queues.mu.RLock()
	defer b.queues.mu.RUnlock()
	for user, h := range b.queues.book.users {
		if n := h.stored.Load(); n != told[h] {
			tb.Errorf("%s is charged with %d bytes, and the queues have told %d", user, n, told[h])
		}
	}
}

// checkStored compares the stored bytes of queues with the Store. Nothing is
// under way.
func checkStored(tb testing.TB, b *Broker, m *Memory) {
	tb.Helper()
	checkAccounts(tb, b)
	for _, q := range b.queues.all() {
		q.mu.Lock()
		if n := m.size(q.id); n != q.stored && (q.moving == 0 || n < q.stored) { // the dead do not count, and wait for their bodies
			tb.Errorf("%s: it counts %d bytes as stored, and the store has %d", q.dest, q.stored, n)
		}
		q.mu.Unlock()
	}
}

// size is how many bytes are kept of a queue.
func (s *Memory) size(id QueueID) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q := s.queues[id]; q != nil {
		for _, x := range q.stored(id).Lanes {
			n += x.Size
		}
	}
	return n
}

// wantStored compares the exact charge of a user.
func (x *tester) wantStored(user string, want int) {
	x.Helper()
	for _, q := range x.b.queues.all() {
		q.mu.Lock()
		q.settleStored()
		q.mu.Unlock()
	}
	if got := x.b.Owned(user).Stored; got != want {
		x.Errorf("%s has %d bytes stored, want %d", user, got, want)
	}
}

func (x *tester) wantOverQuota(err error, queue string) {
	x.Helper()
	if e := (*StoredError)(nil); !errors.As(err, &e) || e.Queue.String() != queue {
		x.Errorf("the error is %v, want a StoredError of %s", err, queue)
	}
}

// try sends one message and gives its error.
func (x *tester) try(m *Message) error {
	var done counter
	if x.p.Send(m, done.done) != nil {
		x.Fatal("the sender is to wait")
	}
	synctest.Wait()
	return done.err
}

// storedTester has room for three messages of body for alice.
func storedTester(t *testing.T, store *Memory, log *slog.Logger) (x *tester, body string, size int) {
	body = strings.Repeat("x", storedChunk) // so that it is exact
	size = makeMessage(readDestination(t, "/queue/1", alice), "/queue/1", body).Size()
	policies := durably
	policies.Default.DeadLetter = readDestination(t, "/queue/dead", alice)
	x = newTesterWith(t, Options{Store: store, Policies: policies, Quotas: Quotas{StoredPerUser: 3*size + size/2}, Log: log})
	x.p.ActFor("alice")
	return x, body, size
}

func TestStoredQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, body, size := storedTester(t, &Memory{}, nil)
		send := func(text string) error { return x.try(x.message(text, body)) }
		for range 3 {
			x.must(send("/queue/1"))
		}
		x.wantStored("alice", 3*size)
		x.wantOverQuota(send("/queue/1"), "/queue/1")
		x.wantOverQuota(send("/queue/2"), "/queue/2")
		if _, there := x.b.Queue(readDestination(t, "/queue/2", alice)); there {
			t.Error("a queue stays that was made for a message which it refused")
		}
		if n := x.b.Stats().Unstorable.Load(); n != 0 {
			t.Errorf("%d messages count as unstorable", n)
		}
		m := x.message("/queue/1", body)
		m.transient = true
		x.must(x.try(m))
		x.p.ActFor("bob") // the owner is charged for any sender
		x.wantOverQuota(send("/queue/1"), "/queue/1")
		x.must(send("/queue/bob"))
		x.p.ActFor("alice")

		p := x.subscribe("/queue/1", AckClientIndividual, 9)
		p.arrived(strings.Join([]string{body, body, body, body}, " "))
		x.must(p.sub.Nack(1, false, nil)) // dead letters are never refused, and are nobody's here
		x.must(send("/queue/1"))
		x.wantOverQuota(send("/queue/1"), "/queue/1")
		x.must(p.sub.Ack(2, nil))
		x.must(send("/queue/1"))
		p.sub.Unsubscribe()
		x.b.SetQuotas(Quotas{StoredPerUser: 1}) // messages above it stay
		x.wantOverQuota(send("/queue/1"), "/queue/1")
		if n, err := x.b.Move(x.ctx(), readDestination(t, "/queue/bob", alice), readDestination(t, "/queue/1", alice), 0); n != 1 || err != nil {
			t.Errorf("%d moved, error %v", n, err)
		}
		_, err := x.b.Purge(x.ctx(), readDestination(t, "/queue/1", alice))
		x.must(err)
		x.wantStored("alice", 0)
		x.b.SetQuotas(Quotas{})
		for range 9 {
			x.must(send("/queue/1"))
		}
		x.wantStored("alice", 9*size)
		_, err = x.b.DeleteQueue(x.ctx(), readDestination(t, "/queue/1", alice))
		x.must(err)
		x.wantStored("alice", 0)
	})
}

// A restart knows the stored bytes of each user.
func TestStoredQuotaRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &Memory{}
		x, body, size := storedTester(t, store, nil)
		for range 3 {
			x.must(x.try(x.message("/queue/1", body)))
		}
		x.b.Close()
		x, _, _ = storedTester(t, store, nil)
		if got := x.b.Owned("alice").Stored; got != 3*size {
			t.Errorf("%d bytes are stored after a restart, want %d", got, 3*size)
		}
		x.wantOverQuota(x.try(x.message("/queue/1", body)), "/queue/1")
	})
}

// A transaction is refused as a whole; its acknowledgements make room.
func TestStoredQuotaCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, body, size := storedTester(t, &Memory{}, nil)
		commit := func(ack *peer, tag uint64, to ...string) error {
			tx := x.p.Begin()
			for _, text := range to {
				tx.Send(x.message(text, body))
			}
			if ack != nil {
				x.must(tx.Ack(ack.sub, tag))
			}
			var done counter
			tx.Commit(done.done)
			synctest.Wait()
			return done.err
		}
		x.must(commit(nil, 0, "/queue/1", "/queue/2"))
		x.wantOverQuota(commit(nil, 0, "/queue/1", "/queue/2"), "/queue/1")
		x.wantDepth("/queue/1", 1, 0)
		x.must(commit(nil, 0, "/queue/2"))
		p := x.subscribe("/queue/1", AckClientIndividual, 9)
		p.arrived(body)
		x.wantOverQuota(commit(p, 1, "/queue/2", "/queue/2"), "/queue/2")
		x.must(commit(p, 1, "/queue/2"))
		x.wantStored("alice", 3*size)
		p.sub.Unsubscribe()
	})
}

// A durable subscription of an owner above the quota goes without a message,
// and stops nobody. That is counted and logged.
func TestStoredQuotaDurable(t *testing.T) {
	for name, publish := range map[string]func(x *tester, m *Message) error{
		"SEND": (*tester).try,
		"COMMIT": func(x *tester, m *Message) error {
			var done counter
			tx := x.p.Begin()
			tx.Send(m)
			tx.Commit(done.done)
			synctest.Wait()
			return done.err
		},
	} {
		for _, others := range []int{0, 1, 2} {
			t.Run(fmt.Sprint(name, " ", others), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var log bytes.Buffer
					x, body, size := storedTester(t, &Memory{}, slog.New(slog.NewTextHandler(&log, nil)))
					topic := readDestination(t, "/topic/t", alice)
					x.must(x.b.MakeDurable(destination.DurableSubscription("mallory", "", "s"), topic, nil))
					for i := range others {
						x.must(x.b.MakeDurable(destination.DurableSubscription(fmt.Sprint("u", i), "", "s"), topic, nil))
					}
					p := x.subscribe("/topic/t", AckAuto, 9)
					for range 3 {
						x.must(publish(x, x.message("/topic/t", body)))
					}
					x.must(x.b.MakeDurable(destination.DurableSubscription("late", "", "s"), topic, nil))
					x.b.SetQuotas(Quotas{StoredPerUser: 3*size + size/2})
					for range 2 {
						x.must(publish(x, x.message("/topic/t", body)))
					}
					if n := len(p.got); n != 5 {
						t.Errorf("a subscriber that is there got %d, want 5", n)
					}
					for user, want := range map[string]int{"mallory": 3, "late": 2} {
						if d, _ := x.b.Depth(destination.DurableSubscription(user, "", "s")); d.Ready != want {
							t.Errorf("%s has %d messages, want %d", user, d.Ready, want)
						}
					}
					if n := x.b.Stats().DroppedFor(DropQuota); n != int64(2*(1+others)) {
						t.Errorf("%d were dropped for the quota", n)
					}
					if n := strings.Count(log.String(), "user=mallory"); n != 1 {
						t.Errorf("it was logged %d times:\n%s", n, log.String())
					}
					time.Sleep(time.Minute)
					x.must(publish(x, x.message("/topic/t", body)))
					if !strings.Contains(log.String(), "messages=2") {
						t.Errorf("what was not logged before is not told later:\n%s", log.String())
					}
				})
			})
		}
	}
}

// The only durable subscription of a topic is another way through the code.
func TestStoredQuotaOneSubscription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, body, size := storedTester(t, &Memory{}, nil)
		d := destination.DurableSubscription("u", "", "s")
		x.must(x.b.MakeDurable(d, readDestination(t, "/topic/t", alice), nil))
		for range 5 {
			x.must(x.try(x.message("/topic/t", body)))
		}
		m := x.message("/topic/t", body)
		m.transient = true // it is not stored
		x.must(x.try(m))
		if depth, _ := x.b.Depth(d); depth.Ready != 4 {
			t.Errorf("it has %d messages, want 4", depth.Ready)
		}
		if n := x.b.Stats().DroppedFor(DropQuota); n != 2 {
			t.Errorf("%d were missed, want 2", n)
		}
		x.wantStored("u", 3*size)
		x.must(x.b.DeleteDurable(d, nil))
		x.wantStored("u", 0)
	})
}

// Messages missing from the Store are not charged any more.
func TestStoredMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &Memory{}
		x, body, size := storedTester(t, store, nil)
		for range 3 {
			x.must(x.try(x.message("/queue/1", body)))
		}
		q := x.b.queues.lookup(readDestination(t, "/queue/1", alice).Key())
		store.Apply(Batch{{Kind: Delete, Queue: q.id, At: Position{Lane: LaneOf(DefaultPriority), Seq: 2}}}, nil)
		p := x.subscribe("/queue/1", AckClientIndividual, 9)
		synctest.Wait()
		if n := x.b.Stats().DroppedFor(DropMissing); n != 1 {
			t.Fatalf("%d are missing, want 1", n)
		}
		x.wantStored("alice", 2*size)
		p.sub.Unsubscribe()
	})
}

// One owner of many subscriptions is charged for each, and gets as many as fit.
func TestStoredQuotaFanOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, body, _ := storedTester(t, &Memory{}, nil)
		for i := range 5 {
			x.must(x.b.MakeDurable(destination.DurableSubscription("u", "", fmt.Sprint(i)), readDestination(t, "/topic/t", alice), nil))
		}
		x.must(x.try(x.message("/topic/t", body)))
		if n := x.b.Stats().DroppedFor(DropQuota); n != 2 {
			t.Errorf("%d of 5 went without it, want 2", n)
		}
	})
}

// The accounts are those of the Store, whatever happens, and after a restart.
func TestStoredAccounts(t *testing.T) {
	forSeeds(t, 4, func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 13))
		store := &Memory{}
		users := []string{"alice", "bob", ""}
		for range 3 {
			x := newTesterWith(t, Options{Store: store, Policies: durably, window: 3, Quotas: Quotas{StoredPerUser: 300_000}})
			var peers []*peer
			for range 300 {
				x.p.ActFor(users[r.IntN(3)])
				text := fmt.Sprint("/queue/", r.IntN(5))
				switch n := r.IntN(12); {
				case n < 7:
					m := x.message(text, strings.Repeat("x", r.IntN(30_000)))
					m.transient = r.IntN(5) == 0
					_ = x.try(m)
				case n < 8:
					peers = append(peers, x.subscribe(text, AckClientIndividual, 1+r.IntN(9)))
				case n < 9 && len(peers) > 0:
					peers[0].sub.Unsubscribe()
					peers = peers[1:]
				case n < 11 && len(peers) > 0:
					p := peers[r.IntN(len(peers))]
					tag := uint64(1 + r.IntN(1+p.count()))
					if r.IntN(2) == 0 {
						_ = p.sub.Ack(tag, nil)
					} else {
						_ = p.sub.Nack(tag, r.IntN(2) == 0, nil)
					}
				case n == 11:
					d := readDestination(t, text, alice)
					if r.IntN(2) == 0 {
						_, _ = x.b.Purge(x.ctx(), d)
					} else {
						_, _ = x.b.DeleteQueue(x.ctx(), d)
					}
				}
				synctest.Wait()
				checkStored(t, x.b, store)
			}
			for _, p := range peers {
				p.sub.Unsubscribe()
			}
			synctest.Wait()
			want := make(map[string]int)
			for _, q := range x.b.Queues() {
				want[q.Owner] += store.size(x.b.queues.lookup(q.Destination.Key()).id)
			}
			for _, user := range users[:2] {
				x.wantStored(user, want[user])
			}
			x.b.Close()
			y := newTesterWith(t, Options{Store: store, Policies: durably})
			for _, user := range users[:2] {
				if got := y.b.Owned(user).Stored; got != want[user] {
					t.Errorf("after a restart %s has %d bytes stored, want %d", user, got, want[user])
				}
			}
			y.b.Close()
		}
	})
}

// Several goroutines that send for one user stay within the documented
// precision of the quota, and in the end the account equals the sum of the
// queues.
func TestStoredConcurrent(t *testing.T) {
	const queues, most = 6, 2 << 20
	x := newTesterWith(t, Options{Store: &Memory{}, Policies: durably, Quotas: Quotas{StoredPerUser: most}})
	body := strings.Repeat("x", 10_000)
	size := x.message("/queue/0", body).Size()
	var all sync.WaitGroup
	for i := range queues {
		text := fmt.Sprint("/queue/", i)
		all.Go(func() {
			p := x.b.NewPublisher()
			p.ActFor("alice")
			for range 2 * most / queues / size {
				p.Send(x.message(text, body), nil)
			}
		})
	}
	all.Wait()
	stored := 0
	for _, q := range x.b.Queues() {
		stored += q.Bytes
	}
	if exact := queues * (storedChunk + size); stored < most-exact || stored > most+exact {
		t.Errorf("%d bytes are stored, and the quota is %d", stored, most)
	}
	x.wantStored("alice", stored)
	if n := x.b.Stats().Refused.Load(); n == 0 {
		t.Error("nothing was refused")
	}
}
