package soak

import (
	"fmt"
	"strconv"
	"time"

	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/frames"
)

// number parses a number that this test has written; -1: it is none.
func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return -1
	}
	return n
}

// Producers.

func (w *world) produce(kind string) func(c *client) {
	all := w.lanesOf(kind)
	return func(c *client) { c.sendTo(all[c.r.IntN(len(all))], "") }
}

func (w *world) produceShort(c *client) {
	all := w.lanesOf("short")
	c.sendTo(all[c.r.IntN(len(all))], fmt.Sprintf("ttl:%d\n", 50+c.r.IntN(2000)))
}

func produceFleeting(c *client) {
	c.Send("SEND\ndestination:/queue/fleeting.%d\n\nnobody reads this\x00", c.r.IntN(topicParts))
}

// produceTogether sends to queues of a kind in one transaction, and aborts some
// transactions, whose messages must never arrive.
func (w *world) produceTogether(kind string) func(c *client) {
	all := w.lanesOf(kind)
	return func(c *client) {
		c.number++
		tx := fmt.Sprintf("transaction:t%d\n", c.number)
		c.Send("BEGIN\n%s\n\x00", tx)
		if c.r.IntN(5) > 0 {
			for range 2 {
				c.sendTo(all[c.r.IntN(len(all))], tx)
			}
			c.Send("COMMIT\n%s\n\x00", tx)
			return
		}
		l := all[c.r.IntN(len(all))]
		n := l.add()
		l.refuse(n)
		c.Send("SEND\ndestination:%s\nlane:%s\nn:%d\n%s\n%s\x00ABORT\n%s\n\x00", l.queue, l.name, n, tx, body(c.r), tx)
	}
}

// pour sends several messages at once to queues that block their senders when
// full.
func (w *world) pour(n int) func(c *client) {
	all := w.lanesOf("jam")
	return func(c *client) {
		for range n {
			c.sendTo(all[c.r.IntN(len(all))], "")
		}
	}
}

func confirm(c *client, f frames.Inbound) {
	if f.Command == frame.RECEIPT {
		c.answered(f.Header.Get(frame.ReceiptId), false)
	}
}

// refuse records that an ERROR answers a message.
func refuse(c *client, f frames.Inbound) {
	if receipt := f.Header.Get(frame.ReceiptId); receipt != "" {
		c.answered(receipt, true)
	}
}

// Consumers.

// consume subscribes to a queue of a kind.
func (w *world) consume(kind string, p place, mode string) func(c *client) {
	all := w.lanesOf(kind)
	return func(c *client) {
		l := all[c.r.IntN(len(all))]
		queue := l.queue
		if p == out {
			queue = l.out
		}
		c.Send("SUBSCRIBE\nid:1\ndestination:%s\nack:%s\nprefetch-count:%d\n\n\x00", queue, mode, 5+c.r.IntN(20))
	}
}

func (w *world) consumeDead(c *client) {
	for i, queue := range []string{"/queue/dead.work", "/queue/dead.short", "/queue/dead.bounded"} {
		c.Send("SUBSCRIBE\nid:%d\ndestination:%s\nack:client-individual\nprefetch-count:20\n\n\x00", i, queue)
	}
}

// use acknowledges every message.
func use(p place) func(c *client, f frames.Inbound) {
	return func(c *client, f frames.Inbound) {
		if f.Command == frame.RECEIPT {
			c.settled(f.Header.Get(frame.ReceiptId))
		} else if d, ok := c.came(f, p, nil); ok {
			c.acknowledge(f.Header.Get(frame.Ack), d)
		}
	}
}

// work acknowledges most messages. It rejects some at the first delivery, some
// at every delivery, and some without requeueing.
func work(c *client, f frames.Inbound) {
	if f.Command == frame.MESSAGE {
		n, again := number(f.Header.Get("n")), f.Header.Get("redelivered") == "true"
		how := ""
		switch {
		case n%31 == 5:
			how = "requeue:false\n"
		case n%37 == 7, n%14 == 3 && !again:
		default:
			use(in)(c, f)
			return
		}
		if _, ok := c.came(f, in, nil); ok {
			c.Send("NACK\nid:%s\n%s\n\x00", f.Header.Get(frame.Ack), how)
		}
		return
	}
	use(in)(c, f)
}

