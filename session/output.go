package session

import (
	"time"

	"hoofbeat/frames"
	"hoofbeat/session/outbox"
)

// This file joins a session and its outbox.

func (s *Session) newOutbox() *outbox.Outbox {
	counts := s.counts.shard()
	return outbox.New(outbox.Options{
		Conn: s.conn, Host: host{s}, Limit: s.options.Limits.Outbound, Slow: s.options.Limits.SlowConsumer, CloseGrace: s.options.CloseGrace,
		Account: s.account, Counts: outbox.Counts{Written: &counts.written, Dropped: &counts.dropped, Lost: &counts.lost},
		Traced: s.options.Tracer != nil,
	})
}

// host is a session as its outbox sees it.
type host struct{ s *Session }

// Encode implements outbox.Host.
func (h host) Encode(dst []byte, it *outbox.Item) ([]byte, *frames.Tail, bool) {
	return h.s.encodeItem(dst, it)
}

// Trace implements outbox.Host.
func (h host) Trace(batch []outbox.Item) { h.s.traceBatch(batch) }

// Overrun implements outbox.Host.
func (h host) Overrun() outbox.Ending { return h.s.slowEnding(h.s.slowFault()) }

// Failed implements outbox.Host.
func (h host) Failed() {
	h.s.life.end(nil)
	h.s.conn.Close(ClosePolicy, "the client does not read")
}

// closeOutbox writes what waits and then a last frame, and closes the connection with
// a code and a reason.
func (s *Session) closeOutbox(last []byte, code CloseCode, reason string, timeout time.Duration) {
	s.out.Close(outbox.Ending{Last: last, HangUp: func() { s.conn.Close(code, reason) }, Timeout: timeout})
}

// slowEnding ends the session by the slow-consumer policy. The outbox is locked.
func (s *Session) slowEnding(f *Fault) outbox.Ending {
	s.counts.slow.Add(1)
	s.life.end(f)
	return outbox.Ending{Last: errorFrame(f, 0), HangUp: func() { s.conn.Close(f.closeCode(), f.Word) }}
}

// slowFault is the fault for a client that does not read.
func (s *Session) slowFault() *Fault {
	return fault(SlowConsumer, "More than %d bytes wait to be written to this connection (limits.outbound_bytes_per_connection; see limits.slow_consumer). "+
		"Read faster, subscribe to less, or use a queue with prefetch-count.", s.options.Limits.Outbound)
}
