package session_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hoofbeat/broker"
	"hoofbeat/destination"
	"hoofbeat/internal/stomptest"
	"hoofbeat/session/outbox"
)

// FuzzSession lets two clients send frames to a broker that a third client
// uses normally. The input chooses the frames from a grammar of valid and
// invalid ones, and raw bytes. Whatever they send, nothing panics, no
// goroutine stays, the third client is not held up and loses nothing, and in
// the end the broker has forgotten the two, except for the messages that they
// left in queues.
func FuzzSession(f *testing.F) {
	for _, seed := range []string{
		"", "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f",
		"0\x05\x001\x05\x002\x05\x003\x05\x00", "rubbish of all kinds, and then some more of it",
		strings.Repeat("\x01\x10\x23\x07", 50), strings.Repeat("\x02\x31\x00\x45\x08\x80", 50), strings.Repeat("Zk\x03\x0e\xff\x91", 30),
	} {
		f.Add([]byte(seed))
	}
	for i := range 60 {
		f.Add(plausible(rand.New(rand.NewPCG(uint64(i), 1))))
	}
	for extra := range 3 { // a subscriber that does not read, with each policy
		slow := "\x08\x00\x00\x03\x02\x79\x00" + strings.Repeat("\x01\x03\xff\x30", 60) + strings.Repeat("\xff", extra)
		f.Add([]byte(slow))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		if len(input) > 2000 {
			return
		}
		synctest.Test(t, func(t *testing.T) { playFuzz(t, input) })
	})
}

// plausible makes an input of which most steps are right, so that sessions get
// somewhere.
func plausible(r *rand.Rand) []byte {
	all := []byte{reading, 0, reading | 1, 0} // both connect with 1.2
	var open [2]map[string]bool               // subscriptions and transactions
	for range 50 + r.IntN(150) {
		who := r.IntN(2)
		i := r.IntN(len(templates) - 3) // mostly without those that end it
		if r.IntN(200) == 0 {
			i, open[who] = r.IntN(len(templates)), nil
		}
		if open[who] == nil {
			open[who] = map[string]bool{}
		}
		if fill, ok := fillIn(r, templates[i], open[who]); ok || r.IntN(300) == 0 {
			all = append(append(all, byte(i<<1|who)), fill...)
		}
		if r.IntN(3) > 0 {
			all = append(all, byte(reading|who))
		}
	}
	return all
}

// fillIn chooses the contents for the blanks of a template, and reports
// whether they are right for the current state.
func fillIn(r *rand.Rand, template string, open map[string]bool) (fill []byte, ok bool) {
	ok = true
	command, rest, _ := strings.Cut(template, "\n")
	for _, line := range strings.Split(rest, "\n") {
		n := byte(r.IntN(3))
		name, blank, _ := strings.Cut(line, ":")
		key := name + fuzzIDs[n]
		switch {
		case blank == "D":
			n = byte(r.IntN(9))
			ok = ok && (command == "SUBSCRIBE" || n < 5 || n > 6) // no wildcards
		case blank == "T", command == "SUBSCRIBE" && line == "id:I", command == "UNSUBSCRIBE" && line == "id:I":
			begins := command == "BEGIN" || command == "SUBSCRIBE"
			if ok = ok && open[key] != begins; ok {
				open[key] = begins || command == "SEND" || command == "ACK" || command == "NACK"
			}
		case blank == "A":
			n = 0
		case line == "H":
			n = byte(r.IntN(4))
		case line == "B":
			fill, n = append(fill, byte(r.IntN(256))), byte(r.IntN(50))
		case blank != "I" && blank != "M":
			continue
		}
		fill = append(fill, n)
	}
	return fill, ok
}

// reading is the first byte of a step in which a client reads, without the bit
// that says which.
const reading = 80 << 1

func playFuzz(t *testing.T, input []byte) {
	w := newWorld(t, fuzzBroker(input), smallLimits, bounded(4000, outbox.Policy(len(input)%3)))
	defer w.end()
	w.socket = 2000
	b := standBy(w, "/queue/by", "/topic/by")
	g := &grammar{world: w, input: input}
	for len(g.input) > 0 {
		g.step()
	}
	b.undisturbed()
	for _, c := range w.clients {
		c.Close()
	}
	synctest.Wait()
	time.Sleep(time.Minute) // for the clients with waiting writers
	shutDown(w)             // for those that wait for room
	g.wantEmptied(t)
}

