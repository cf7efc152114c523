package transport

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"hoofbeat/session"
)

// A gate counts sessions and connections, each all and by address, and says
// which may come in. A session of SockJS has no connection of its own, and a
// connection may have no session yet, so the limits hold for either.
type gate struct {
	limits Limits

	mu      sync.Mutex // guards what follows
	total   int        // sessions
	sockets int
	turning int // connections over a limit that are told so
	clients map[netip.Addr]*visitor
	swept   time.Time
}

// A visitor is one address: how many sessions and connections it has, and how
// many sessions it may open now.
type visitor struct {
	open    int
	sockets int
	allowed float64
	at      time.Time // when allowed was right
}

func newGate(l Limits) *gate {
	if l.ConnectRatePer <= 0 {
		l.ConnectRatePer = time.Second
	}
	return &gate{limits: l, clients: make(map[netip.Addr]*visitor)}
}

// admit asks for a place for one more connection. Either the refusal says why
// there is none, or release gives it back.
func (s *Server) admit(a net.Addr) (release func(), refusal *session.Fault) {
	ip := site(ipOf(a))
	if s.options.Session.Memory.Exhausted() {
		return nil, &session.Fault{Word: session.TryLater, Text: "The broker has used up its memory (limits.memory). Connect again later."}
	}
	if f := s.gate.enter(ip, time.Now()); f != nil {
		return nil, f
	}
	return func() { s.gate.leave(ip) }, nil
}

// TooManyConnections is the word of an ERROR that refuses a connection.
const TooManyConnections = "too-many-connections"

func (g *gate) enter(ip netip.Addr, now time.Time) *session.Fault {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sweep(now)
	l := g.limits
	if f := l.refuseAll(g.total); f != nil {
		return f
	}
	v := g.visitor(ip, now)
	if f := l.refuseOne(v.open); f != nil {
		return f
	}
	if l.ConnectRate > 0 && !v.take(l, now) {
		return &session.Fault{Word: session.RateLimited, Text: fmt.Sprintf("This address connects more than %d times in %v (limits.connect_rate_per_ip).", l.ConnectRate, l.ConnectRatePer)}
	}
	g.total++
	v.open++
	return nil
}

// refuseAll and refuseOne say why there may be no more than n, in all and of
// one address.
func (l Limits) refuseAll(n int) *session.Fault {
	if l.Connections == 0 || n < l.Connections {
		return nil
	}
	return refusal("The broker has %d connections, which is the most it takes (limits.connections).", l.Connections)
}

func (l Limits) refuseOne(n int) *session.Fault {
	if l.PerAddress == 0 || n < l.PerAddress {
		return nil
	}
	return refusal("This address has %d connections, which is the most it may have (limits.connections_per_ip).", l.PerAddress)
}

func (g *gate) visitor(ip netip.Addr, now time.Time) *visitor {
	v := g.clients[ip]
	if v == nil {
		v = &visitor{allowed: float64(g.limits.ConnectRate), at: now}
		g.clients[ip] = v
	}
	return v
}

// arrive counts a connection that was accepted; the zero Addr is a proxy's,
// whose clients are counted one by one when they are known.
func (g *gate) arrive(ip netip.Addr) *session.Fault {
	g.mu.Lock()
	defer g.mu.Unlock()
	f := g.limits.refuseAll(g.sockets)
	if f == nil {
		f = g.charge(ip)
	}
	if f == nil {
		g.sockets++
	}
	return f
}

// claim counts a connection of a proxy for the client that is known now.
func (g *gate) claim(ip netip.Addr) *session.Fault {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.charge(ip)
}

// charge counts a connection for an address. The lock is held.
func (g *gate) charge(ip netip.Addr) *session.Fault {
	if !ip.IsValid() {
		return nil
	}
	now := time.Now()
	g.sweep(now)
	v := g.visitor(ip, now)
	if f := g.limits.refuseOne(v.sockets); f != nil {
		return f
	}
	v.sockets++
	return nil
}

// depart counts a connection out that arrive has counted in, for the address
// that it was charged to.
func (g *gate) depart(ip netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sockets--
	if v := g.clients[ip]; v != nil && ip.IsValid() {
		v.sockets--
		g.forget(ip, v)
	}
}

// turn counts connections that are turned away. It returns false if one more
// is too many.
func (g *gate) turn(n int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n > 0 && g.turning >= maxTurning {
		return false
	}
	g.turning += n
	return true
}

func refusal(format string, n int) *session.Fault {
	return &session.Fault{Word: TooManyConnections, Text: fmt.Sprintf(format, n)}
}

func (g *gate) leave(ip netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.total--
	v := g.clients[ip]
	v.open--
	g.forget(ip, v)
}

// forget removes an address that nothing is left of.
func (g *gate) forget(ip netip.Addr, v *visitor) {
	if v.open == 0 && v.sockets == 0 && g.limits.ConnectRate == 0 {
		delete(g.clients, ip)
	}
}

// sweep forgets addresses that have no connection and their full allowance.
func (g *gate) sweep(now time.Time) {
	if now.Sub(g.swept) < g.limits.ConnectRatePer {
		return
	}
	g.swept = now
	for ip, v := range g.clients {
		if v.open == 0 && v.sockets == 0 && now.Sub(v.at) >= g.limits.ConnectRatePer {
			delete(g.clients, ip)
		}
	}
}

// take uses one of the connections that the rate allows.
func (v *visitor) take(l Limits, now time.Time) bool {
	most := float64(l.ConnectRate)
	v.allowed = min(most, v.allowed+most*float64(now.Sub(v.at))/float64(l.ConnectRatePer))
	v.at = now
	if v.allowed < 1 {
		return false
	}
	v.allowed--
	return true
}

// ipOf gives the address without port and zone; the zero Addr for what is no
// IP address, such as a pipe.
func ipOf(a net.Addr) netip.Addr {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

// site is what limits by address go by: the address, or of IPv6 the first 64
// bits, as whoever has one of these addresses has all of them (RFC 6177).
func site(ip netip.Addr) netip.Addr {
	if !ip.Is6() || ip.IsLoopback() {
		return ip
	}
	p, err := ip.Prefix(64)
	if err != nil {
		return ip
	}
	return p.Addr()
}

// addr is the net.Addr of a request.
type addr string

// Network implements net.Addr.
func (addr) Network() string { return "tcp" }

// String implements net.Addr.
func (a addr) String() string { return string(a) }
