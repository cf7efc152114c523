package transport

import (
	"time"

	"hoofbeat/frames"
	"hoofbeat/session"
)

// A frameReader reads frames from a decoder that its connection fills.
type frameReader struct {
	meters
	stall
	decoder *frames.Decoder
	more    func() error // reads more bytes into the decoder
	charge  func(int)    // see session.Session.Partial
}

// newFrameReader returns a frameReader; readFrom sets more.
func newFrameReader(l frames.Limits) frameReader { return frameReader{decoder: frames.NewDecoder(l)} }

// readFrom sets the function that reads more bytes, and gives them to the decoder
// (feed). It must be called before the first read.
func (r *frameReader) readFrom(more func() error) { r.more = more }

// feed gives bytes to the decoder. It returns how many there was room for.
func (r *frameReader) feed(p []byte) (n int) {
	n = copy(r.decoder.Space(), p)
	r.decoder.Commit(n)
	return n
}

// ReadFrame implements session.Conn.
func (r *frameReader) ReadFrame() (frames.Inbound, error) {
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
func (r *frameReader) Negotiated(v frames.Version) { r.decoder.SetVersion(v) }

// ChargeTo implements connections.Conn.
func (r *frameReader) ChargeTo(f func(int)) { r.charge = f }

// drop drops the decoder, after the last read.
func (r *frameReader) drop() { r.decoder = nil }

// A link is the common part of connections with a socket of their own: a gatherer
// and a frameReader, which together implement most of session.Conn.
type link struct {
	*gatherer
	frameReader
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