// fuzzBroker has policies and a store for every other input.
func fuzzBroker(input []byte) broker.Options {
	if len(input)/3%2 == 0 {
		return broker.Options{}
	}
	overflow := [...]broker.FullPolicy{broker.RejectNewest, broker.DropHead, broker.BlockSender}[len(input)/6%3]
	return broker.Options{Store: &broker.Memory{}, Policies: broker.Policies{
		Rules: []broker.PolicyRule{
			rule("/queue/a", broker.Policy{Durable: true, MaxMessages: 5, Overflow: overflow, MaxDeliveries: 2, DeadLetter: queueD(),
				RedeliveryDelay: broker.Backoff{Initial: 100 * time.Millisecond}}),
			rule("/queue/b", broker.Policy{Durable: true, TTL: time.Second, DeadLetter: queueD()}),
			rule("/topic/**", broker.Policy{Durable: true, MaxMessages: 3, Overflow: broker.DropHead, SubscriptionExpiry: 10 * time.Second}),
		},
		Default: broker.Policy{Durable: true},
	}}
}

// templates are frames with blanks: D a destination, I an id, A the ack id of
// a MESSAGE, T a transaction, M an ack mode, H any header, B a body.
var templates = []string{
	"SEND\ndestination:D\n\nB", "SEND\ndestination:D\nH\nH\n\nB", "SEND\ndestination:D\ntransaction:T\nH\n\nB", "SEND\ndestination:D\nreceipt:I\n\nB",
	"SUBSCRIBE\nid:I\ndestination:D\nack:M\n\n", "SUBSCRIBE\nid:I\ndestination:D\nack:M\nreceipt:I\nprefetch-count:2\n\n", "SUBSCRIBE\nid:I\ndestination:D\nH\n\n",
	"SUBSCRIBE\nid:I\ndestination:D\nack:M\ndurable:true\nreceipt:I\n\n", "SUBSCRIBE\nid:I\ndestination:D\nack:M\ndurable-subscription-name:I\n\n",
	"UNSUBSCRIBE\nid:I\ndurable:true\nreceipt:I\n\n", "UNSUBSCRIBE\ndurable-subscription-name:I\n\n",
	"UNSUBSCRIBE\nid:I\n\n", "UNSUBSCRIBE\nid:I\nreceipt:I\n\n", "UNSUBSCRIBE\ndestination:D\n\n",
	"ACK\nid:A\n\n", "ACK\nid:A\nreceipt:I\n\n", "ACK\nmessage-id:A\nsubscription:I\n\n", "ACK\nid:A\ntransaction:T\n\n",
	"NACK\nid:A\n\n", "NACK\nid:A\nrequeue:false\n\n", "NACK\nid:A\ntransaction:T\n\n", "NACK\nid:A\ntransaction:T\nrequeue:false\n\n",
	"BEGIN\ntransaction:T\n\n", "BEGIN\ntransaction:T\nreceipt:I\n\n", "COMMIT\ntransaction:T\n\n", "COMMIT\ntransaction:T\nreceipt:I\n\n", "ABORT\ntransaction:T\n\n", "ABORT\ntransaction:T\nH\n\n",
	"DISCONNECT\n\n", "DISCONNECT\nreceipt:I\n\n", "CONNECT\naccept-version:1.2\n\n",
}

var (
	fuzzDestinations = []string{
		"/queue/a", "/queue/a", "/queue/b", "/topic/a", "/topic/a", "/topic/**", "/topic/a.*", "/temp-queue/x", "/temp-queue/y",
		"/user/queue/x", "/user/anonymous/queue/x", "/queue/*", "/reply-queue/x.y", "", "/nowhere",
	}
	fuzzIDs     = []string{"0", "1", "2", `a\cb`, "/temp-queue/x", ""}
	fuzzModes   = []string{"client", "client-individual", "auto", "client", "wrong"}
	fuzzHeaders = []string{
		"reply-to:/temp-queue/x", "reply-to:/temp-queue/y", "a:b:c", `a\cb:\n`, "receipt:x", "content-length:3", "transaction:1", "destination:/queue/b",
		" :x", "k: v ", "priority:9", "priority:0", "persistent:false", "ttl:100", "expires:1", "AMQ_SCHEDULED_DELAY:200", "retain:set", "bad", "prefetch-count:1", `bad:\t`,
	}
	fuzzConnects = []string{
		"CONNECT\naccept-version:1.2\n\n\x00", "CONNECT\n\n\x00", "STOMP\naccept-version:1.1\nheart-beat:1000,1000\n\n\x00",
		"CONNECT\naccept-version:1.2\nheart-beat:0,5000\n\n\x00", "CONNECT\naccept-version:3\n\n\x00",
	}
)

