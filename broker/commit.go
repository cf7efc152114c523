package broker

// A commitment is a COMMIT under way, with the queues that it changes locked.
type commitment struct {
	t  *Transaction
	qs *queues
	// targets has for each message the queues that it goes to: its own, or
	// those of durable subscriptions.
	targets [][]*queue
	graves  map[*queue]*queue // where the dead of a queue go
	locked  []*queue          // in their order
}

// lock finds and locks the queues; false, and none locked, if that has to be
// tried again because one has vanished or has another policy meanwhile.
func (c *commitment) lock() bool {
	c.find()
	for i, q := range c.locked {
		q.mu.Lock()
		if c.stale(q) {
			for _, q := range c.locked[:i+1] {
				q.unlock()
			}
			return false
		}
	}
	return true
}

// stale tells whether a queue that was locked is not the one to use.
func (c *commitment) stale(q *queue) bool {
	if q.gone && q.dest.Kind == Queue {
		return true
	}
	grave, ok := c.graves[q]
	if !ok {
		return false
	}
	if grave == nil {
		return q.policy.DeadLetter.Kind != 0
	}
	return q.policy.DeadLetter.Key() != grave.dest.Key()
}

// find gathers the queues.
func (c *commitment) find() {
	c.targets, c.graves, c.locked = make([][]*queue, len(c.t.messages)), make(map[*queue]*queue), nil
	now := c.qs.now()
	for i, m := range c.t.messages {
		switch m.to.Kind {
		case Queue:
			c.targets[i] = []*queue{c.qs.get(m.to)}
		case Topic, User:
			c.targets[i] = c.t.publisher.routeOf(m.to).durable
		}
		if len(c.targets[i]) > 0 {
			m.arrived = now
		}
		c.locked = append(c.locked, c.targets[i]...)
	}
	for _, cl := range c.t.claims {
		q := cl.consumer.q
		c.locked = append(c.locked, q)
		if cl.how != acknowledged {
			c.graves[q] = c.graveOf(q)
			if g := c.graves[q]; g != nil {
				c.locked = append(c.locked, g)
			}
		}
	}
	c.locked = distinct(c.locked)
}

// graveOf is the dead letter queue of a queue, nil if it has none.
func (c *commitment) graveOf(q *queue) *queue {
	if to := c.qs.policies.Load().For(q.named()).DeadLetter; to.Kind != 0 {
		return c.qs.get(to)
	}
	return nil
}

// admit asks the queues whether the messages may come in.
func (c *commitment) admit() verdict {
	type load struct {
		Extent
		kept bool
	}
	loads := make(map[*queue]*load)
	for i, m := range c.t.messages {
		for _, q := range c.targets[i] {
			if q.gone {
				continue
			}
			l := loads[q]
			if l == nil {
				l = &load{}
				loads[q] = l
			}
			l.add(m.Size())
			l.kept = l.kept || q.keeps(m)
		}
	}
	for _, cl := range c.t.claims {
		if l := loads[cl.consumer.q]; l != nil && cl.how == acknowledged {
			freed := cl.consumer.claimedSize(cl)
			l.Count -= freed.Count
			l.Size -= freed.Size
		}
	}
	for q, l := range loads {
		if v := q.admit(l.Count, l.Size, l.kept); v != (verdict{}) {
			return v
		}
	}
	return verdict{}
}

// apply changes the queues, and the Store by one batch.
func (c *commitment) apply(done func(error)) {
	if len(c.locked) == 0 {
		finished(done, nil)
		return
	}
	// What was to be done for one queue before comes first.
	for _, q := range c.locked {
		q.flush(nil)
	}
	batch := c.qs.batches.Get().(*Batch)
	for _, q := range c.locked {
		q.out = batch
	}
	// First what makes room, or messages would be given up for nothing.
	for _, cl := range c.t.claims {
		cl.consumer.commit(cl)
	}
	for i, m := range c.t.messages {
		for _, q := range c.targets[i] {
			if !q.gone {
				q.append(m, State{})
			}
		}
	}
	c.inter()
	for _, q := range c.locked {
		q.out = nil
	}
	if len(*batch) == 0 {
		finished(done, nil)
	} else {
		c.qs.store.Apply(*batch, done)
	}
	c.qs.recycle(batch)
}

// inter moves what died of the claims.
func (c *commitment) inter() {
	for q, grave := range c.graves {
		if dead := q.dead; grave != nil && len(dead) > 0 {
			q.dead = nil
			q.inter(dead, grave)
		}
	}
}

// unlock lets the queues go on.
func (c *commitment) unlock() {
	for _, q := range c.locked {
		if !q.gone {
			q.pump()
		}
	}
	var dead [][]deadLetter
	for _, q := range c.locked {
		dead = append(dead, q.settleUp())
	}
	for i, q := range c.locked {
		if len(dead[i]) > 0 {
			q.bury(dead[i], nil)
		}
	}
}