// move acknowledges each message and sends it on in one transaction. It aborts
// some transactions and rejects their messages.
func move(c *client, f frames.Inbound) {
	if f.Command == frame.RECEIPT {
		c.w.heard.add("moved by transactions")
		c.settled(f.Header.Get(frame.ReceiptId))
		return
	}
	d, ok := c.came(f, in, nil)
	if !ok {
		return
	}
	id := f.Header.Get(frame.Ack)
	begin := fmt.Sprintf("BEGIN\ntransaction:%s\n\n\x00SEND\ndestination:%s\nlane:%s\nn:%d\ntransaction:%s\n\n%s\x00ACK\nid:%s\ntransaction:%s\n\n\x00",
		id, d.lane.out, d.lane.name, d.n, id, f.Body, id, id)
	if d.n%9 == 4 && d.count == 1 {
		c.Send("%sABORT\ntransaction:%s\n\n\x00NACK\nid:%s\n\n\x00", begin, id, id)
		return
	}
	c.settling[id] = []delivery{d}
	c.Send("%sCOMMIT\ntransaction:%s\nreceipt:%s\n\n\x00", begin, id, id)
}

// takeAll is for mode auto: a message that was read is consumed.
func takeAll(c *client, f frames.Inbound) {
	if f.Command != frame.MESSAGE {
		return
	}
	if d, ok := c.came(f, in, nil); ok {
		d.lane.use(in, d.n)
		c.w.heard.add("taken in mode auto")
	}
}

// collect keeps messages for acknowledgeAll and acknowledgeOne.
func collect(c *client, f frames.Inbound) {
	if f.Command == frame.RECEIPT {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.settled(f.Header.Get(frame.ReceiptId))
		return
	}
	if d, ok := c.came(f, in, nil); ok {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.waiting = append(c.waiting, waiting{f.Header.Get(frame.Ack), d})
	}
}

// acknowledgeAll acknowledges all messages but the latest few, in mode client.
func acknowledgeAll(c *client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.waiting) - c.r.IntN(3)
	if n <= 0 {
		return
	}
	var all []delivery
	for _, x := range c.waiting[:n] {
		all = append(all, x.delivery)
	}
	c.acknowledge(c.waiting[n-1].id, all...)
	c.waiting = append([]waiting(nil), c.waiting[n:]...)
}

// acknowledgeOne acknowledges slowly, one at a time.
func acknowledgeOne(c *client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) > 0 {
		c.acknowledge(c.waiting[0].id, c.waiting[0].delivery)
		c.waiting = c.waiting[1:]
	}
}

// comeLate subscribes after a while to queues that block their senders. Each
// consumer is slow, but together they keep up.
func (w *world) comeLate(c *client) {
	if c.number++; c.number == int(w.o.lifetime/lateEvery/3) {
		w.consume("jam", in, "client-individual")(c)
	}
	for range 3 {
		acknowledgeOne(c)
	}
}

const lateEvery = 100 * time.Millisecond

// Each durable subscription has one keeper, which connects from time to time.

func asKeeper(s *slot, as *identity) {
	k := keeperIdentity(s.index)
	as.user, as.headers = k.user, k.headers
}

// keeperIdentity returns the owner of a durable subscription.
func keeperIdentity(index int) identity {
	user := fmt.Sprintf("keeper%d", index)
	return identity{user: user, headers: credentials(user, forever) + "client-id:home\n", from: loopback(9)}
}

func (w *world) keep(c *client) {
	c.Send("SUBSCRIBE\nid:news\ndestination:%s\nack:client-individual\ndurable:true\nprefetch-count:20\nreceipt:subscribed\n\n\x00", keepTopic)
}

// kept handles a keeper's frames: the messages of its own lane.
func (w *world) kept(c *client, f frames.Inbound) {
	if f.Command == frame.RECEIPT {
		if receipt := f.Header.Get(frame.ReceiptId); receipt != "subscribed" {
			c.settled(receipt)
		}
		return
	}
	own := w.keeps[number(c.who.user[len("keeper"):])]
	if d, ok := c.came(f, in, own); ok {
		c.acknowledge(f.Header.Get(frame.Ack), d)
	}
}

// publishKept sends a message that every durable subscription must receive.
func (w *world) publishKept(c *client) {
	w.keeper.Lock()
	n := 0
	for _, l := range w.keeps {
		n = l.add()
	}
	w.keeper.Unlock()
	c.Send("SEND\ndestination:%s\nn:%d\nreceipt:%d\n\n%s\x00", keepTopic, n, n, body(c.r))
}

func (w *world) confirmKept(_ *client, f frames.Inbound) {
	if f.Command == frame.RECEIPT {
		for _, l := range w.keeps {
			l.confirm(number(f.Header.Get(frame.ReceiptId)))
		}
	}
}
