package soak

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/frames"
	"hoofbeat/internal/proctest"
	"hoofbeat/internal/socktest"
)

// A population is the set of all slots.
type population struct {
	w       *world
	stop    chan struct{} // closed when all clients are to leave
	all     sync.WaitGroup
	present atomic.Int64 // slots whose client is connected, or about to be
}

// A slot is a sequence of clients with the same role.
type slot struct {
	p     *population
	role  *role
	index int // among the slots with the same role
	r     *rand.Rand
}

// populate starts all slots.
func (w *world) populate(episode uint64) *population {
	p := &population{w: w, stop: make(chan struct{})}
	number := uint64(0)
	for _, as := range w.roles() {
		n := as.fixed
		if as.share > 0 {
			n = max(1, as.share*w.o.connections/1000)
		}
		for i := range n {
			number++
			s := &slot{p: p, role: as, index: i, r: rand.New(rand.NewPCG(w.o.seed, episode<<32|number))}
			p.all.Go(s.run)
		}
	}
	return p
}

// leave ends all slots and waits for them.
func (p *population) leave() {
	close(p.stop)
	p.all.Wait()
}

func (p *population) stopping() bool {
	select {
	case <-p.stop:
		return true
	default:
		return false
	}
}

// each calls f repeatedly, with the number of the call, until all are to leave.
func (p *population) each(every time.Duration, f func(n int)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-p.stop:
			return
		case <-tick.C:
			f(n)
		}
	}
}

// pause sleeps for d, or until all are to leave.
func (s *slot) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-s.p.stop:
	case <-t.C:
	}
}

// about returns a random time with this mean.
func (s *slot) about(mean time.Duration) time.Duration {
	return mean/2 + time.Duration(s.r.Int64N(int64(mean)+1))
}

func (s *slot) run() {
	s.pause(time.Duration(s.r.Int64N(int64(arrival(s.p.w.o)))))
	for !s.p.stopping() {
		live := s.live
		if s.role.live != nil {
			live = func() bool { return s.role.live(s) }
		}
		s.p.present.Add(1)
		if live() {
			s.p.w.heard.add("lives")
		} else {
			s.p.w.heard.add("lives without a connection")
		}
		s.p.present.Add(-1)
		s.pause(s.about(300 * time.Millisecond))
	}
}

// arrival is the time within which all clients arrive.
func arrival(o options) time.Duration { return o.warmup / 4 }

// loopback returns one of this machine's loopback addresses.
func loopback(last byte) net.IP { return net.IPv4(127, 0, 0, last) }

// user returns a user whom several slots share, as people have several tabs.
func (s *slot) user() string { return fmt.Sprintf("user%d", (s.index*7+int(s.role.every))%50) }

// identity returns the identity of the slot's next client.
func (s *slot) identity() identity {
	as := identity{user: s.user(), from: loopback(10 + byte(s.r.IntN(8))), path: s.path()}
	if s.r.IntN(3) > 0 {
		as.beat, as.interval = true, heartBeat
	}
	if s.role.polite {
		as.user = politeUser
	}
	as.headers = credentials(as.user, forever)
	if s.role.who != nil {
		s.role.who(s, &as)
	}
	return as
}

// path returns the path of the slot's next client: one in ten uses SockJS, a
// quarter nginx, and a quarter of those TLS.
func (s *slot) path() (p path) {
	switch n := s.r.IntN(100); {
	case n < 45:
		p.by = overTCP
	case n < 90:
		p.by = overWebSocket
	case n < 95:
		p.by = overSockJS
	case n < 98:
		p.by = overStreaming
	default:
		p.by = overPolling
	}
	if n := s.r.IntN(16); s.p.w.nginx != nil && n < 4 && !s.role.polite {
		p.way = [...]way{byNginx, byNginx, byNginx, byNginxWithTLS}[n]
	}
	return p
}

// politeUser is never closed by operators.
const politeUser = "polite"

// live is a usual life. It returns false if there was no connection. A refusal
// by a restarting proxy is no fault.
func (s *slot) live() bool {
	as := s.identity()
	c := s.connect(as, s.role)
	if c == nil {
		return false
	}
	defer c.end()
	if s.role.begin != nil {
		s.role.begin(c)
	}
	if s.stay(c, s.about(s.p.w.o.lifetime)) {
		s.depart(c)
	} else if c.who.path.by.bySockJS() && !c.who.path.byNginx() && !errors.Is(c.wire.sock.Err(), io.EOF) {
		s.p.w.faults.add("a %s (%v, user %s) was not told that the session has ended: %v", c.role.name, c.who.path, c.who.user, c.wire.sock.Err())
	}
	return true
}

