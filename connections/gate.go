package connections

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"hoofbeat/session"
)

// A gate counts sessions and connections, in total and by address, and decides
// about new ones. A SockJS session has no connection of its own, and a
// connection may not have a session yet, so the limits apply to each of the two
// counts.
type gate struct {
	limits Limits

	mu      sync.Mutex // guards the fields below
	total   int        // sessions
	sockets int
	turning int // refused connections that are being told the reason
	clients map[netip.Addr]*visitor
	swept   time.Time
}

// A visitor holds the counts of one address, and its allowance of new sessions.
type visitor struct {
	open    int
	sockets int
	allowed float64
	at      time.Time // when allowed was computed
}

func newGate(l Limits) *gate {
	if l.ConnectRatePer <= 0 {
		l.ConnectRatePer = time.Second
	}
	return &gate{limits: l, clients: make(map[netip.Addr]*visitor)}
}

// Admit takes a place for one more session of an address. It returns either a
// refusal or the function that gives the place back.
func (r *Registry) Admit(a net.Addr) (release func(), refusal *session.Fault) {
	ip := site(IPOf(a))
	if r.options.Session.Memory.Exhausted() {
		return nil, &session.Fault{Word: session.TryLater, Text: "The broker has used up its memory (limits.memory). Connect again later."}
	}
	if f := r.gate.enter(ip, time.Now()); f != nil {
		return nil, f
	}
	return func() { r.gate.leave(ip) }, nil
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

// refuseAll and refuseOne return the refusal if n has reached the limit for the
// whole server or for one address, else nil.
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

// arrive counts an accepted connection. The zero Addr stands for a proxy; its
// clients are charged by claim once they are known.
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

// claim charges a proxied connection to its client.
func (g *gate) claim(ip netip.Addr) *session.Fault {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.charge(ip)
}

// charge counts a connection for an address. The caller holds the lock.
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

// depart undoes arrive, for the address that was charged.
func (g *gate) depart(ip netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sockets--
	if v := g.clients[ip]; v != nil && ip.IsValid() {
		v.sockets--
		g.forget(ip, v)
	}
}

// turn adds n to the number of connections that are being refused. It returns
// false, and adds nothing, if that would exceed maxTurning.
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

// forget removes an address that has nothing open, unless its rate must be
// remembered.
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

// take uses one of the sessions that the rate allows.
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

// IPOf returns the address without port and zone, or the zero Addr if a is no
// IP address (a pipe, for example).
func IPOf(a net.Addr) netip.Addr { return ParseIP(a.String()) }

// ParseIP is IPOf for an address with a port in the form of a text.
func ParseIP(remote string) netip.Addr {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

// site is the unit of the limits by address: an IPv4 address, or the /64 prefix
// of an IPv6 address, because one customer has all of it (RFC 6177).
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

// Trusts reports whether an address is that of a trusted proxy.
func (r *Registry) Trusts(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, p := range r.options.TrustedProxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
