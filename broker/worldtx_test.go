package broker

import (
	"slices"
)

func (w *world) commit(c *worldClient) {
	tx := c.tx
	w.note("%s commits %d sends and %d claims", c.owner.User, len(tx.bodies), len(tx.claims))
	w.offer(c, tx.bodies, func(done func(error)) <-chan struct{} {
		return tx.Commit(func(err error) {
			done(err)
			if err != nil {
				tx.unclaim()
				w.release(tx)
			}
		})
	})
	settle := func() {
		if c.waits != nil {
			return
		}
		c.tx = nil
		for _, cl := range tx.claims {
			w.settled(cl.sub, cl.sub.forget(cl.tags), cl.how)
		}
		w.release(tx)
	}
	if c.waits == nil {
		settle()
		return
	}
	again := c.again
	c.again = func() <-chan struct{} {
		c.waits = again()
		settle()
		return c.waits
	}
}

// forget takes claimed deliveries out; none if they were given back.
func (s *worldSub) forget(tags []uint64) (taken []worldDelivery) {
	s.pending = slices.DeleteFunc(s.pending, func(d worldDelivery) bool {
		if d.claimed && slices.Contains(tags, d.tag) {
			taken = append(taken, d)
			return true
		}
		return false
	})
	return taken
}

// unclaim makes claimed deliveries pending again.
func (tx *worldTx) unclaim() {
	for _, cl := range tx.claims {
		for i := range cl.sub.pending {
			if slices.Contains(cl.tags, cl.sub.pending[i].tag) {
				cl.sub.pending[i].claimed = false
			}
		}
	}
}

func (w *world) abort(c *worldClient) {
	if c.tx == nil {
		return
	}
	w.note("%s aborts", c.owner.User)
	for _, body := range c.tx.bodies {
		w.sent[body] = nil
	}
	c.tx.Abort()
	c.tx.unclaim()
	w.release(c.tx)
	c.tx = nil
}

// release is called at the end of a transaction: the queues of subscriptions that
// ended before end with it.
func (w *world) release(tx *worldTx) {
	for _, cl := range tx.claims {
		if q := cl.sub.sub.consumer.q; q.passing() && cl.sub.sub.closed.Load() {
			w.step.wiped[cl.sub.queue] = true
		}
	}
}
