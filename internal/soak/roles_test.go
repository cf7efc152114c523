package soak

import (
	"fmt"
	"strings"
	"time"

	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/frames"
)

// A role is the behaviour of a slot's clients.
type role struct {
	name string
	// share is the number of slots in a thousand with this role; fixed is a
	// number independent of the size.
	share, fixed int
	every        time.Duration // mean time between two acts; 0: a second
	errors       string        // words of ERRORs that it may get, apart from an operator's
	// polite clients connect directly, leave only with DISCONNECT, and are not
	// closed by operators: every frame written to them was read.
	polite bool
	// jams marks clients that send to queues which block their senders when
	// full.
	jams bool

	// live replaces the usual life; begin, act, hear and refused then have the
	// meaning that live gives them. It returns false if there was no
	// connection.
	live func(s *slot) bool
	// who, if not nil, changes the identity of the next client.
	who func(s *slot, as *identity)
	// begin and act are called by the slot's goroutine, hear (for MESSAGEs and
	// RECEIPTs) and refused (for ERRORs) by the reader. Each may be nil.
	begin, act    func(c *client)
	hear, refused func(c *client, f frames.Inbound)
}

// roles returns all roles. The shares add up to a thousand.
func (w *world) roles() []*role {
	return []*role{
		{name: "listener", share: 375, every: 10 * time.Second, begin: listen, act: changeSubscription, hear: inOrder},
		{name: "listener with acks", share: 30, begin: listenWithAcks, hear: acknowledgeOrdered},
		{name: "listener for a while", share: 20, who: shortToken, errors: "token-expired authentication-failed rate-limited", begin: listen, hear: inOrder},
		{name: "publisher", share: 56, every: 3 * time.Second, act: publish, hear: heardNothing},
		{name: "reader of secrets", share: 20, errors: "access-denied", begin: subscribe("/topic/secret.*", "auto"), hear: heardNothing},
		{name: "guest", share: 3, who: asGuest, errors: "authentication-failed rate-limited try-later token-revoked", begin: listen, hear: inOrder},
		{name: "stranger", share: 3, who: asStranger, errors: "authentication-failed rate-limited try-later", hear: heardNothing},

		{name: "producer of work", share: 74, every: time.Second, act: w.produce("work"), hear: confirm, refused: refuse},
		{name: "producer in transactions", share: 20, every: 2 * time.Second, act: w.produceTogether("work"), hear: confirm, refused: refuse},
		{name: "worker", share: 50, begin: w.consume("work", in, "client-individual"), hear: work},
		{name: "worker with gaps", share: 20, begin: w.consume("work", in, "client"), act: acknowledgeAll, hear: collect},
		{name: "mover", share: 30, begin: w.consume("work", in, "client-individual"), hear: move},
		{name: "consumer of moved messages", share: 30, begin: w.consume("work", out, "client-individual"), hear: use(out)},
		{name: "consumer of dead letters", share: 12, begin: w.consumeDead, hear: use(dead)},

		{name: "auto producer", share: 20, every: time.Second, act: w.produce("auto"), hear: confirm, refused: refuse},
		{name: "auto consumer", share: 25, polite: true, begin: w.consume("auto", in, "auto"), hear: takeAll},
		{name: "producer of expiring messages", share: 20, every: time.Second, act: w.produceShort, hear: confirm, refused: refuse},
		{name: "consumer of expiring messages", share: 10, begin: w.consume("short", in, "client-individual"), act: acknowledgeOne, hear: collect},
		{name: "producer for nobody", share: 5, every: 2 * time.Second, act: produceFleeting, hear: heardNothing},
		{name: "producer of too much", share: 15, every: 300 * time.Millisecond, act: w.produce("bounded"), hear: confirm, refused: refuse},
		{name: "slow worker of too much", share: 5, begin: w.consume("bounded", in, "client-individual"), act: acknowledgeOne, hear: collect},
		{name: "producer for a full queue", share: 8, every: 200 * time.Millisecond, errors: "queue-full", act: w.produce("full"), hear: confirm, refused: refuse},
		{name: "slow worker of a full queue", share: 4, begin: w.consume("full", in, "client-individual"), act: acknowledgeOne, hear: collect},

		{name: "producer that waits", share: 10, jams: true, every: 2 * time.Second, who: asJammed, act: w.pour(4), hear: confirm, refused: refuse},
		{name: "producer of a flood", share: 4, jams: true, every: 4 * time.Second, who: asJammed, act: w.pour(window), hear: confirm, refused: refuse},
		{name: "producer in transactions that waits", share: 4, jams: true, who: asJammed, act: w.produceTogether("jam"), hear: confirm, refused: refuse},
		{name: "producer that waits for too long", share: 2, jams: true, who: shortToken, errors: "token-expired authentication-failed rate-limited", act: w.pour(4), hear: confirm, refused: refuse},
		{name: "producer that waits and vanishes", share: 2, jams: true, errors: "heart-beat-timeout", live: (*slot).vanish, begin: w.pour(window), hear: confirm, refused: refuse},
		{name: "late worker", share: 6, every: lateEvery, act: w.comeLate, hear: collect},

		{name: "keeper", fixed: durables, who: asKeeper, begin: w.keep, hear: w.kept},
		{name: "publisher to keepers", fixed: 5, every: 500 * time.Millisecond, act: w.publishKept, hear: w.confirmKept},
		{name: "requester", share: 30, every: 2 * time.Second, begin: subscribe("/temp-queue/answers", "auto"), act: ask, hear: answered},
		{name: "service", share: 10, begin: subscribe("/queue/rpc", "client-individual"), hear: serve},

		{name: "busy publisher", fixed: 3, every: 100 * time.Millisecond, act: publishBusy, hear: heardNothing},
		{name: "reader of the busy topic", fixed: 3, errors: "slow-consumer", begin: subscribe("/topic/busy", "auto"), hear: heardNothing},
		{name: "slow reader", share: 10, live: (*slot).readSlowly},
		{name: "silent one", share: 20, live: (*slot).beSilent},
		{name: "vanishing one", share: 20, errors: "heart-beat-timeout", live: (*slot).vanish, begin: subscribeTwo("/queue/work.0"), hear: heardNothing},
		{name: "abandoning one", share: 7, live: (*slot).abandon},
		{name: "babbler", share: 10, live: (*slot).babble},
		{name: "mute one", share: 10, live: (*slot).beMute},
	}
}

