package config

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"hoofbeat/destination"
)

// checkRelations checks relations between keys. Each is checked only if its
// keys are sound, so that one mistake is not reported twice.
func (l *loader) checkRelations(c *Config) {
	l.checkListeners(c)
	l.checkAdmin(c)
	l.checkTLS("listen.websocket.tls", c.Listen.WebSocket.TLS)
	l.checkTLS("listen.tcp.tls", c.Listen.TCP.TLS)
	l.checkTLS("listen.admin.tls", c.Listen.Admin.TLS)
	l.checkProxies("listen.websocket.proxy_protocol", c.Listen.WebSocket.ProxyProtocol, c)
	l.checkProxies("listen.tcp.proxy_protocol", c.Listen.TCP.ProxyProtocol, c)
	l.checkAnonymous(c)
	l.checkJWT(c.Auth.JWT)
	l.checkReadable("auth.users_file", c.Auth.UsersFile)
	l.checkReadable("auth.revoked_file", c.Auth.RevokedFile)
	l.checkAudit(c.Log.Audit)
	l.checkPrefixes(c)
	l.checkRules(c)
	l.checkStorage(c.Storage)
	l.checkPolicies(c)
	l.checkFrames(c)
	l.checkMemory(c.Limits)
	l.checkHeartbeat(c)
	l.checkTracing(c.Tracing)
}

// sound reports whether all of the keys have a value that passed their own
// checks.
func (l *loader) sound(keys ...string) bool {
	for _, key := range keys {
		if !l.values[key].sound {
			return false
		}
	}
	return true
}

// blame reports a fault of a key's value.
func (l *loader) blame(key, expected string) {
	g := l.values[key]
	l.fault(key, g.shown, g.source, expected)
}

func (l *loader) checkListeners(c *Config) {
	const ws, tcp = "listen.websocket.address", "listen.tcp.address"
	if !l.sound(ws, tcp) {
		return
	}
	a, b := c.Listen.WebSocket.Address, c.Listen.TCP.Address
	switch {
	case a == "" && b == "":
		l.blame(ws, "expected an address here or at "+tcp+", as nothing would be listened on")
	case a != "" && b != "" && sameAddress(a, b):
		l.blame(tcp, "expected another address than that of "+ws)
	}
}

// checkAdmin requires an address of its own for the admin listener.
func (l *loader) checkAdmin(c *Config) {
	const key, ws, tcp = "listen.admin.address", "listen.websocket.address", "listen.tcp.address"
	a := c.Listen.Admin.Address
	switch {
	case !l.sound(key) || a == "":
	case c.Listen.WebSocket.Address != "" && sameAddress(a, c.Listen.WebSocket.Address):
		l.blame(key, "expected another address than that of "+ws)
	case c.Listen.TCP.Address != "" && sameAddress(a, c.Listen.TCP.Address):
		l.blame(key, "expected another address than that of "+tcp)
	}
}

func (l *loader) checkStorage(s Storage) {
	const directory, interval, sync = "storage.directory", "storage.sync_interval", "storage.sync"
	if l.sound(directory) && s.Directory != "" {
		if about, err := os.Stat(s.Directory); err == nil && !about.IsDir() {
			l.blame(directory, "expected a directory; this is a file")
		}
	}
	if l.sound(interval, sync) && s.Sync != "interval" && l.differs(interval) {
		l.blame(interval, "expected "+sync+" to be interval beside it; with "+s.Sync+" there is none")
	}
}

// sameAddress reports whether two listeners would certainly collide. Port 0 is
// a different port each time.
func sameAddress(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil {
		return a == b
	}
	numberA, _ := parseDigits(portA)
	numberB, _ := parseDigits(portB)
	return numberA == numberB && numberA != 0 && plainHost(hostA) == plainHost(hostB)
}

// plainHost returns the same text for different spellings of a host.
func plainHost(host string) string {
	ip, err := netip.ParseAddr(host)
	switch {
	case host == "" || err == nil && ip.IsUnspecified():
		return ""
	case err == nil:
		return ip.Unmap().String()
	}
	return strings.ToLower(host)
}

func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && isLoopbackHost(host)
}

func isLoopbackHost(host string) bool {
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return strings.EqualFold(host, "localhost")
	}
	return ip.Unmap().IsLoopback()
}

func (l *loader) checkProxies(key string, on bool, c *Config) {
	if l.sound(key, "limits.trusted_proxies") && on && len(c.Limits.TrustedProxies) == 0 {
		l.blame(key, "expected limits.trusted_proxies to have the proxies' addresses, as a PROXY header of anybody else is not believed")
	}
}

// credentialKeys returns the keys that enable authentication, if one of them is
// set.
func credentialKeys() []string {
	keys := []string{"auth.users", "auth.users_file"}
	for _, e := range keySources() {
		keys = append(keys, e.key)
	}
	return keys
}

// settleAnonymous sets auth.anonymous to false if it is the default without a
// file and the environment or a flag configures credentials: then anonymous
// access must be requested explicitly.
func (l *loader) settleAnonymous() {
	const key = "auth.anonymous"
	if l.values[key].source == "default" && slices.ContainsFunc(credentialKeys(), l.differs) {
		e := l.names.keys[key]
		l.values[key] = given{value: false, shown: showDefault(e, false), source: "default", sound: true}
	}
}