// A grammar makes conversations of bytes.
type grammar struct {
	*world
	input   []byte
	clients [2]*stomptest.Client
	acks    [2][]string // of MESSAGEs that came
}

func (g *grammar) next() int {
	if len(g.input) == 0 {
		return 0
	}
	b := g.input[0]
	g.input = g.input[1:]
	return int(b)
}

func (g *grammar) pick(from []string) string { return from[g.next()%len(from)] }

// step takes one step with one of the clients.
func (g *grammar) step() {
	op := g.next()
	who := op & 1
	if g.clients[who] == nil {
		g.clients[who], g.acks[who] = g.dial(), nil
		g.say(who, g.pick(fuzzConnects))
	}
	switch op >>= 1; {
	case op < 2*len(templates):
		g.say(who, g.frame(who, templates[op%len(templates)])+"\x00")
	case op < 100:
		g.read(who)
	case op < 105:
		raw := g.input[:min(len(g.input), op)]
		g.input = g.input[len(raw):]
		g.say(who, string(raw))
	case op < 110:
		g.clients[who].Close()
		g.clients[who] = nil
	case op < 115:
		synctest.Wait()
	case op < 117:
		time.Sleep(time.Duration(g.next()) * 50 * time.Millisecond)
	default:
		g.say(who, "\n")
	}
}

// say writes, and forgets a client if its connection has ended.
func (g *grammar) say(who int, raw string) {
	if g.clients[who].TryWrite(raw) != nil {
		g.clients[who] = nil
	}
}

// frame fills in the blanks of a template.
func (g *grammar) frame(who int, template string) string {
	lines := strings.Split(template, "\n")
	for i, l := range lines {
		name, blank, _ := strings.Cut(l, ":")
		switch {
		case blank == "D":
			lines[i] = name + ":" + g.pick(fuzzDestinations)
		case blank == "I" || blank == "T":
			lines[i] = name + ":" + g.pick(fuzzIDs)
		case blank == "M":
			lines[i] = name + ":" + g.pick(fuzzModes)
		case blank == "A":
			lines[i] = name + ":" + g.ack(who)
		case l == "H":
			lines[i] = g.pick(fuzzHeaders)
		case l == "B":
			lines[i] = strings.Repeat("x", g.next()*g.next()/16)
		}
	}
	return strings.Join(lines, "\n")
}

// ack returns the ack id of some MESSAGE, most often only once.
func (g *grammar) ack(who int) string {
	i, acks := g.next(), g.acks[who]
	if len(acks) == 0 {
		return "unknown"
	}
	id := acks[i%len(acks)]
	if i < 250 {
		g.acks[who] = slices.Delete(acks, i%len(acks), i%len(acks)+1)
	}
	return id
}

// read takes all frames that have come.
func (g *grammar) read(who int) {
	c := g.clients[who]
	c.Limit = time.Millisecond
	defer func() { c.Limit = stomptest.DefaultLimit }()
	for range 50 {
		f, err := c.TryNext()
		if err != nil {
			return
		}
		if id, ok := f.Header.Contains("ack"); ok && f.Command == "MESSAGE" {
			g.acks[who] = append(g.acks[who], id)
		}
	}
}

// wantEmptied wants all that sessions had in the broker to be gone.
func (g *grammar) wantEmptied(t *testing.T) {
	if n := g.server.Sessions(); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
	if r := g.log.last("session failed"); r != nil {
		t.Errorf("a session failed: %v", r)
	}
	for _, q := range g.broker.Queues() {
		if q.Destination.Kind == destination.Durable {
			if err := g.broker.DeleteDurable(q.Destination, nil); err != nil {
				t.Errorf("%s: %v", q.Destination, err)
			}
		}
	}
	want := 0
	for _, name := range []string{"/queue/a", "/queue/b", "/queue/by", "/queue/d"} {
		if d := g.depth(name); d.Unacked != 0 {
			t.Errorf("%s has %d messages with consumers that are gone", name, d.Unacked)
		} else if d.Ready+d.Delayed > 0 {
			want++
		}
	}
	if topics, queues := g.broker.Size(); topics != 0 || queues != want {
		t.Errorf("%d topics and %d queues are left, want 0 and the %d with messages", topics, queues, want)
	}
	s := g.broker.Stats()
	delivered, settled := s.Flow().Delivered, s.Flow().Acked+s.Requeued.Load()
	dead := s.Dropped.Load() + s.DeadLettered.Load()
	if delivered < settled || delivered > settled+dead {
		t.Errorf("%d deliveries, but %d settled and %d dead", delivered, settled, dead)
	}
}
