// Package logs makes handlers of slog safe to write what clients cause: tokens
// are masked, and refusals do not fill the disk.
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

// Mask is for slog.HandlerOptions.ReplaceAttr: tokens in texts and errors become
// ********.
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
	// burst is how many refusals of one kind, of one client address, are
	// written in a window before they are only counted.
	burst  = 20
	window = time.Minute
	// most is how many kinds and addresses are counted apart: at most 20,000
	// lines a window, whoever sends what.
	most = 1000
)

// kinds are the messages that a client can cause as often as it connects or
// asks. True: their user has been proven, and each is counted apart.
var kinds = map[string]bool{
	"connect refused": false, "connection refused": false, "refresh refused": false, "access denied": true, "operator refused": false, "operator denied": true,
	"TLS handshake failed": false, "WebSocket handshake failed": false,
}

// A Calm handler writes the first refusals of a client and counts the others:
// one line a minute says how many there were ("repeated"). Its records with
// other messages pass. Close writes what is counted.
type Calm struct {
	inner slog.Handler
	*ledger
}

// A ledger is what handlers share that were made of one.
type ledger struct {
	mu     sync.Mutex
	counts map[source]*count // guarded by mu
	timer  *time.Timer       // guarded by mu; nil: there is nothing to look at
	closed bool              // guarded by mu
}

// A source is what is counted apart. The address is empty for those that come
// when there are too many.
type source struct{ message, address, user string }

type count struct {
	written, left int
	last          slog.Record // of those that were left out
	inner         slog.Handler
	flood         bool // the last window had some: nothing is written but the count
}

// NewCalm returns a handler that passes on to inner.
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

// limited tells whether a record is one of those that are counted, and of whom.
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
	if !known { // whoever has not got in has a line for its end as well
		return from, from.user == ""
	}
	if !proven {
		from.user = ""
	}
	return from, true
}

// addressOf is the address without its port; of IPv6 the first 64 bits.
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

// may counts a record, and tells whether it is written.
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

// sweep ends a window.
func (l *ledger) sweep() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timer = nil
	l.write()
	if len(l.counts) > 0 && !l.closed {
		l.timer = time.AfterFunc(window, l.sweep)
	}
}

// write writes the last record of each source that some were left out of, with
// their number, and forgets the sources that were calm. The lock is held.
func (l *ledger) write() {
	for from, c := range l.counts {
		if c.left == 0 {
			delete(l.counts, from)
			continue
		}
		c.last.AddAttrs(slog.Int("repeated", c.left))
		_ = c.inner.Handle(context.Background(), c.last) // as slog.Logger does
		*c = count{flood: true}
	}
}

// Close writes what was counted. Later records are written as they come.
func (h *Calm) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	if h.timer != nil {
		h.timer.Stop()
	}
	h.write()
}
