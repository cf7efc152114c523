package soak

import (
	"fmt"
	"strings"
	"time"

	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/frames"
)

// A role is what a slot does in each of its lives.
type role struct {
	name string
	// share is how many of a thousand slots have it; fixed, how many there are
	// in any case.
	share, fixed int
	every        time.Duration // between two acts, on average; 0: a second
	errors       string        // the words of ERRORs that it may get, besides an operator's
	// polite ones come straight to the broker and leave with DISCONNECT only, and
	// operators leave them alone: what was written to them has been read.
	polite bool
	// jams says that it sends to what makes senders wait when it is full.
	jams bool

	// live is the whole life, where the usual one does not do: false, if there
	// was no connection. It says what the others mean then.
	live func(s *slot) bool
	// who changes who it is.
	who func(s *slot, as *identity)
	// begin and act are called by the slot's goroutine, hear and refused by the
	// reader: for MESSAGEs and RECEIPTs, and for ERRORs. Each may be nil.
	begin, act    func(c *client)
	hear, refused func(c *client, f frames.Inbound)
}

// roles are all there are. The shares add up to a thousand.
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
		{name: "consumer of what was moved", share: 30, begin: w.consume("work", out, "client-individual"), hear: use(out)},
		{name: "consumer of dead letters", share: 12, begin: w.consumeDead, hear: use(dead)},

		{name: "auto producer", share: 20, every: time.Second, act: w.produce("auto"), hear: confirm, refused: refuse},
		{name: "auto consumer", share: 25, polite: true, begin: w.consume("auto", in, "auto"), hear: takeAll},
		{name: "producer of what expires", share: 20, every: time.Second, act: w.produceShort, hear: confirm, refused: refuse},
		{name: "consumer of what expires", share: 10, begin: w.consume("short", in, "client-individual"), act: acknowledgeOne, hear: collect},
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
		{name: "reader of what is busy", fixed: 3, errors: "slow-consumer", begin: subscribe("/topic/busy", "auto"), hear: heardNothing},
		{name: "slow reader", share: 10, live: (*slot).readSlowly},
		{name: "silent one", share: 20, live: (*slot).beSilent},
		{name: "vanishing one", share: 20, errors: "heart-beat-timeout", live: (*slot).vanish, begin: subscribeTwo("/queue/work.0"), hear: heardNothing},
		{name: "abandoning one", share: 7, live: (*slot).abandon},
		{name: "babbler", share: 10, live: (*slot).babble},
		{name: "mute one", share: 10, live: (*slot).beMute},
	}
}

func heardNothing(*client, frames.Inbound) {}

// Topics. Their names have two parts of so many values.
const topicParts = 10

func subscribe(destination, mode string) func(c *client) {
	return func(c *client) { c.Send("SUBSCRIBE\nid:1\ndestination:%s\nack:%s\n\n\x00", destination, mode) }
}

// subscribeTwo is for those who keep what they get, which is not to be much.
func subscribeTwo(destination string) func(c *client) {
	return func(c *client) {
		c.Send("SUBSCRIBE\nid:1\ndestination:%s\nack:client-individual\nprefetch-count:2\n\n\x00", destination)
	}
}

// pattern is one of topics that publish may send to: exact, or with one or
// many left open.
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

// changeSubscription now and then ends a subscription and takes another one.
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

// publish sends to a topic. Each publisher counts its own messages.
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

// inOrder finds messages of one publisher that come in another order than they
// were sent in.
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

// What is busy fills the buffers of who does not read it.
const busyBytes = 32 << 10

var busy = strings.Repeat("x", busyBytes)

func publishBusy(c *client) { c.Send("SEND\ndestination:/topic/busy\n\n%s\x00", busy) }

// Questions and answers.

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

// Who they are.

// shortToken is for those whose token may have expired before it is looked at,
// where a machine is slow: so they have names and an address of their own, as
// whoever fails to connect holds up others with the same.
func shortToken(s *slot, as *identity) {
	as.user, as.from = fmt.Sprintf("brief%d", s.index%10), loopback(6)
	as.headers = credentials(as.user, 3*time.Second)
}

// asJammed is for those whom operators look for while they wait.
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
