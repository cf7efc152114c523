package socktest

import (
	"context"
	"fmt"
	"net"
	"sync"

	"github.com/coder/websocket"
)

// A WebSocket is a session over WebSocket. Each Write is one message.
type WebSocket struct {
	*intake
	ws     *websocket.Conn
	ctx    context.Context
	stop   context.CancelFunc
	reader sync.WaitGroup
}

// OverWebSocket runs a session on ws, which was opened at
// {server}/{session}/websocket. It stops reading while unread bytes are
// buffered. Close also closes ws, without a closing handshake.
func OverWebSocket(ws *websocket.Conn, unread int) *WebSocket {
	s := &WebSocket{intake: newIntake(unread), ws: ws}
	s.ctx, s.stop = context.WithCancel(context.Background())
	ws.SetReadLimit(-1)
	s.reader.Go(func() { s.end(s.read()) })
	return s
}

func (s *WebSocket) read() error {
	for {
		kind, b, err := s.ws.Read(s.ctx)
		if err != nil {
			return err
		}
		if kind != websocket.MessageText {
			return fmt.Errorf("%w: a message is not text", ErrProtocol)
		}
		f, err := Parse(string(b))
		if err != nil {
			return err
		}
		if len(f.Messages) > 1 {
			return fmt.Errorf("%w: %d frames of STOMP are in one message", ErrProtocol, len(f.Messages))
		}
		if err := s.put(f); err != nil {
			return err
		}
	}
}

// Write implements net.Conn.
func (s *WebSocket) Write(p []byte) (int, error) {
	if err := s.ws.Write(s.ctx, websocket.MessageText, []byte("["+Quote(string(p))+"]")); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close implements net.Conn.
func (s *WebSocket) Close() error {
	s.stop()
	s.shut()
	s.reader.Wait()
	return s.ws.CloseNow()
}

var _ net.Conn = (*WebSocket)(nil)
