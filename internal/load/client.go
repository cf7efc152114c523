package load

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// session is a STOMP 1.2 session on one connection.
type session struct {
	conn   *Conn
	name   string // for error messages, like "subscriber 3"
	server string // value of CONNECTED's server header
}

// brokerError returns the content of an ERROR as an error.
func brokerError(f *Frame) error {
	body := strings.TrimSpace(string(f.Body[:min(len(f.Body), 512)]))
	message := f.Header("message")
	if body == "" || body == message {
		return fmt.Errorf("the broker sent ERROR: %s", message)
	}
	return fmt.Errorf("the broker sent ERROR: %s: %s", message, body)
}

// open dials and performs the CONNECT exchange.
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

// connect sends CONNECT and expects CONNECTED (STOMP 1.2, CONNECT).
func (s *session) connect(o *Options) error {
	headers := []string{"accept-version:1.2", "host:" + o.Host, "heart-beat:0,0"}
	if o.Login != "" {
		headers = append(headers, "login:"+o.Login, "passcode:"+o.Passcode)
	}
	if o.Token != "" {
		headers = append(headers, "Authorization:Bearer "+o.Token)
	}
	if err := s.send("CONNECT", headers...); err != nil {
		return err
	}
	return s.await(o.Timeout, func(f *Frame) (bool, error) {
		if f.Command != CommandConnected {
			return false, nil
		}
		s.server = f.Header("server")
		if v := f.Header("version"); v != "1.2" {
			return true, fmt.Errorf("the broker speaks STOMP %q, not 1.2", v)
		}
		return true, nil
	})
}

// subscribe sends SUBSCRIBE with id 0 and waits for the RECEIPT, so that no
// later message is missed.
func (s *session) subscribe(o *Options, destination, ack string) error {
	headers := []string{"id:0", "destination:" + escape(destination), "ack:" + ack, "receipt:ready"}
	if o.Prefetch > 0 {
		headers = append(headers, fmt.Sprintf("prefetch-count:%d", o.Prefetch))
	}
	headers = append(headers, o.SubscribeHeaders...)
	if err := s.send("SUBSCRIBE", headers...); err != nil {
		return fmt.Errorf("%s: SUBSCRIBE: %w", s.name, err)
	}
	err := s.await(o.Timeout, func(f *Frame) (bool, error) {
		return f.Command == CommandReceipt && f.Header("receipt-id") == "ready", nil
	})
	if err != nil {
		return fmt.Errorf("%s: SUBSCRIBE %s: %w", s.name, destination, err)
	}
	return nil
}

// send writes one frame without a body.
func (s *session) send(command string, headers ...string) error {
	frame := command + "\n" + strings.Join(headers, "\n") + "\n\n\x00"
	return s.conn.Write(s.conn.framer.message(nil, opText, []byte(frame)))
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

// leave sends DISCONNECT and closes the connection without waiting for an
// answer.
func (s *session) leave() {
	framing := newFramer(s.conn.framer.websocket, MaskZero)
	farewell := framing.message(nil, opText, []byte("DISCONNECT\n\n\x00"))
	if framing.websocket {
		farewell = framing.message(farewell, opClose, []byte{1000 >> 8, 1000 & 0xff})
	}
	_ = s.conn.write(farewell, leaveTimeout) // the connection may have ended
	s.conn.Close()
}
