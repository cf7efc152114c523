package transport

import (
	"time"

	"hoofbeat/frames"
	"hoofbeat/session"
)

// A link is the common part of the transports' connections: a gatherer and a
// decoder, which together implement most of session.Conn.
type link struct {
	*gatherer
	meters
	stall
	decoder *frames.Decoder
	info    session.Info
	more    func() error // reads more bytes into the decoder
	charge  func(int)    // see session.Session.Partial
}

// ReadFrame implements session.Conn.
func (l *link) ReadFrame() (frames.Inbound, error) {
	for {
		f, err := l.decoder.Next()
		if err != nil || f.Frame != nil {
			l.complete()
			l.came.CountFrame(f)
			return f, err
		}
		l.came.Flush()
		l.charge(l.decoder.Held())
		l.waits(l.decoder)
		if err := l.more(); err != nil {
			l.decoder.Release()
			return frames.Inbound{}, err
		}
	}
}

// ChargeTo sets the function that is told how many bytes a partial frame holds.
// It must be called before the first read.
func (l *link) ChargeTo(f func(int)) { l.charge = f }

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
