package broker

import (
	"fmt"
	"slices"
	"strings"
	"testing/synctest"

	"hoofbeat/destination"
)

// step takes one random step of one client.
func (m *model) step() {
	c := m.clients[m.r.IntN(len(m.clients))]
	n := m.r.IntN(100)
	if m.r.IntN(20) == 0 {
		pass(impatientDelay / 2)
	}
	switch {
	case n < 25:
		for range 1 + m.r.IntN(m.burst) {
			m.send(c)
		}
	case n < 37:
		m.subscribe(c)
	case n < 42:
		if len(c.subs) > 0 {
			m.unsubscribe(c, m.r.IntN(len(c.subs)))
		}
	case n < 80:
		if s := m.anySub(c); s != nil {
			m.settle(c, s)
		}
	case n < 86:
		if s := m.anySub(c); s != nil {
			m.resume(s)
		}
	case n < 91:
		if c.tx == nil {
			m.note("%s begins", c.owner.User)
			c.tx = &modelTx{tx: c.p.Begin()}
		}
	case n < 96:
		if c.tx != nil {
			m.commit(c)
		}
	case n < 98:
		m.abort(c)
	case n < 99:
		m.makeTemporary(c)
	default:
		m.disconnect(c)
	}
}

var (
	modelTopics   = []string{"/topic/a", "/topic/a.b", "/topic/a.c", "/topic/b.c"}
	modelPatterns = append([]string{"/topic/a.*", "/topic/**", "/topic/*.c", "/topic/a.#"}, modelTopics...)
)

// target picks a destination, and returns the effect on the model.
func (m *model) target() (text string, effect func(*Message)) {
	if m.r.IntN(4) == 0 {
		text = modelTopics[m.r.IntN(len(modelTopics))]
		return text, func(msg *Message) { m.publish(text, msg) }
	}
	if c := m.clients[m.r.IntN(len(m.clients))]; c.temp != nil && m.r.IntN(4) == 0 {
		return c.temp.text, func(msg *Message) {
			if c.temp != nil { // in a transaction, it may have gone and come
				c.temp.push(msg)
			}
		}
	}
	q := m.queues[m.r.IntN(len(m.queues))]
	return q.text, q.push
}

// publish gives a message to all current subscribers.
func (m *model) publish(text string, msg *Message) {
	name := strings.Split(strings.TrimPrefix(text, "/topic/"), ".")
	for _, c := range m.clients {
		for _, s := range c.subs {
			switch {
			case s.dest.Kind != destination.Topic || !matches(strings.Split(s.dest.Name(), "."), name):
			case s.q != nil:
				s.q.push(msg)
			default:
				s.expected = append(s.expected, msg)
			}
		}
	}
}

func (m *model) send(c *modelClient) {
	text, effect := m.target()
	m.serial++
	d, err := destination.DefaultNamespace().ForSend(text, c.owner)
	if err != nil {
		m.t.Fatal(err)
	}
	msg := makeMessage(d, text, fmt.Sprint("m", m.serial))
	if m.burst > 2 && d.Kind == destination.Queue && m.r.IntN(4) == 0 {
		msg.priority = uint8(m.r.IntN(10))
	}
	msg.transient = m.burst > 3 && m.r.IntN(4) == 0
	if c.tx != nil && m.r.IntN(3) > 0 {
		m.note("%s sends %s to %s in its transaction", c.owner.User, msg.Body(), text)
		c.tx.tx.Send(msg)
		c.tx.sends = append(c.tx.sends, func() { effect(msg) })
		return
	}
	m.note("%s sends %s to %s", c.owner.User, msg.Body(), text)
	effect(msg)
	var done counter
	c.p.Send(msg, done.done)
	synctest.Wait()
	if done.calls != 1 || done.err != nil {
		m.fail("done was called %d times, error %v", done.calls, done.err)
	}
}