// connect connects and waits for CONNECTED. It returns nil after an ERROR or no
// answer.
func (s *slot) connect(as identity, role *role) *client {
	w := s.p.w
	c, err := w.connect(s.r, as, role)
	if err != nil {
		if !as.path.byNginx() {
			w.faults.add("no connection over %v: %v", as.path, err)
		}
		w.heard.add(fmt.Sprintf("no connection over %v", as.path))
		return nil
	}
	late := time.NewTimer(proctest.StepTimeout)
	defer late.Stop()
	select {
	case <-c.connected:
		w.heard.add(fmt.Sprintf("connected over %v", as.path))
		return c
	case <-late.C:
		w.faults.add("CONNECT of a %s over %v has no answer", role.name, as.path)
	case <-c.Done:
	}
	c.end()
	return nil
}

// stay acts for a life. It returns false if the connection was ended by others.
func (s *slot) stay(c *client, life time.Duration) bool {
	over := time.NewTimer(life)
	defer over.Stop()
	every := s.role.every
	if every == 0 {
		every = time.Second
	}
	if s.role.act == nil {
		every = heartBeat / 2
	}
	act := time.NewTimer(s.about(every))
	defer act.Stop()
	beat := time.NewTicker(heartBeat / 2)
	defer beat.Stop()
	for {
		select {
		case <-s.p.stop:
			return true
		case <-over.C:
			return true
		case <-c.Done:
			return false
		case <-beat.C:
			if c.who.beat {
				c.Send("\n")
			}
		case <-act.C:
			if s.role.act != nil {
				s.role.act(c)
			}
			act.Reset(s.about(every))
		}
	}
}

// depart leaves in one of several ways.
func (s *slot) depart(c *client) {
	if c.waits() {
		s.p.w.heard.add("left while they waited for a full queue")
	}
	way := s.r.IntN(10)
	switch {
	case way < 5 || s.role.polite:
		if c.disconnect() && s.r.IntN(2) == 0 {
			c.gone("a client that has a RECEIPT for DISCONNECT and leaves the closing to the broker")
		}
	case way < 8:
		s.p.w.heard.add("left without a word")
	default:
		s.p.w.heard.add("left by RST")
		c.wire.reset()
	}
}

// hold is a silence of random length.
func (s *slot) hold() { s.pause(s.about(6 * time.Second)) }

// deaf returns a connection whose reader stops at its first message, until
// resume is called.
func (s *slot) deaf(as identity, errors string, begin func(c *client)) (c *client, resume func()) {
	resumed := make(chan struct{})
	deaf := &role{name: s.role.name, errors: errors, hear: func(*client, frames.Inbound) { <-resumed }}
	if c = s.connect(as, deaf); c == nil {
		return nil, nil
	}
	begin(c)
	return c, sync.OnceFunc(func() { close(resumed) })
}

// readSlowly subscribes to the busy topic and does not read. The frames that it
// reads at the end tell whether it was disconnected.
func (s *slot) readSlowly() bool {
	as := s.identity()
	as.buffer, as.beat, as.interval = 4<<10, false, 0
	c, resume := s.deaf(as, "slow-consumer", subscribe("/topic/busy", "auto"))
	if c == nil {
		return false
	}
	defer c.end()
	defer resume()
	s.pause(s.about(3 * s.p.w.o.lifetime))
	return true
}

// beSilent negotiates heart-beats and sends none. It does not read either.
func (s *slot) beSilent() bool {
	as := s.identity()
	as.beat, as.interval = false, time.Second
	if as.path.by == overPolling {
		as.path.by = overStreaming // a polling client is not silent
	}
	c, resume := s.deaf(as, "heart-beat-timeout", subscribe("/topic/fan.**", "auto"))
	if c == nil {
		return false
	}
	defer c.end()
	s.hold()
	resume()
	c.gone("a client that has negotiated heart-beats and sends none")
	return true
}