// differs reports whether a key's value differs from its default, or is
// invalid.
func (l *loader) differs(key string) bool {
	e, known := l.names.keys[key]
	g := l.values[key]
	return known && (!g.sound || e.kind.format(g.value) != e.fallback)
}

func (l *loader) checkAnonymous(c *Config) {
	const key = "auth.anonymous"
	if !l.sound(key) {
		return
	}
	if !c.Auth.Anonymous {
		if l.sound(credentialKeys()...) && !c.Auth.CanAuthenticate() {
			l.blame(key, nobodyCan)
		}
		return
	}
	if l.values[key].source != "default" {
		return
	}
	if l.mounted {
		l.blame(key, "anonymous access on an endpoint that the program mounts itself; expected auth.anonymous to be set to true on purpose")
		return
	}
	for _, address := range []string{c.Listen.WebSocket.Address, c.Listen.TCP.Address} {
		if address != "" && !isLoopback(address) {
			l.blame(key, "anonymous access on "+address+", which is not loopback; "+
				"expected auth.anonymous to be set to true on purpose, or a loopback address")
		}
	}
}

const nobodyCan = "no client could connect; expected true, or a key for tokens at auth.jwt " +
	"(secret, secret_file, public_key_files, jwks_url or jwks_file), or users at auth.users or auth.users_file"

// checkReadable requires a readable file, if one is named.
func (l *loader) checkReadable(key, path string) {
	if l.sound(key) && path != "" {
		l.read(key, path)
	}
}

// read reads a file, or reports a fault of its key and returns false.
func (l *loader) read(key, path string) ([]byte, bool) {
	data, err := os.ReadFile(path)
	if err != nil {
		l.fault(key, show(path), l.values[key].source, "expected a file that can be read: "+reason(err))
	}
	return data, err == nil
}

// auditToStderr is the value of log.audit that is not a file.
const auditToStderr = "stderr"

// checkAudit does not open the file, because it need not exist yet.
func (l *loader) checkAudit(path string) {
	const key = "log.audit"
	if !l.sound(key) || path == "" || path == auditToStderr {
		return
	}
	if dir, err := os.Stat(filepath.Dir(path)); err != nil || !dir.IsDir() {
		l.blame(key, "expected a file in a directory that exists, or "+auditToStderr)
	} else if file, err := os.Stat(path); err == nil && file.IsDir() {
		l.blame(key, "expected a file, not a directory")
	}
}

func (l *loader) checkPrefixes(c *Config) {
	const topic, queue = "prefixes.topic", "prefixes.queue"
	if !l.sound(topic, queue) {
		return
	}
	if len(c.Prefixes.Topic)+len(c.Prefixes.Queue) == 0 {
		l.blame(topic, "expected a prefix here or at "+queue+", as no destination would mean anything")
	}
	for i, prefix := range c.Prefixes.Topic {
		l.blamePrefix(topic, i, prefix, c.Prefixes.Topic[:i])
	}
	for i, prefix := range c.Prefixes.Queue {
		l.blamePrefix(queue, i, prefix, c.Prefixes.Topic)
		l.blamePrefix(queue, i, prefix, c.Prefixes.Queue[:i])
	}
}

// blamePrefix rejects a prefix that begins like another. Rules and wildcards
// treat dots and slashes alike, so they could not distinguish /topic.internal/
// from names in /topic/ that begin with internal.
func (l *loader) blamePrefix(key string, i int, prefix string, others []string) {
	for _, other := range others {
		if destination.Nested(prefix, other) {
			l.faultIn(key, fmt.Sprintf("[%d]", i), show(prefix), l.values[key].source,
				fmt.Sprintf("expected no prefix of another; it and %q overlap, as a dot and a slash are the same in a name", other))
		}
	}
}

func (l *loader) checkFrames(c *Config) {
	const before, header, body = "limits.frame_bytes_before_connect", "limits.frame_header_bytes", "limits.frame_body_bytes"
	if !l.sound(before, header, body) {
		return
	}
	most := uint64(c.Limits.FrameHeaderBytes) + uint64(c.Limits.FrameBodyBytes)
	if uint64(c.Limits.FrameBytesBeforeConnect) > most {
		l.blame(before, "expected at most "+header+" and "+body+" together")
	}
}

// checkMemory rejects a limit that other limits could never reach. If it is the
// default, it grows with them.
func (l *loader) checkMemory(c Limits) {
	const memory = "limits.memory_per_connection"
	for _, part := range []struct {
		key   string
		value int
	}{
		{"limits.frame_body_bytes", c.FrameBodyBytes},
		{"limits.transaction_bytes_per_connection", c.TransactionBytesPerConnection},
		{"limits.outbound_bytes_per_connection", c.OutboundBytesPerConnection},
	} {
		if l.sound(memory, part.key) && l.differs(memory) && c.MemoryPerConnection < part.value {
			l.blame(memory, "expected at least as much as "+part.key+", which is "+formatSize(part.value))
			return
		}
	}
}

func (l *loader) checkHeartbeat(c *Config) {
	if l.sound("heartbeat.min", "heartbeat.server") && c.Heartbeat.Min > c.Heartbeat.Server {
		l.blame("heartbeat.min", "expected at most heartbeat.server, which is "+formatDuration(c.Heartbeat.Server))
	}
}
