package broker

// A commitment is a COMMIT under way, with the queues that it changes locked.
type commitment struct {
	t  *Transaction
	qs *queues
	// targets has for each message the queues that it goes to: its own, or
	// those of durable subscriptions.
	targets [][]*queue
	graves  map[*queue]*queue // where the dead of a queue go, if they go anywhere
	locked  []*queue          // in their order
}

// lock finds and locks the queues. One may have vanished between the two; then
// it is done again with the registry's lock held, which keeps all of them.
func (c *commitment) lock() {
	c.find(c.qs.get)
	if c.lockFound() {
		return
	}
	c.qs.mu.Lock()
	defer c.qs.mu.Unlock()
	c.find(c.qs.got)
	c.lockFound()
}

// lockFound locks the queues; false, and none locked, if one has vanished that
// messages go to.
func (c *commitment) lockFound() bool {
	for i, q := range c.locked {
		q.mu.Lock()
		if q.gone && q.dest.Kind == Queue {
			for _, q := range c.locked[:i+1] {
				q.mu.Unlock()
			}
			return false
		}
	}
	return true
}

// find gathers the queues. get gives those with names.
func (c *commitment) find(get func(Destination) *queue) {
	c.targets, c.graves, c.locked = make([][]*queue, len(c.t.messages)), make(map[*queue]*queue), nil
	now := c.qs.now()
	for i, m := range c.t.messages {
		switch m.to.Kind {
		case Queue:
			c.targets[i] = []*queue{get(m.to)}
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
			if to := q.deadLetters(); to.Kind != 0 {
				c.graves[q] = get(to)
				c.locked = append(c.locked, c.graves[q])
			}
		}
	}
	c.locked = distinct(c.locked)
}

// deadLetters is where the dead of the queue go. Nothing is locked.
func (q *queue) deadLetters() Destination {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.policy.DeadLetter
}

// admit asks the queues whether the messages may come in.
func (c *commitment) admit() verdict {
	wants := c.wants()
	for _, q := range c.locked {
		if a := wants[q]; a != nil && !q.gone {
			if v := q.admit(*a); v != (verdict{}) {
				return v
			}
		}
	}
	return verdict{}
}

// wants is what comes into each queue that messages are for, less what the
// transaction acknowledges there.
func (c *commitment) wants() map[*queue]*application {
	wants := make(map[*queue]*application)
	for i, m := range c.t.messages {
		for _, q := range c.targets[i] {
			a := wants[q]
			if a == nil {
				a = &application{p: c.t.publisher}
				wants[q] = a
			}
			a.add(m.Size())
			a.keep = a.keep || q.keeps(m)
		}
	}
	for _, cl := range c.t.claims {
		if a := wants[cl.consumer.q]; a != nil && cl.how == acknowledged {
			freed := cl.consumer.claimedSize(cl)
			a.Count -= freed.Count
			a.Size -= freed.Size
			a.outOfTurn = true
		}
	}
	return wants
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

// inter moves what died of the claims. Where a reload came between find and
// lock, the dead go to a queue that is not locked: unlock buries them.
func (c *commitment) inter() {
	for q, grave := range c.graves {
		var here, elsewhere []deadLetter
		for _, d := range q.dead {
			if d.to.Key() == grave.dest.Key() {
				here = append(here, d)
			} else {
				elsewhere = append(elsewhere, d)
			}
		}
		q.dead = elsewhere
		q.inter(here, grave)
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
