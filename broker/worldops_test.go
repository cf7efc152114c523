package broker

import (
	"context"
	"slices"
	"strings"
	"testing/synctest"
	"time"
)

func (w *world) disconnect(c *worldClient) {
	w.note("%s disconnects", c.owner.User)
	c.p.Close()
	if c.waits != nil {
		for _, body := range c.bodies {
			w.sent[body] = nil
		}
	}
	w.abort(c)
	for len(c.subs) > 0 {
		w.unsubscribe(c, 0)
	}
	w.connect(c)
}

func (w *world) reload() {
	w.note("a reload")
	w.policies = w.somePolicies()
	w.step.policies = append(w.step.policies, w.policies)
	w.b.SetPolicies(w.policies)
}

// operate does something that operators do.
func (w *world) operate() {
	all := w.b.queues.all()
	slices.SortFunc(all, func(a, b *queue) int { return int(a.id) - int(b.id) })
	if len(all) == 0 {
		return
	}
	q := all[w.r.IntN(len(all))]
	key := w.key(q)
	n := w.r.IntN(6)
	if n < 3 || n == 4 {
		w.step.wiped[key] = true
	}
	w.waiting(func(ctx context.Context) {
		switch n {
		case 0:
			n, err := w.b.Purge(ctx, q.dest)
			w.note("%d purged from %q, error %v", n, key, err)
		case 1:
			to := append(worldQueues, worldDead)[w.r.IntN(4)]
			w.step.wiped[readDestination(w.t, to, alice).Key()] = true // one that is moved there may expire or push out others
			n, err := w.b.Move(ctx, q.dest, readDestination(w.t, worldDead, alice), w.r.IntN(10))
			w.note("%d moved from %q, error %v", n, key, err)
		case 2:
			n, err := w.b.DeleteQueue(ctx, q.dest)
			w.note("%q deleted with %d, error %v", key, n, err)
		case 3:
			err := w.b.CreateQueue(ctx, readDestination(w.t, worldQueues[w.r.IntN(3)], alice))
			w.note("created: %v", err)
		case 4:
			w.note("%q deleted by its owner, error %v", key, w.b.DeleteDurable(q.dest, nil))
		default:
			_, err := w.b.Browse(ctx, q.dest, w.r.IntN(5), 1+w.r.IntN(10))
			w.note("%q browsed, error %v", key, err)
		}
	})
}

// waiting calls f, and lets the store go on until f returns.
func (w *world) waiting(f func(context.Context)) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(context.Background())
	}()
	for {
		synctest.Wait()
		select {
		case <-done:
			return
		default:
			if w.store == nil {
				w.fail("an operator waits for ever")
			}
			w.store.release(false)
		}
	}
}

// restart ends the process and begins another one. Late callbacks of the old
// one are dropped.
func (w *world) restart() {
	w.note("a restart")
	w.step.restart = true
	for _, c := range w.clients {
		if c.tx != nil {
			for _, body := range c.tx.bodies {
				w.sent[body] = nil
			}
		}
		if c.waits != nil { // it is not known to be taken
			c.waits = nil
		}
	}
	w.b.Close()
	if w.store != nil {
		w.store.waiting, w.store.lazy = nil, false
	}
	for key := range w.dests {
		if strings.HasPrefix(key, "0x") {
			w.step.wiped[key] = true
		}
	}
	w.open()
}

// drain ends all clients and takes all that is left out of the queues: nothing
// is stuck, and the Store is empty then.
func (w *world) drain() {
	if w.store != nil {
		w.store.release(false)
	}
	for _, c := range w.clients {
		w.disconnect(c)
		w.check()
	}
	w.policies = durably
	w.step.policies = append(w.step.policies, w.policies)
	w.b.SetPolicies(w.policies)
	w.check()
	c := w.clients[0]
	for range 20 {
		for _, q := range w.all() {
			s := &worldSub{w: w, ack: AckAuto, room: 1 << 20, queue: w.key(q)}
			o := SubscribeOptions{Destination: q.named(), Prefetch: 1 << 16, Sink: s}
			if q.topic.Kind != 0 {
				o.Durable = q.dest
			}
			s.sub = mustSubscribe(w.b, o)
			c.subs = append(c.subs, s)
			w.consumers = append(w.consumers, s.sub.consumer)
		}
		time.Sleep(20 * time.Second) // in a bubble
		synctest.Wait()
		for _, s := range c.subs {
			if n := len(s.pending); n > 0 {
				tag := s.pending[n-1].tag
				w.settled(s, s.take(n-1, false), acknowledged)
				s.sub.Written(tag)
			}
		}
		w.check()
		for len(c.subs) > 0 {
			w.unsubscribe(c, 0)
		}
		w.check()
	}
	if len(w.there) > 0 {
		for _, q := range w.all() {
			w.note("%q: %+v, %d consumers, line %d, lanes %d", q.dest.Key(), q.depths(), q.consumers, q.turns.line.len(), len(q.backlog.lanes))
			for _, e := range q.inMemory() {
				w.note("%d at %d, stored %v, expires %d; now %d", e.seq, e.at, e.stored(), q.expires(e.msg), w.now())
			}
		}
		w.fail("stuck: %v", w.there)
	}
	if w.store != nil && w.store.Len() > 0 {
		w.fail("the store is left with %d messages", w.store.Len())
	}
	w.b.Close()
}
