package soak

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/frames"
	"hoofbeat/internal/proctest"
)

// A client is one life of a slot: a connection and its activity.
type client struct {
	*proctest.Client
	w    *world
	r    *rand.Rand // owned by the slot's goroutine
	role *role
	who  identity
	wire *wire
	life int64 // unique number of this life

	connected chan struct{} // closed by the reader on CONNECTED
	said      sync.Once     // guards the closing of connected
	left      chan struct{} // closed by the reader on the RECEIPT for DISCONNECT
	asked     chan struct{} // one element per request without an answer; never closed

	// Owned by the reader.
	settling map[string][]delivery // by the receipt of the ACK
	last     map[string]int        // number of the last message of each publisher

	number  int        // of this client's transactions, requests and messages; owned by the slot's goroutine, or by the reader if the role has no act
	mu      sync.Mutex // a leaf; guards waiting
	waiting []waiting  // messages for a later ACK
}

// waiting is a message that the client has not acknowledged yet.
type waiting struct {
	id string
	delivery
}

// A delivery is a message that is being settled.
type delivery struct {
	lane  *lane
	place place
	n     int
	count uint8
}

// An identity is a client's user, address and path.
type identity struct {
	user     string
	headers  string // further lines of CONNECT, each with a line feed
	from     net.IP
	path     path
	buffer   int
	beat     bool          // it sends heart-beats as negotiated
	interval time.Duration // the heart-beat interval that it asks for
}

// credentials returns the CONNECT lines with a user's token.
func credentials(user string, expires time.Duration) string {
	return "passcode:" + token(user, "client", time.Now().Add(expires)) + "\n"
}

// connect begins a life. An error means that there is no connection; it need
// not be the broker's fault.
func (w *world) connect(r *rand.Rand, who identity, as *role) (*client, error) {
	c, err := w.dial(who.path, who.from, who.buffer)
	if err != nil {
		return nil, err
	}
	return w.talk(r, who, as, c), nil
}

func (w *world) talk(r *rand.Rand, who identity, as *role, over *wire) *client {
	c := &client{
		w: w, r: r, role: as, who: who, wire: over, life: w.lives.Add(1), connected: make(chan struct{}), left: make(chan struct{}), asked: make(chan struct{}, window),
		settling: make(map[string][]delivery), last: make(map[string]int),
	}
	headers := who.headers
	if who.interval > 0 {
		ms := who.interval.Milliseconds()
		headers += fmt.Sprintf("heart-beat:%d,%d\n", ms, ms)
	}
	// The reader may receive a frame before NewClient has returned.
	ready := make(chan struct{})
	c.Client = proctest.NewClient(over.Conn, headers, func(_ *proctest.Client, f frames.Inbound) {
		<-ready
		c.hear(f)
	})
	close(ready)
	return c
}

// window is the number of messages or requests that a client may have under
// way.
const window = 16

// hear handles each frame, on the reader's goroutine.
func (c *client) hear(f frames.Inbound) {
	switch f.Command {
	case frame.CONNECTED:
		c.said.Do(func() { close(c.connected) })
		return
	case frame.ERROR:
		c.heardError(f)
		return
	case frame.RECEIPT:
		if f.Header.Get(frame.ReceiptId) == "bye" {
			close(c.left)
			return
		}
	case frame.MESSAGE:
		c.w.heard.add("messages to clients")
	}
	c.role.hear(c, f)
}

// heardError counts an ERROR, and reports one that was not provoked.
func (c *client) heardError(f frames.Inbound) {
	word, _, _ := strings.Cut(f.Header.Get(frame.Message), ":")
	c.w.heard.add("ERROR " + word)
	if c.waits() {
		c.w.heard.add("ended by an ERROR while they waited for a full queue")
	}
	if !c.mayGet(word, string(f.Body)) {
		c.w.faults.add("a %s (%v, user %s) got ERROR %s: %s", c.role.name, c.who.path, c.who.user, f.Header.Get(frame.Message), f.Body)
	}
	if c.role.refused != nil {
		c.role.refused(c, f)
	}
}

// mayGet reports whether an ERROR was provoked by this client or by others. A
// timeout of the disk before DISCONNECT is no fault of the broker: this machine
// is busy.
func (c *client) mayGet(word, text string) bool {
	return word == "closed-by-operator" || strings.Contains(" "+c.role.errors+" ", " "+word+" ") ||
		word == "storage-failed" && strings.Contains(text, "before DISCONNECT")
}