// vanish is beSilent with a network that no longer carries the client's
// packets.
func (s *slot) vanish() bool {
	as := s.identity()
	as.path, as.interval = path{by: overTCP}, time.Second
	conn, v, err := s.p.w.vanish(as.from)
	if err != nil {
		s.p.w.faults.add("no connection over TCP: %v", err)
		return false
	}
	c := s.p.w.talk(s.r, as, s.role, &wire{Conn: conn, end: conn.Close})
	defer c.end()
	select {
	case <-c.connected:
		s.role.begin(c)
	case <-c.Done:
	}
	s.pause(s.about(time.Second))
	if s.role.jams && s.jam(c) {
		s.p.w.heard.add("vanished while they waited for a full queue")
	}
	v.freeze()
	s.hold()
	if err := v.ended(); err != nil {
		s.p.w.faults.add("%v", err)
	}
	s.p.w.heard.add("vanished")
	return true
}

// jam sends until it is blocked. It returns false if all are to leave before.
func (s *slot) jam(c *client) bool {
	for !c.waits() && !s.p.stopping() {
		s.role.begin(c)
		s.pause(s.about(time.Second))
	}
	return c.waits()
}

// abandon drops a streaming response in the middle of a message and continues
// with the next request. If the broker has written all of the old response, it
// does not notice; otherwise it has ended the session.
func (s *slot) abandon() bool {
	as := s.identity()
	as.path.by, as.buffer, as.beat, as.interval = overStreaming, 4<<10, false, 0
	c, resume := s.deaf(as, "slow-consumer", func(c *client) {
		s.p.w.consume("work", in, "client-individual")(c)
		c.Send("SUBSCRIBE\nid:busy\ndestination:/topic/busy\n\n\x00")
	})
	if c == nil {
		return false
	}
	defer c.end()
	s.pause(s.about(time.Second))
	c.wire.sock.(*socktest.XHR).Abandon()
	s.p.w.heard.add("responses abandoned half-way")
	resume()
	s.pause(s.about(time.Second))
	return true
}

// beMute never sends CONNECT.
func (s *slot) beMute() bool {
	as := s.identity()
	over, err := s.p.w.dial(as.path, as.from, 0)
	if err != nil {
		return false
	}
	s.ended(over, "a client that never sends CONNECT")
	return true
}

// babble sends bytes that are not STOMP, before or after CONNECT.
func (s *slot) babble() bool {
	as := s.identity()
	over, err := s.p.w.dial(as.path, as.from, 0)
	if err != nil {
		return false
	}
	connect := "CONNECT\naccept-version:1.2\nhost:localhost\n" + as.headers + "\n\x00"
	text := babble[s.r.IntN(len(babble))]
	if strings.HasPrefix(text, "\x00") {
		text = connect + text[1:]
	}
	_, _ = over.Write([]byte(text))
	s.ended(over, fmt.Sprintf("a client that sends %.20q", text))
	return true
}

// babble are inputs that are not STOMP, or never end. Those that begin with NUL
// are sent after CONNECT.
var babble = []string{
	"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
	"HELLO\n\nworld\x00",
	"CONNECT\naccept-version:3.0\nhost:localhost\n\n\x00",
	"CONNECT\naccept-version:1.2\nhost:localhost\nheart-beat:soon,often\n\n\x00",
	"CONNECT\naccept-version:1.2\n" + strings.Repeat("x:"+strings.Repeat("y", 1000)+"\n", 80),
	"CONN",
	"\x00SEND\ndestination:/queue/work.0\ncontent-length:5\n\nlonger than that\x00",
	"\x00SEND\ndestination:nowhere\n\n\x00",
	"\x00ACK\nid:unknown\n\n\x00",
	"\x00SUBSCRIBE\ndestination:/topic/a\n\n\x00",
	"\x00COMMIT\ntransaction:unknown\n\n\x00",
	"\x00SEND\nbroken header\n\n\x00",
	"\x00SEND\ndestination:/topic/a\\q\n\n\x00",
}

// ended waits until the broker has ended a connection.
func (s *slot) ended(over *wire, why string) {
	defer over.close()
	over.patient(proctest.StepTimeout)
	said, err := io.ReadAll(over)
	if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
		s.p.w.faults.add("%s was kept for %v", why, proctest.StepTimeout)
	}
	if strings.Contains(string(said), frame.ERROR+"\n") {
		s.p.w.heard.add("strangers that got an ERROR")
	}
}