func (m *model) subscribe(c *modelClient) {
	if len(c.subs) == 4 {
		return
	}
	s := &modelSub{m: m, ack: AckMode(m.r.IntN(3)), prefetch: 1 + m.r.IntN(8), room: m.newRoom()}
	if text := modelPatterns[m.r.IntN(len(modelPatterns))]; m.r.IntN(3) == 0 {
		s.dest = readDestination(m.t, text, c.owner)
		if s.ack != AckAuto {
			s.q = newModelQueue(text, s.dest, false)
		}
	} else if s.q = m.queues[m.r.IntN(len(m.queues))]; c.temp != nil && m.r.IntN(3) == 0 {
		s.q = c.temp
		s.dest = s.q.dest
	} else {
		s.dest = s.q.dest
	}
	m.note("%s subscribes to %q, %s, prefetch %d, room %d", c.owner.User, s.dest.Key(), s.ack, s.prefetch, s.room)
	c.subs = append(c.subs, s)
	if s.q != nil {
		s.q.subs = append(s.q.subs, s)
	}
	s.sub = mustSubscribe(m.b, SubscribeOptions{Destination: s.dest, Ack: s.ack, Prefetch: s.prefetch, Sink: s})
}

func (m *model) newRoom() int {
	if m.r.IntN(3) == 0 {
		return m.r.IntN(6)
	}
	return 1 << 20
}

func (m *model) unsubscribe(c *modelClient, i int) {
	s := c.subs[i]
	m.note("%s unsubscribes from %q", c.owner.User, s.dest.Key())
	s.closed = true
	c.subs = slices.Delete(c.subs, i, i+1)
	if s.q != nil {
		for _, mm := range s.pending() {
			s.q.settle(mm, returned)
		}
		s.q.subs = slices.DeleteFunc(s.q.subs, func(o *modelSub) bool { return o == s })
	}
	s.sub.Unsubscribe()
	synctest.Wait()
}

func (m *model) anySub(c *modelClient) *modelSub {
	var withQueue []*modelSub
	for _, s := range c.subs {
		if s.q != nil {
			withQueue = append(withQueue, s)
		}
	}
	if len(withQueue) == 0 {
		return nil
	}
	return withQueue[m.r.IntN(len(withQueue))]
}

func (m *model) resume(s *modelSub) {
	if s.ack != AckAuto {
		s.sub.Written(m.r.Uint64N(s.lastTag + 1))
	}
	s.room, s.blocked = m.newRoom(), false
	m.note("%q resumes with room %d", s.dest.Key(), s.room)
	s.sub.Resume()
}

// pickTag is mostly that of a pending delivery.
func (m *model) pickTag(pending []*modelMessage, last uint64) uint64 {
	if len(pending) == 0 || m.r.IntN(20) == 0 {
		return m.r.Uint64N(last + 3)
	}
	return pending[m.r.IntN(len(pending))].tag
}

// meant returns the messages that an ACK of that tag means.
func (s *modelSub) meant(pending []*modelMessage, tag uint64) []*modelMessage {
	i := slices.IndexFunc(pending, func(mm *modelMessage) bool { return mm.tag == tag })
	switch {
	case i < 0:
		return nil
	case s.ack == AckClient:
		return pending[:i+1]
	}
	return pending[i : i+1]
}

// settle writes, acknowledges or gives back, perhaps in a transaction.
func (m *model) settle(c *modelClient, s *modelSub) {
	pending := s.pending()
	tag := m.pickTag(pending, s.lastTag)
	if s.ack == AckAuto {
		m.note("%s has written %q up to %d", c.owner.User, s.dest.Key(), tag)
		for _, mm := range pending {
			if mm.tag <= tag {
				s.q.settle(mm, acknowledged)
			}
		}
		s.sub.Written(tag)
		return
	}
	if m.r.IntN(2) == 0 {
		s.sub.Written(s.lastTag)
	}
	how := []outcome{acknowledged, acknowledged, acknowledged, refused, rejected}[m.r.IntN(5)]
	msgs := s.meant(pending, tag)
	if c.tx != nil && m.r.IntN(2) == 0 {
		m.claim(c, s, tag, msgs, how)
		return
	}
	m.note("%s settles %d of %q as %d: %d messages", c.owner.User, tag, s.dest.Key(), how, len(msgs))
	for _, mm := range msgs {
		s.q.settle(mm, how)
	}
	if how == acknowledged {
		m.wantErr(s.sub.Ack(tag, nil), s.wantedErr(tag, msgs))
	} else {
		m.wantErr(s.sub.Nack(tag, how == refused, nil), s.wantedErr(tag, msgs))
	}
}

