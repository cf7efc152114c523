package wire

import (
	"time"

	"hoofbeat/frames"
	"hoofbeat/session"
)

// A FrameReader reads frames from a decoder that its connection fills.
type FrameReader struct {
	meters
	stall
	decoder *frames.Decoder
	more    func() error // reads more bytes into the decoder
	charge  func(int)    // see session.Session.Partial
}

// NewFrameReader returns a FrameReader; ReadFrom sets more.
func NewFrameReader(l frames.Limits) FrameReader { return FrameReader{decoder: frames.NewDecoder(l)} }

// ReadFrom sets the function that reads more bytes, and gives them to the decoder
// (Feed). It must be called before the first read.
func (r *FrameReader) ReadFrom(more func() error) { r.more = more }

// Feed gives bytes to the decoder. It returns how many there was room for.
func (r *FrameReader) Feed(p []byte) (n int) {
	n = copy(r.decoder.Space(), p)
	r.decoder.Commit(n)
	return n
}

// ReadFrame implements session.Conn.
func (r *FrameReader) ReadFrame() (frames.Inbound, error) {
	for {
		f, err := r.decoder.Next()
		if err != nil || f.Frame != nil {
			r.complete()
			r.came.CountFrame(f)
			return f, err
		}
		r.came.Flush()
		r.charge(r.decoder.Held())
		r.waits(r.decoder)
		if err := r.more(); err != nil {
			r.decoder.Release()
			return frames.Inbound{}, err
		}
	}
}

// Negotiated implements session.Conn.
func (r *FrameReader) Negotiated(v frames.Version) { r.decoder.SetVersion(v) }

// ChargeTo implements connections.Conn.
func (r *FrameReader) ChargeTo(f func(int)) { r.charge = f }

// Drop drops the decoder, after the last read.
func (r *FrameReader) Drop() { r.decoder = nil }

// A link is the common part of connections with a socket of their own: a gatherer
// and a FrameReader, which together implement most of session.Conn.
type link struct {
	*gatherer
	FrameReader
	info session.Info
}

// Flush implements session.Conn.
func (l *link) Flush() error {
	if err := l.flush(); err != nil {
		return err
	}
	l.went.Flush()
	return nil
}

// SetWriteDeadline implements session.Conn. It fails only if the connection is
// closed, and then writes fail as well.
func (l *link) SetWriteDeadline(t time.Time) { _ = l.Conn.SetWriteDeadline(t) }

// Info implements session.Conn.
func (l *link) Info() session.Info { return l.info }
