package session

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/auth/acl"
	"hoofbeat/frames"
)

// Counters count the traffic of a server's clients, for metrics. All its
// sessions and transports share one. The zero value is ready; any goroutine
// may use it.
//
// When nothing is under way, they add up:
//
//	opened = refused connects + sessions that have ended + open connections
//	topics' messages that the broker published = Written + Slow + Lost
type Counters struct {
	shards [shards]shard
	next   atomic.Uint32 // the shard of the next connection

	open     wordCounters[Peer] // may fall
	opened   wordCounters[string]
	accepted wordCounters[Peer]
	rejected wordCounters[string]
	refused  wordCounters[string]
	closed   wordCounters[string]

	decisions [2][2]atomic.Int64 // by whether it is a SUBSCRIBE, and whether it is allowed
	expired   atomic.Int64
	refreshed [2]atomic.Int64 // by whether the token was accepted
	slow      atomic.Int64
	late      [len(lateCommands)]atomic.Int64
}

// A Peer is how a client is connected.
type Peer struct {
	Transport string // see Info
	Version   string // of STOMP; empty before CONNECT was accepted
}

// shards is how many parts the counters have that every connection writes to,
// so that processors do not wait for each other.
const shards = 16

// A shard has the counters of some of the connections.
type shard struct {
	in  [len(clientCommands)]traffic
	out [len(serverCommands)]traffic
	// Messages of topics, except those that go through a queue because they
	// are acknowledged.
	written, dropped, lost atomic.Int64
	_                      [64]byte // another shard's are not in the same cache line
}

type traffic struct{ frames, bytes atomic.Int64 }

// HeartBeatCommand is the name of a heart-beat among commands.
const HeartBeatCommand = "heart-beat"

// The commands that are counted, the most frequent ones first, but for CONNECT.
var (
	clientCommands = [...]string{
		frame.CONNECT, frame.SEND, frame.ACK, frame.NACK, frame.SUBSCRIBE, frame.UNSUBSCRIBE, frame.BEGIN, frame.COMMIT, frame.ABORT, frame.DISCONNECT,
	}
	// lateCommands are those that may name a subscription or delivery that
	// has ended.
	lateCommands   = [...]string{frame.ACK, frame.NACK, frame.UNSUBSCRIBE}
	serverCommands = [...]string{frame.MESSAGE, frame.RECEIPT, frame.CONNECTED, frame.ERROR, HeartBeatCommand}
)

func (c *Counters) shard() *shard { return &c.shards[c.next.Add(1)%shards] }

// Meters returns the meters for the frames of one connection: received and
// sent.
func (c *Counters) Meters() (in, out Meter) {
	s := c.shard()
	return Meter{into: s.in[:]}, Meter{into: s.out[:]}
}

// A Meter counts the frames of one direction of a connection. It keeps its
// counts to itself until Flush, as adding to shared counters costs more than
// a small frame. Only one goroutine at a time uses it.
type Meter struct {
	into          []traffic // by command; nil: nothing is counted
	at            int       // the command of those that were not flushed
	frames, bytes int64
}

// count is called for each frame, so it is short enough to have no call.
func (m *Meter) count(at, bytes int) {
	if at != m.at {
		m.turn(at)
	}
	m.frames++
	m.bytes += int64(bytes)
}

func (m *Meter) turn(at int) {
	m.Flush()
	m.at = at
}

// CountFrame counts a frame that was read; none if it is none.
func (m *Meter) CountFrame(f frames.Inbound) {
	if f.Frame == nil {
		return
	}
	for at, command := range clientCommands {
		if command == f.Command || f.Command == frame.STOMP && at == 0 { // CONNECT by another name
			m.count(at, f.Size)
			return
		}
	}
}

// CountEncoded counts a frame that the server has encoded: p, with so many bytes
// behind it.
func (m *Meter) CountEncoded(p []byte, more int) {
	at := 0
	if p[0] != serverCommands[0][0] {
		at = serverCommand(p[0])
	}
	m.count(at, len(p)+more)
}

// serverCommand tells the commands of the server apart by how they begin.
func serverCommand(first byte) int {
	for at, command := range serverCommands {
		if command[0] == first {
			return at
		}
	}
	return len(serverCommands) - 1 // a heart-beat
}

// Flush adds the counts to the shared counters.
func (m *Meter) Flush() {
	if m.frames > 0 && m.into != nil {
		m.into[m.at].frames.Add(m.frames)
		m.into[m.at].bytes.Add(m.bytes)
	}
	m.frames, m.bytes = 0, 0
}

// Reject counts a connection that a transport turned away before it had a
// session. The reason is one of a few words.
func (c *Counters) Reject(reason string) { c.rejected.add(reason, 1) }

// begin counts a connection that has a session now.
func (c *Counters) begin(transport string) {
	c.opened.add(transport, 1)
	c.open.add(Peer{Transport: transport}, 1)
}