func (m *model) claim(c *modelClient, s *modelSub, tag uint64, msgs []*modelMessage, how outcome) {
	m.note("%s claims %d of %q as %d: %d messages", c.owner.User, tag, s.dest.Key(), how, len(msgs))
	for _, mm := range msgs {
		mm.claimed = true
	}
	if len(msgs) > 0 {
		c.tx.claims = append(c.tx.claims, modelClaim{s.q, msgs, how})
	}
	if how == acknowledged {
		m.wantErr(c.tx.tx.Ack(s.sub, tag), s.wantedErr(tag, msgs))
	} else {
		m.wantErr(c.tx.tx.Nack(s.sub, tag, how == refused), s.wantedErr(tag, msgs))
	}
}

// wantedErr is the expected error of an ACK or NACK of a tag that means these
// messages.
func (s *modelSub) wantedErr(tag uint64, msgs []*modelMessage) error {
	switch {
	case len(msgs) > 0:
		return nil
	case tag == 0 || tag > s.lastTag:
		return ErrUnknownDelivery
	}
	return ErrLateDelivery
}

func (m *model) wantErr(err, want error) {
	if err != want {
		m.fail("the error is %v, want %v", err, want)
	}
}

func (m *model) commit(c *modelClient) {
	m.note("%s commits %d sends and %d claims", c.owner.User, len(c.tx.sends), len(c.tx.claims))
	tx := c.tx
	c.tx = nil
	for _, effect := range tx.sends {
		effect()
	}
	for _, cl := range tx.claims {
		for _, mm := range cl.msgs {
			cl.q.settle(mm, cl.how)
		}
	}
	var done counter
	tx.tx.Commit(done.done)
	synctest.Wait()
	if done.calls != 1 || done.err != nil {
		m.fail("done of a COMMIT was called %d times, error %v", done.calls, done.err)
	}
}

func (m *model) abort(c *modelClient) {
	if c.tx == nil {
		return
	}
	m.note("%s aborts %d sends and %d claims", c.owner.User, len(c.tx.sends), len(c.tx.claims))
	tx := c.tx
	c.tx = nil
	for _, cl := range tx.claims {
		for _, mm := range cl.msgs {
			if mm.claimed = false; mm.holder.closed {
				cl.q.settle(mm, returned)
			}
		}
	}
	tx.tx.Abort()
}

func (m *model) makeTemporary(c *modelClient) {
	if c.temp != nil {
		return
	}
	d := readDestination(m.t, "/temp-queue/r", c.owner)
	c.temp = newModelQueue(destination.ReplyTo(d), d, false)
	c.temp.exists = true
	m.note("%s makes %s", c.owner.User, c.temp.text)
	if err := m.b.MakeTemporary(d, "", 0, nil); err != nil {
		m.fail("%v", err)
	}
}

// disconnect ends all that a client has; a new one takes its place.
func (m *model) disconnect(c *modelClient) {
	m.note("%s disconnects", c.owner.User)
	m.abort(c)
	for len(c.subs) > 0 {
		m.unsubscribe(c, m.r.IntN(len(c.subs)))
	}
	if c.temp != nil {
		c.temp.dropped = true
		m.b.DropTemporary(c.temp.dest)
		c.temp = nil
	}
}
