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

// A client is one life of a slot: a connection and what it does.
type client struct {
	*proctest.Client
	w    *world
	r    *rand.Rand // of the slot's goroutine
	role *role
	who  identity
	wire *wire
	life int64 // no other client has this one

	connected chan struct{} // closed by the reader
	said      sync.Once     // that it is connected
	left      chan struct{} // closed by the reader when DISCONNECT has its RECEIPT
	asked     chan struct{} // has room for the questions that may be without an answer; closed by nobody

	// Owned by the reader.
	settling map[string][]delivery // by receipt of the ACK
	last     map[string]int        // number of each publisher's last message

	number  int        // of this client's transactions, questions and messages; owned by the slot's goroutine, or the reader where the role has no act
	mu      sync.Mutex // a leaf; guards waiting
	waiting []waiting  // for an ACK that comes later
}

// waiting is a message that a client has and has not acknowledged.
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

// An identity is who a client says it is.
type identity struct {
	user     string
	headers  string // more lines of CONNECT, each with a line feed at its end
	from     net.IP
	path     path
	buffer   int
	beat     bool          // it sends heart-beats, as agreed
	interval time.Duration // what it agrees to
}

// credentials are the lines of CONNECT that prove a user by a token.
func credentials(user string, expires time.Duration) string {
	return "passcode:" + token(user, "client", time.Now().Add(expires)) + "\n"
}

// connect begins a life. The error says that there is no connection, not whose
// fault that is.
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
	// The reader may hear before NewClient has returned.
	ready := make(chan struct{})
	c.Client = proctest.NewClient(over.Conn, headers, func(_ *proctest.Client, f frames.Inbound) {
		<-ready
		c.hear(f)
	})
	close(ready)
	return c
}

// window is how many messages, or questions, a client may have under way.
const window = 16

// hear is called by the reader for every frame.
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

// heardError counts an ERROR, and finds those that nobody has provoked.
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

// mayGet tells whether an ERROR was provoked, by this client or by others. A
// disk that is too slow to finish what came before a DISCONNECT is no fault of
// the broker's: this machine does other things meanwhile.
func (c *client) mayGet(word, text string) bool {
	return word == "closed-by-operator" || strings.Contains(" "+c.role.errors+" ", " "+word+" ") ||
		word == "storage-failed" && strings.Contains(text, "before DISCONNECT")
}

// end gives everything back; nothing is heard after it.
func (c *client) end() {
	c.wire.close()
	<-c.Done
	if err := c.wire.fault(c.who.path); err != nil {
		c.w.faults.add("a %s (%v, user %s): %v", c.role.name, c.who.path, c.who.user, err)
	}
}

// waits tells whether much of what the client has sent is without an answer, as
// its queue is full.
func (c *client) waits() bool { return c.role.jams && len(c.asked) >= window/2 }

// disconnect leaves as STOMP wants it: with DISCONNECT and its RECEIPT. It is
// false where that did not come.
func (c *client) disconnect() bool {
	c.Send("DISCONNECT\nreceipt:bye\n\n\x00")
	late := time.NewTimer(proctest.Patience)
	defer late.Stop()
	select {
	case <-c.left:
		c.w.heard.add("left by DISCONNECT")
		return true
	case <-c.Done: // closed by an operator or a proxy at this moment
	case <-late.C:
		c.w.faults.add("a %s (%v, user %s) has no RECEIPT for its DISCONNECT", c.role.name, c.who.path, c.who.user)
	}
	return false
}

// gone waits until the broker has ended the connection.
func (c *client) gone(why string) {
	late := time.NewTimer(proctest.Patience)
	defer late.Stop()
	select {
	case <-c.Done:
	case <-late.C:
		c.w.faults.add("%s (%v, user %s) was kept for %v", why, c.who.path, c.who.user, proctest.Patience)
	}
}

// sendTo sends a message of a lane with a receipt; the reader confirms it. The
// headers each end in a line feed. Where too much is without an answer, it
// sends nothing.
func (c *client) sendTo(l *lane, headers string) {
	select {
	case c.asked <- struct{}{}:
	default:
		return
	}
	n := l.add()
	c.Send("SEND\ndestination:%s\nlane:%s\nn:%d\nreceipt:%s %d\n%s\n%s\x00", l.queue, l.name, n, l.name, n, headers, body(c.r))
}

// answered confirms what sendTo has sent; refused says that it was not taken.
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

// came notes a message of a lane, and gives what is to be known to settle it.
// Those of no lane are not noted.
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

// acknowledge sends an ACK with a receipt, whose coming is noted by settled:
// of one message, or of several in mode client, of which the last is named.
func (c *client) acknowledge(id string, all ...delivery) {
	for _, d := range all {
		d.lane.use(d.place, d.n)
	}
	c.settling[id] = all
	c.Send("ACK\nid:%s\nreceipt:%s\n\n\x00", id, id)
}

// settled notes the receipt of an ACK.
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
