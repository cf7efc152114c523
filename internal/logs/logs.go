// Package logs makes slog handlers safe for records that clients cause: tokens
// are masked, and repeated refusals are summed up, so that they cannot fill the
// disk.
package logs

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"hoofbeat/internal/mask"
)

// Mask is a function for slog.HandlerOptions.ReplaceAttr. It replaces tokens in
// strings and errors by ********.
func Mask(_ []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindString:
		return slog.String(a.Key, mask.Text(a.Value.String()))
	case slog.KindAny:
		switch v := a.Value.Any().(type) {
		case error:
			return slog.String(a.Key, mask.Text(v.Error()))
		case fmt.Stringer:
			return slog.String(a.Key, mask.Text(v.String()))
		}
	}
	return a
}

const (
	// burst is the number of refusals of one source that are written per
	// window; further ones are only counted.
	burst  = 20
	window = time.Minute
	// most limits the sources that are counted separately: at most 20,000 lines
	// a window, however many addresses send.
	most = 1000
)

// kinds are the messages that a client can cause as often as it connects or
// asks. true: the user is authenticated, so users are counted separately.
var kinds = map[string]bool{
	"connect refused": false, "connection refused": false, "refresh refused": false, "access denied": true, "operator refused": false, "operator denied": true,
	"TLS handshake failed": false, "WebSocket handshake failed": false,
}

// A Calm handler writes the first refusals of each source and counts the rest;
// a line per minute has the count in its attribute "repeated". Other records
// pass unchanged. Close writes the outstanding counts.
type Calm struct {
	inner slog.Handler
	*ledger
}

// A ledger holds the counts that derived handlers share.
type ledger struct {
	mu     sync.Mutex
	counts map[source]*count // guarded by mu
	timer  *time.Timer       // guarded by mu; nil: no window is open
	closed bool              // guarded by mu
}

// A source is a unit of counting. Address and user are empty for the sources
// beyond most.
type source struct{ message, address, user string }

type count struct {
	written, left int
	last          slog.Record // the last record that was left out
	inner         slog.Handler
	flood         bool // records were left out in the last window: only count
}

// NewCalm returns a handler that writes to inner.
func NewCalm(inner slog.Handler) *Calm {
	return &Calm{inner, &ledger{counts: make(map[source]*count)}}
}

// Enabled implements slog.Handler.
func (h *Calm) Enabled(ctx context.Context, level slog.Level) bool {
	return h.inner.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (h *Calm) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &Calm{h.inner.WithAttrs(attrs), h.ledger}
}

// WithGroup implements slog.Handler.
func (h *Calm) WithGroup(name string) slog.Handler { return &Calm{h.inner.WithGroup(name), h.ledger} }

// Handle implements slog.Handler.
func (h *Calm) Handle(ctx context.Context, r slog.Record) error {
	if from, ok := limited(r); ok && !h.may(from, r, h.inner) {
		return nil
	}
	return h.inner.Handle(ctx, r)
}

// limited reports whether a record is counted, and its source.
func limited(r slog.Record) (from source, ok bool) {
	proven, known := kinds[r.Message]
	if !known && r.Message != "connection closed" {
		return source{}, false
	}
	from.message = r.Message
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "remote":
			from.address = addressOf(a.Value.String())
		case "user":
			from.user = a.Value.String()
		}
		return true
	})
	if !known { // clients without a user cause a line at their end as well
		return from, from.user == ""
	}
	if !proven {
		from.user = ""
	}
	return from, true
}

// addressOf returns the address without its port; for IPv6, the /64 prefix.
func addressOf(remote string) string {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote
	}
	ip := ap.Addr().Unmap().WithZone("")
	if ip.Is6() && !ip.IsLoopback() {
		return netip.PrefixFrom(ip, 64).Masked().String()
	}
	return ip.String()
}

// may counts a record and reports whether to write it.
func (l *ledger) may(from source, r slog.Record, inner slog.Handler) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return true
	}
	c := l.counts[from]
	if c == nil && len(l.counts) >= most {
		from.address, from.user = "", ""
		c = l.counts[from]
	}
	if c == nil {
		c = &count{}
		l.counts[from] = c
	}
	if l.timer == nil {
		l.timer = time.AfterFunc(window, l.sweep)
	}
	if !c.flood && c.written < burst {
		c.written++
		return true
	}
	c.left++
	c.last, c.inner = r.Clone(), inner
	return false
}

// sweep runs at the end of a window.
func (l *ledger) sweep() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timer = nil
	l.write()
	if len(l.counts) > 0 && !l.closed {
		l.timer = time.AfterFunc(window, l.sweep)
	}
}

// write writes the last record of each source that had records left out, with
// their number, and forgets the other sources. The caller holds the lock.
func (l *ledger) write() {
	for from, c := range l.counts {
		if c.left == 0 {
			delete(l.counts, from)
			continue
		}
		c.last.AddAttrs(slog.Int("repeated", c.left))
		_ = c.inner.Handle(context.Background(), c.last) // errors are ignored, as slog.Logger does
		*c = count{flood: true}
	}
}

// Close writes the outstanding counts. Later records are all written.
func (h *Calm) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	if h.timer != nil {
		h.timer.Stop()
	}
	h.write()
}