// accept counts a CONNECT that was accepted.
func (c *Counters) accept(p Peer) {
	c.accepted.add(p, 1)
	c.open.add(Peer{Transport: p.Transport}, -1)
	c.open.add(p, 1)
}

// end counts the end of a session and its reason, apart for sessions before
// and after CONNECT was accepted.
func (c *Counters) end(p Peer, reason string) {
	c.open.add(p, -1)
	if p.Version == "" {
		c.refused.add(reason, 1)
		return
	}
	c.closed.add(reason, 1)
}

// decided counts a decision about a client's rights.
func (c *Counters) decided(action acl.Action, allowed bool) {
	c.decisions[index(action == acl.Subscribe)][index(allowed)].Add(1)
}

// countLate counts a frame that came too late to change anything.
func (c *Counters) countLate(command string) {
	if i := slices.Index(lateCommands[:], command); i >= 0 {
		c.late[i].Add(1)
	}
}

func index(is bool) int {
	if is {
		return 1
	}
	return 0
}

// maxWords bounds the keys of wordCounters. They are words of the program, not of
// clients, but their number may grow with the program.
const maxWords = 128

// A wordCounters counts by key. The zero value is ready.
type wordCounters[K comparable] struct {
	mu    sync.RWMutex // a leaf; guards the map
	count map[K]*atomic.Int64
}

func (t *wordCounters[K]) add(key K, n int64) {
	t.mu.RLock()
	count := t.count[key]
	t.mu.RUnlock()
	if count == nil {
		count = t.make(key)
	}
	count.Add(n)
}

// make makes a counter. Beyond the bound, all share one.
func (t *wordCounters[K]) make(key K) *atomic.Int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.count == nil {
		t.count = make(map[K]*atomic.Int64)
	}
	if len(t.count) >= maxWords && t.count[key] == nil {
		var rest K
		key = rest
	}
	if t.count[key] == nil {
		t.count[key] = new(atomic.Int64)
	}
	return t.count[key]
}

func (t *wordCounters[K]) read() map[K]int64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	all := make(map[K]int64, len(t.count))
	for key, count := range t.count {
		all[key] = count.Load()
	}
	return all
}

// Totals are the counters at one moment. Maps have no more than a few keys.
type Totals struct {
	// Received and Sent are the frames and their bytes by command, without
	// the bytes of WebSocket and TLS.
	Received, Sent map[string]Traffic
	// Topics' messages for clients that do not acknowledge them: written,
	// dropped by limits.slow_consumer, or lost with a connection or
	// subscription that ended before.
	Written, Slow, Lost int64

	Open     map[Peer]int64   // connections
	Opened   map[string]int64 // connections since the start, by transport
	Accepted map[Peer]int64   // CONNECTs
	Rejected map[string]int64 // connections without a session, by reason
	Refused  map[string]int64 // sessions that ended before CONNECT was accepted, by reason
	Closed   map[string]int64 // sessions that ended after that, by reason

	Decisions     map[Decision]int64
	TokensExpired int64 // sessions that ended for that
	// Tokens that were sent to go on, by whether they were accepted.
	Refreshed, RefreshRefused int64
	SlowConsumers             int64 // sessions that ended for that
	// Late are the frames, by command, that came too late to change anything.
	Late map[string]int64
}

// Traffic is an amount of frames.
type Traffic struct{ Frames, Bytes int64 }

// A Decision is whether a client was allowed to do something.
type Decision struct {
	Action  acl.Action
	Allowed bool
}

// Totals reads the counters.
func (c *Counters) Totals() Totals {
	t := Totals{
		Received: make(map[string]Traffic), Sent: make(map[string]Traffic), Decisions: make(map[Decision]int64),
		Open: c.open.read(), Opened: c.opened.read(), Accepted: c.accepted.read(),
		Rejected: c.rejected.read(), Refused: c.refused.read(), Closed: c.closed.read(),
		TokensExpired: c.expired.Load(), RefreshRefused: c.refreshed[0].Load(), Refreshed: c.refreshed[1].Load(), SlowConsumers: c.slow.Load(),
	}
	t.Late = make(map[string]int64, len(lateCommands))
	for i, command := range lateCommands {
		t.Late[command] = c.late[i].Load()
	}
	maps.DeleteFunc(t.Open, func(_ Peer, n int64) bool { return n == 0 })
	for i, action := range []acl.Action{acl.Send, acl.Subscribe} {
		for j := range 2 {
			t.Decisions[Decision{action, j == 1}] = c.decisions[i][j].Load()
		}
	}
	for i := range c.shards {
		s := &c.shards[i]
		gather(t.Received, clientCommands[:], s.in[:])
		gather(t.Sent, serverCommands[:], s.out[:])
		t.Written += s.written.Load()
		t.Slow += s.dropped.Load()
		t.Lost += s.lost.Load()
	}
	return t
}

func gather(into map[string]Traffic, commands []string, from []traffic) {
	for i, c := range commands {
		sum := into[c]
		sum.Frames += from[i].frames.Load()
		sum.Bytes += from[i].bytes.Load()
		into[c] = sum
	}
}