// end closes the connection and waits for the reader.
func (c *client) end() {
	c.wire.close()
	<-c.Done
	if err := c.wire.fault(c.who.path); err != nil {
		c.w.faults.add("a %s (%v, user %s): %v", c.role.name, c.who.path, c.who.user, err)
	}
}

// waits reports whether many of the client's messages have no answer because
// their queue is full.
func (c *client) waits() bool { return c.role.jams && len(c.asked) >= window/2 }

// disconnect leaves with DISCONNECT and waits for its RECEIPT. It returns false
// if none came.
func (c *client) disconnect() bool {
	c.Send("DISCONNECT\nreceipt:bye\n\n\x00")
	late := time.NewTimer(proctest.StepTimeout)
	defer late.Stop()
	select {
	case <-c.left:
		c.w.heard.add("left by DISCONNECT")
		return true
	case <-c.Done: // just closed by an operator or a proxy
	case <-late.C:
		c.w.faults.add("a %s (%v, user %s) has no RECEIPT for its DISCONNECT", c.role.name, c.who.path, c.who.user)
	}
	return false
}

// gone waits until the broker has ended the connection.
func (c *client) gone(why string) {
	late := time.NewTimer(proctest.StepTimeout)
	defer late.Stop()
	select {
	case <-c.Done:
	case <-late.C:
		c.w.faults.add("%s (%v, user %s) was kept for %v", why, c.who.path, c.who.user, proctest.StepTimeout)
	}
}

// sendTo sends a message of a lane with a receipt, which the reader records.
// Each line of headers ends in a line feed. If too many messages have no
// answer, it sends nothing.
func (c *client) sendTo(l *lane, headers string) {
	select {
	case c.asked <- struct{}{}:
	default:
		return
	}
	n := l.add()
	c.Send("SEND\ndestination:%s\nlane:%s\nn:%d\nreceipt:%s %d\n%s\n%s\x00", l.queue, l.name, n, l.name, n, headers, body(c.r))
}

// answered records the answer to sendTo; refused marks an ERROR.
func (c *client) answered(receipt string, refused bool) {
	name, number, _ := strings.Cut(receipt, " ")
	n, err := strconv.Atoi(number)
	l := c.w.laneNamed(name)
	if err != nil || l == nil {
		c.w.faults.add("a %s got the receipt %q, which it has not asked for", c.role.name, receipt)
		return
	}
	if refused {
		l.refuse(n)
	} else {
		l.confirm(n)
	}
	<-c.asked
}

func body(r *rand.Rand) string { return filler[:r.IntN(len(filler))] }

var filler = strings.Repeat("hoofbeat ", 60)

// came records a message of a lane and returns the delivery to settle. Messages
// of no lane are not recorded.
func (c *client) came(f frames.Inbound, p place, l *lane) (delivery, bool) {
	n, err := strconv.Atoi(f.Header.Get("n"))
	if l == nil {
		l = c.w.laneNamed(f.Header.Get("lane"))
	}
	if err != nil || l == nil {
		c.w.faults.add("%s: a message without its lane: %v", f.Header.Get(frame.Destination), f.Header)
		return delivery{}, false
	}
	count, _ := strconv.ParseUint(f.Header.Get("delivery-count"), 10, 8)
	d := delivery{lane: l, place: p, n: n, count: max(1, uint8(count))}
	l.came(p, n, f.Header.Get("redelivered") == "true", d.count)
	return d, true
}

// acknowledge sends an ACK with a receipt for one message, or in mode client
// for several, of which id is the last. settled records the RECEIPT.
func (c *client) acknowledge(id string, all ...delivery) {
	for _, d := range all {
		d.lane.use(d.place, d.n)
	}
	c.settling[id] = all
	c.Send("ACK\nid:%s\nreceipt:%s\n\n\x00", id, id)
}

// settled records the RECEIPT for an ACK.
func (c *client) settled(receipt string) {
	all, ok := c.settling[receipt]
	if !ok {
		c.w.faults.add("a %s got the receipt %q, which it has not asked for", c.role.name, receipt)
		return
	}
	delete(c.settling, receipt)
	for _, d := range all {
		d.lane.settle(d.place, d.n, d.count)
	}
}