func heardNothing(*client, frames.Inbound) {}

// Topics have names with two parts; topicParts is the number of values of each.
const topicParts = 10

func subscribe(destination, mode string) func(c *client) {
	return func(c *client) { c.Send("SUBSCRIBE\nid:1\ndestination:%s\nack:%s\n\n\x00", destination, mode) }
}

// subscribeTwo is for clients that keep their messages: it limits them to two.
func subscribeTwo(destination string) func(c *client) {
	return func(c *client) {
		c.Send("SUBSCRIBE\nid:1\ndestination:%s\nack:client-individual\nprefetch-count:2\n\n\x00", destination)
	}
}

// pattern returns a destination that matches topics of publish: exact, or with
// one or several segments left open.
func (c *client) pattern() string {
	a, b := c.r.IntN(topicParts), c.r.IntN(topicParts)
	switch c.r.IntN(8) {
	case 0:
		return fmt.Sprintf("/topic/fan.*.%d", b)
	case 1:
		return fmt.Sprintf("/topic/fan.%d.**", a)
	}
	return fmt.Sprintf("/topic/fan.%d.%d", a, b)
}

func listen(c *client) {
	for i := range 1 + c.r.IntN(3) {
		c.Send("SUBSCRIBE\nid:%d\ndestination:%s\n\n\x00", i, c.pattern())
	}
}

// changeSubscription sometimes replaces the subscription by another.
func changeSubscription(c *client) {
	if c.r.IntN(4) == 0 {
		c.number++
		c.Send("SUBSCRIBE\nid:more.%d\ndestination:%s\n\n\x00", c.number, c.pattern())
		if c.number > 2 {
			c.Send("UNSUBSCRIBE\nid:more.%d\n\n\x00", c.number-2)
		}
	}
}

