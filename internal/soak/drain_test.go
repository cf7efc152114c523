package soak

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/admin"
	"hoofbeat/frames"
	"hoofbeat/internal/proctest"
)

// drain empties all queues with a last consumer each, and deletes the durable
// subscriptions.
func (w *world) drain() {
	o, r := newOperator(w.admin), rand.New(rand.NewPCG(w.o.seed, 0))
	consumers := make(map[string]*client)
	empty := 0
	if !w.within(3*proctest.StepTimeout, func() bool {
		all, err := o.queues()
		if err != nil {
			w.faults.add("%v", err)
			return true
		}
		// A client that left while it waited for a full queue may still send to
		// it.
		left, err := w.strangers(o, consumers)
		if err != nil {
			w.faults.add("%v", err)
			return true
		}
		for _, q := range all {
			if n := q.Ready + q.Unacked + q.Delayed; n > 0 {
				left += n
				if consumers[q.Name] == nil {
					consumers[q.Name] = w.last(r, q)
				}
			}
		}
		// A message on its way to the dead letter queue is briefly in no queue,
		// so the queues must be empty twice.
		if empty++; left > 0 {
			empty = 0
		}
		return empty == 2
	}) {
		w.faults.add("the queues are not empty: %s", w.left(o))
	}
	for _, c := range consumers {
		if c != nil {
			c.disconnect()
			c.end()
		}
	}
	for i := range w.keeps {
		w.unsubscribe(r, i)
	}
}

// strangers returns the number of connections besides the last consumers.
func (w *world) strangers(o *operator, consumers map[string]*client) (int, error) {
	all, err := o.overview()
	n := all.Connections
	for _, c := range consumers {
		if c != nil {
			n--
		}
	}
	return max(0, n), err
}

// last returns the consumer that empties a queue.
func (w *world) last(r *rand.Rand, q admin.Queue) *client {
	as := identity{user: politeUser, headers: credentials(politeUser, forever), from: loopback(9)}
	role := &role{name: "last consumer", hear: use(placeOf(q.Name))}
	subscribe := fmt.Sprintf("destination:%s\n", q.Name)
	var index int
	switch n, _ := fmt.Sscanf(q.Name, "/subscription/keeper%d/home/news", &index); {
	case n == 1:
		as = keeperIdentity(index)
		role.hear = w.kept
		subscribe = fmt.Sprintf("destination:%s\ndurable:true\n", keepTopic)
	case placeOf(q.Name) == in && w.laneNamed(strings.TrimPrefix(q.Name, "/queue/")) == nil:
		role.hear = forget
	}
	c := w.reach(r, as, role)
	if c != nil {
		c.Send("SUBSCRIBE\nid:news\n%sack:client-individual\n\n\x00", subscribe)
	}
	return c
}

// reach connects when the other clients have left.
func (w *world) reach(r *rand.Rand, as identity, role *role) *client {
	c, err := w.connect(r, as, role)
	if err != nil {
		w.faults.add("%s: %v", role.name, err)
		return nil
	}
	select {
	case <-c.connected:
		return c
	case <-c.Done:
	case <-time.After(proctest.StepTimeout):
	}
	w.faults.add("%s: not connected", role.name)
	c.end()
	return nil
}

// placeOf returns the place that a queue has in a lane, by its name.
func placeOf(queue string) place {
	switch {
	case strings.HasPrefix(queue, "/queue/out."):
		return out
	case strings.HasPrefix(queue, "/queue/dead."):
		return dead
	}
	return in
}

// forget acknowledges messages that belong to no lane.
func forget(c *client, f frames.Inbound) {
	if f.Command == frame.MESSAGE {
		c.Send("ACK\nid:%s\n\n\x00", f.Header.Get(frame.Ack))
	}
}

// unsubscribe deletes a keeper's durable subscription.
func (w *world) unsubscribe(r *rand.Rand, index int) {
	deleted := make(chan struct{})
	c := w.reach(r, keeperIdentity(index), &role{name: "keeper that unsubscribes", hear: func(_ *client, f frames.Inbound) {
		if f.Header.Get(frame.ReceiptId) == "deleted" {
			close(deleted)
		}
	}})
	if c == nil {
		return
	}
	defer c.end()
	c.Send("UNSUBSCRIBE\nid:news\ndurable:true\nreceipt:deleted\n\n\x00")
	select {
	case <-deleted:
		c.disconnect()
	case <-c.Done:
		w.faults.add("the durable subscription of keeper %d was not deleted", index)
	case <-time.After(proctest.StepTimeout):
		w.faults.add("the durable subscription of keeper %d was not deleted in %v", index, proctest.StepTimeout)
	}
}

// left lists everything that should be gone.
func (w *world) left(o *operator) string {
	var all []string
	if queues, err := o.queues(); err == nil {
		for _, q := range queues {
			all = append(all, fmt.Sprintf("%s (%d ready, %d unacked, %d delayed, %d consumers)", q.Name, q.Ready, q.Unacked, q.Delayed, q.Consumers))
		}
	}
	var connections admin.ConnectionList
	if err := o.get("/api/v1/connections?limit=20", &connections); err == nil {
		for _, c := range connections.Connections {
			all = append(all, fmt.Sprintf("connection %s of %s from %s over %s, %s, since %v, %d subscriptions, %d bytes outbound",
				c.ID, c.User, c.Remote, c.Transport, c.State, c.Connected, c.Subscriptions, c.OutboundBytes))
		}
	}
	var topics admin.TopicList
	if err := o.get("/api/v1/topics?limit=20", &topics); err == nil {
		for _, t := range topics.Topics {
			all = append(all, fmt.Sprintf("topic %s (%d subscribers)", t.Name, t.Subscribers))
		}
	}
	return strings.Join(all, "; ")
}
