package durable

import (
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/frames"
)

// A lane is a producer, its queue, a consumer that moves half of the messages
// to another queue, and the consumers of the other queues. Each queue has one
// producer and one consumer at a time, so the order of its messages is known.
type lane struct {
	l       *ledger
	number  int
	session int // counts the lives of the broker
	r       *rand.Rand
	next    int // number of the next message; owned by produce

	room     chan struct{} // one element per message that may be without RECEIPT
	ended    chan string   // queues whose last message has arrived
	draining bool          // nothing is rejected any more; it would arrive after the last message
}

const window = 64

// open begins a session, with nothing under way.
func (l *lane) open(session int) {
	l.session = session
	l.room = make(chan struct{}, window)
	l.ended = make(chan string, 3)
}

// produce sends until stop is closed or the broker is gone.
func (l *lane) produce(address string, stop <-chan struct{}) {
	c, err := connect(address, l.producerHeard)
	if err != nil {
		return
	}
	defer c.Close()
	for {
		select {
		case <-stop:
			return
		case <-c.Done:
			return
		case l.room <- struct{}{}:
		}
		n := l.next
		l.next++
		sent := func(r *record) { r.sent = l.session }
		l.l.update(inQueue(l.number), n, sent)
		if inPair(n) {
			l.l.update(pairQueue(l.number), n, sent)
		}
		body := strings.Repeat("x", l.r.IntN(300))
		if !inPair(n) {
			c.Send("SEND\ndestination:%s\nn:%d\nreceipt:%d\n\n%s\x00", inQueue(l.number), n, n, body)
			continue
		}
		c.Send("BEGIN\ntransaction:t%d\n\n\x00SEND\ndestination:%s\nn:%d\ntransaction:t%d\n\n%s\x00SEND\ndestination:%s\nn:%d\ntransaction:t%d\n\n\x00COMMIT\ntransaction:t%d\nreceipt:%d\n\n\x00",
			n, inQueue(l.number), n, n, body, pairQueue(l.number), n, n, n, n)
	}
}

func (l *lane) producerHeard(_ *client, f frames.Inbound) {
	if f.Command != frame.RECEIPT {
		return
	}
	n, _ := strconv.Atoi(f.Header.Get(frame.ReceiptId))
	confirm := func(r *record) { r.confirmed = true }
	l.l.update(inQueue(l.number), n, confirm)
	if inPair(n) {
		l.l.update(pairQueue(l.number), n, confirm)
	}
	<-l.room
}

// consume reads one queue; settle settles each message.
func (l *lane) consume(address, queue string, settle func(c *client, n int, id string, again bool)) (*client, error) {
	last := -1
	c, err := connect(address, func(c *client, f frames.Inbound) {
		switch f.Command {
		case frame.MESSAGE:
			if f.Header.Get("end") != "" {
				c.Send("ACK\nid:%s\nreceipt:end\n\n\x00", f.Header.Get(frame.Ack))
				return
			}
			n, _ := strconv.Atoi(f.Header.Get("n"))
			again := f.Header.Get("redelivered") == "true"
			l.l.deliver(queue, n, l.session, again)
			if !again {
				if n <= last {
					l.l.mu.Lock()
					l.l.fault("%s: %d came after %d", queue, n, last)
					l.l.mu.Unlock()
				}
				last = n
			}
			settle(c, n, f.Header.Get(frame.Ack), again)
		case frame.RECEIPT:
			l.consumerHeard(queue, f.Header.Get(frame.ReceiptId))
		}
	})
	if err == nil {
		c.Send("SUBSCRIBE\nid:1\ndestination:%s\nack:client-individual\nprefetch-count:40\n\n\x00", queue)
	}
	return c, err
}

func (l *lane) consumerHeard(queue, receipt string) {
	if receipt == "end" {
		l.ended <- queue
		return
	}
	how, number, _ := strings.Cut(receipt, " ")
	n, _ := strconv.Atoi(number)
	l.l.update(queue, n, func(r *record) { r.settled = true })
	if how == "moved" {
		l.l.update(outQueue(l.number), n, func(r *record) { r.confirmed = true })
	}
}

// move settles messages of the first queue: it rejects some odd ones once and
// acknowledges the others, the even ones in a transaction that sends a message
// to the last queue.
func (l *lane) move(c *client, n int, id string, again bool) {
	switch {
	case n%14 == 3 && !again && !l.draining:
		c.Send("NACK\nid:%s\n\n\x00", id)
	case n%2 == 0:
		c.Send("BEGIN\ntransaction:m%d\n\n\x00SEND\ndestination:%s\nn:%d\ntransaction:m%d\n\n\x00ACK\nid:%s\ntransaction:m%d\n\n\x00COMMIT\ntransaction:m%d\nreceipt:moved %d\n\n\x00",
			n, outQueue(l.number), n, n, id, n, n, n)
	default:
		l.use(inQueue(l.number))(c, n, id, again)
	}
}

// use acknowledges every message.
func (l *lane) use(queue string) func(c *client, n int, id string, again bool) {
	return func(c *client, n int, id string, _ bool) {
		l.l.update(queue, n, func(r *record) { r.used = true })
		c.Send("ACK\nid:%s\nreceipt:used %d\n\n\x00", id, n)
	}
}

// run runs all clients of the lane until the broker is gone.
func (l *lane) run(address string, stop <-chan struct{}) {
	var consumers []*client
	for queue, settle := range map[string]func(*client, int, string, bool){
		inQueue(l.number): l.move, pairQueue(l.number): l.use(pairQueue(l.number)), outQueue(l.number): l.use(outQueue(l.number)),
	} {
		if c, err := l.consume(address, queue, settle); err == nil {
			consumers = append(consumers, c)
		}
	}
	l.produce(address, stop)
	<-stop
	for _, c := range consumers {
		c.Close()
	}
}