func listenWithAcks(c *client) {
	c.Send("SUBSCRIBE\nid:1\ndestination:%s\nack:client-individual\nprefetch-count:10\n\n\x00", c.pattern())
}

// publish sends to a topic. Each publisher numbers its messages.
func publish(c *client) {
	c.number++
	destination := fmt.Sprintf("/topic/fan.%d.%d", c.r.IntN(topicParts), c.r.IntN(topicParts))
	if c.r.IntN(20) == 0 {
		destination = fmt.Sprintf("/topic/secret.%d", c.r.IntN(topicParts))
	}
	receipt := ""
	if c.r.IntN(4) == 0 {
		receipt = fmt.Sprintf("receipt:%d\n", c.number)
	}
	c.Send("SEND\ndestination:%s\npublisher:%d\nn:%d\n%s\n%s\x00", destination, c.life, c.number, receipt, body(c.r))
}

// inOrder reports messages of one publisher that arrive out of order.
func inOrder(c *client, f frames.Inbound) {
	if f.Command != frame.MESSAGE || f.Header.Get("redelivered") == "true" {
		return
	}
	from := f.Header.Get("subscription") + " " + f.Header.Get("publisher")
	n := number(f.Header.Get("n"))
	if n <= c.last[from] {
		c.w.faults.add("a %s got message %d behind %d of the same publisher, from %s", c.role.name, n, c.last[from], f.Header.Get(frame.Destination))
	}
	c.last[from] = n
}

func acknowledgeOrdered(c *client, f frames.Inbound) {
	inOrder(c, f)
	if f.Command == frame.MESSAGE {
		c.Send("ACK\nid:%s\n\n\x00", f.Header.Get(frame.Ack))
	}
}

// busyBytes is the body size on the busy topic, which fills the buffers of
// clients that do not read it.
const busyBytes = 32 << 10

var busy = strings.Repeat("x", busyBytes)

func publishBusy(c *client) { c.Send("SEND\ndestination:/topic/busy\n\n%s\x00", busy) }

// Requests and replies.

func ask(c *client) {
	c.number++
	c.Send("SEND\ndestination:/queue/rpc\nreply-to:/temp-queue/answers\nquestion:%d.%d\n\n\x00", c.life, c.number)
}

func answered(c *client, f frames.Inbound) {
	if f.Command != frame.MESSAGE {
		return
	}
	if !strings.HasPrefix(f.Header.Get("question"), fmt.Sprintf("%d.", c.life)) {
		c.w.faults.add("a requester got the answer to another one's question: %v", f.Header)
	}
	c.w.heard.add("answers")
}

func serve(c *client, f frames.Inbound) {
	if f.Command == frame.MESSAGE {
		c.Send("SEND\ndestination:%s\nquestion:%s\n\n\x00ACK\nid:%s\n\n\x00", f.Header.Get("reply-to"), f.Header.Get("question"), f.Header.Get(frame.Ack))
	}
}

// Identities.

// shortToken is for clients whose token may expire before the broker checks it
// on a slow machine. They have their own users and address, because failed
// logins delay others with the same.
func shortToken(s *slot, as *identity) {
	as.user, as.from = fmt.Sprintf("brief%d", s.index%10), loopback(6)
	as.headers = credentials(as.user, 3*time.Second)
}

// asJammed is for users that operators look for while they are blocked.
func asJammed(s *slot, as *identity) {
	as.user = fmt.Sprintf("jam%d", s.r.IntN(jamUsers))
	as.headers = credentials(as.user, forever)
}

const jamUsers = 5

func asGuest(_ *slot, as *identity) {
	as.user, as.headers, as.from = "guest", "login:guest\npasscode:"+guestPass+"\n", loopback(7)
}

func asStranger(_ *slot, as *identity) {
	as.user, as.headers, as.from = "stranger", "login:stranger\npasscode:"+token("stranger", "client", time.Now().Add(-time.Hour))+"\n", loopback(8)
}
