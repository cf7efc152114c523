package load

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// session is a client on one connection.
type session struct {
	conn   *Conn
	name   string // for error messages, like "subscriber 3"
	server string // value of CONNECTED's server header
}

// brokerError returns the content of an ERROR as an error.
func brokerError(f *Frame) error {
	body := strings.TrimSpace(string(f.Body[:min(len(f.Body), 512)]))
	message := f.Header("message")
	if message == "" {
		return fmt.Errorf("the broker sent ERROR: %s", body)
	}
	if body == "" || body == message {
		return fmt.Errorf("the broker sent ERROR: %s", message)
	}
	return fmt.Errorf("the broker sent ERROR: %s: %s", message, body)
}

// open dials and introduces the client.
func (o *Options) open(ctx context.Context, d *Dialer, index int, name string) (*session, error) {
	conn, err := d.Dial(ctx, index)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	s := &session{conn: conn, name: name}
	if err := s.connect(o); err != nil {
		conn.Close()
		return nil, fmt.Errorf("%s: CONNECT: %w", name, err)
	}
	return s, nil
}

// connect introduces the client.
func (s *session) connect(o *Options) error {
	if err := s.send(s.conn.protocol.connect(o)); err != nil {
		return err
	}
	return s.await(o.Timeout, func(f *Frame) (bool, error) {
		server, done, err := s.conn.protocol.connected(f)
		s.server = or(server, s.server)
		return done, err
	})
}

// subscribe subscribes and waits until that is in force, so that no later message is
// missed.
func (s *session) subscribe(o *Options, destination string) error {
	if err := s.send(s.conn.protocol.subscribe(o, destination)); err != nil {
		return fmt.Errorf("%s: SUBSCRIBE: %w", s.name, err)
	}
	err := s.await(o.Timeout, func(f *Frame) (bool, error) { return s.conn.protocol.subscribed(f), nil })
	if err != nil {
		return fmt.Errorf("%s: SUBSCRIBE %s: %w", s.name, destination, err)
	}
	return nil
}

// send writes bytes of the protocol as one message.
func (s *session) send(p []byte) error {
	return s.conn.Write(s.conn.framer.message(nil, s.conn.protocol.opcode(), p))
}

// await serves the connection until found returns true for a frame. An ERROR
// and a timeout are errors.
func (s *session) await(timeout time.Duration, found func(*Frame) (bool, error)) error {
	w := &waiter{found: found}
	err := s.conn.Serve(w, time.Now().Add(timeout))
	if err == nil && !w.done {
		err = errors.New("the connection was closed")
	}
	return err
}

// waiter is the handler of await.
type waiter struct {
	found func(*Frame) (bool, error)
	done  bool
}

func (*waiter) Begin(int64) {}
func (*waiter) End() error  { return nil }

// Frame implements Handler.
func (w *waiter) Frame(f *Frame) error {
	if f.Command == CommandError {
		return brokerError(f)
	}
	done, err := w.found(f)
	if err != nil {
		return err
	}
	if done {
		w.done = true
		return errStop
	}
	return nil
}

// leaveTimeout bounds the writing of DISCONNECT.
const leaveTimeout = time.Second

// leave says goodbye and closes the connection without waiting for an
// answer.
func (s *session) leave() {
	framing := newFramer(s.conn.framer.websocket, MaskZero)
	var farewell []byte
	if last := s.conn.protocol.leave(); last != nil {
		farewell = framing.message(nil, s.conn.protocol.opcode(), last)
	}
	if framing.websocket {
		farewell = framing.message(farewell, opClose, []byte{1000 >> 8, 1000 & 0xff})
	}
	_ = s.conn.write(farewell, leaveTimeout) // the connection may have ended
	s.conn.Close()
}
