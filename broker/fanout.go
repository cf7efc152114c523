package broker

// share has the Store keep a message once for several queues. Nobody else has
// seen it yet.
func (qs *queues) share(m *Message) {
	if m.shared == 0 && qs.store != nil && !m.transient {
		m.ShareAs(qs.ids.Add(1))
	}
}

// fanOut publishes a message to several durable subscriptions, by one batch:
// all of them have it or none. They are locked together, in the order of their
// ids, which is that of queues, so that the Store gets batches in the order in
// which the queues change.
func (p *Publisher) fanOut(queues []*queue, m *Message, done func(error)) (v verdict) {
	qs := p.broker.queues
	qs.share(m)
	for _, q := range queues {
		q.mu.Lock()
	}
	takers := qs.within(queues, m)
	if v = p.allTake(takers, m); v != (verdict{}) {
		goOn(queues, nil)
		return v
	}
	p.counters.countSent(1)
	g := qs.batcher.get()
	g.whole = true
	for _, q := range takers {
		if !q.gone {
			q.flush(nil)
			q.writes.join(g)
			q.append(m, State{})
			q.writes.leave()
		}
	}
	qs.batcher.apply(g, done)
	if len(takers) < len(queues) {
		passOthers(queues, takers)
	}
	goOn(queues, nil)
	return verdict{}
}

// allTake asks locked queues whether a message may come in.
func (p *Publisher) allTake(queues []*queue, m *Message) verdict {
	for _, q := range queues {
		if q.gone {
			continue
		}
		if v := q.admit(q.applies(m, p)); v != (verdict{}) {
			return v
		}
	}
	return verdict{}
}

// goOn lets locked queues deliver, and unlocks them. Dead messages move when no
// queue is locked; then the function for their queue is called, if there is one.
func goOn(queues []*queue, moved map[*queue]func(error)) {
	type dying struct {
		q    *queue
		dead []deadLetter
	}
	var all []dying
	for _, q := range queues {
		if !q.gone {
			q.pump()
		}
		if dead := q.settleUp(); len(dead) > 0 {
			all = append(all, dying{q, dead})
		}
	}
	for _, d := range all {
		d.q.moveDead(d.dead, moved[d.q])
	}
}
