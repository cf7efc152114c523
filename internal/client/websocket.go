package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/coder/websocket"
)

// webSocket is a stream of WebSocket messages. Read concatenates messages,
// since a STOMP frame may span several.
type webSocket struct {
	conn    *websocket.Conn
	message io.Reader // the message being read, or nil; owned by the goroutine that reads
}

// newWebSocket takes ownership of conn. The size of messages is unlimited: the
// broker has a limit.
func newWebSocket(conn *websocket.Conn) *webSocket {
	conn.SetReadLimit(-1)
	return &webSocket{conn: conn}
}

// Read reads from the current message, or from the next one.
func (s *webSocket) Read(p []byte) (int, error) {
	for {
		if s.message == nil {
			_, r, err := s.conn.Reader(context.Background())
			if err != nil {
				return 0, closeError(err)
			}
			s.message = r
		}
		n, err := s.message.Read(p)
		if errors.Is(err, io.EOF) {
			s.message, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// Write sends p as one message: text when it is valid UTF-8, binary otherwise.
func (s *webSocket) Write(p []byte) (int, error) {
	kind := websocket.MessageBinary
	if utf8.Valid(p) {
		kind = websocket.MessageText
	}
	if err := s.conn.Write(context.Background(), kind, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close performs the closing handshake, waiting 5 seconds at most.
func (s *webSocket) Close() error { return s.conn.Close(websocket.StatusNormalClosure, "") }

func (s *webSocket) abort() { _ = s.conn.CloseNow() }

// closeError returns io.EOF for a normal closure, and otherwise an error with
// the code and the reason.
func closeError(err error) error {
	var closed websocket.CloseError
	switch {
	case !errors.As(err, &closed):
		return err
	case closed.Code == websocket.StatusNormalClosure:
		return io.EOF
	}
	return fmt.Errorf("the broker closed the WebSocket with %d %q", int(closed.Code), closed.Reason)
}

// bodyText returns the readable start of an HTTP response's body, after a
// colon, or "". The websocket package keeps 1 KiB.
func bodyText(resp *http.Response) string {
	if resp.Body == nil {
		return ""
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil || !utf8.Valid(b) || strings.TrimSpace(string(b)) == "" {
		return ""
	}
	return ": " + strings.TrimSpace(string(b))
}
