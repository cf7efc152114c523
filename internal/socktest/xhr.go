package socktest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
)

// An XHR is a session over HTTP requests, like sockjs-client's: one request
// receives, and one sends while there is something to send. Write does not wait
// for that request.
type XHR struct {
	*intake
	web       *http.Client
	url       string
	streaming bool
	ctx       context.Context
	stop      context.CancelFunc
	opened    chan struct{} // closed after the o frame
	workers   sync.WaitGroup

	out     []string           // messages that no request has taken; guarded by intake.mu, like the fields below
	sending bool               // a goroutine is in send
	leave   context.CancelFunc // abandons the receiving response
}

// ErrForgotten reports that a request has opened a new session: the broker had
// ended the old one so long ago that it has forgotten the reason.
var ErrForgotten = errors.New("the session was forgotten")

// A StatusError reports an unexpected status.
type StatusError struct {
	Request string // path after the session's URL
	Status  int
	Body    string // its beginning
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("%s: status %d, %q", e.Request, e.Status, e.Body)
}

// OverHTTP opens a session at a URL that ends in {server}/{session}, and
// receives by xhr_streaming or xhr. It returns an error if the session is not
// open when ctx is done. It stops receiving while unread bytes are buffered.
func OverHTTP(ctx context.Context, web *http.Client, url string, streaming bool, unread int) (*XHR, error) {
	s := &XHR{intake: newIntake(unread), web: web, url: url, streaming: streaming, opened: make(chan struct{})}
	s.ctx, s.stop = context.WithCancel(context.Background())
	ended := make(chan struct{})
	s.workers.Go(func() {
		defer close(ended)
		s.end(s.receive())
	})
	var err error
	select {
	case <-s.opened:
	case <-ended:
		err = s.Err()
	case <-ctx.Done():
		err = ctx.Err()
	}
	if s.wasOpened() || errors.Is(err, io.EOF) {
		return s, nil // if it has ended since, or the broker has given a reason, Err returns it
	}
	_ = s.Close()
	return nil, err
}

func (s *XHR) post(ctx context.Context, path, body string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	return s.web.Do(r)
}

// statusError makes an error of r and closes its body.
func statusError(path string, r *http.Response) error {
	defer func() { _ = r.Body.Close() }()
	text, _ := io.ReadAll(io.LimitReader(r.Body, 200))
	return &StatusError{Request: path, Status: r.StatusCode, Body: string(text)}
}

// receive sends receiving requests until the session ends.
func (s *XHR) receive() error {
	for {
		if err := s.response(); err != nil {
			return err
		}
	}
}

// response serves one receiving request. An abandoned one counts as complete.
func (s *XHR) response() error {
	ctx, leave := context.WithCancel(s.ctx)
	defer leave()
	s.mu.Lock()
	s.leave = leave
	s.mu.Unlock()
	err := s.receiveBy(ctx)
	if ctx.Err() != nil && s.ctx.Err() == nil && !errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func (s *XHR) receiveBy(ctx context.Context) error {
	path := "/xhr"
	if s.streaming {
		path = "/xhr_streaming"
	}
	r, err := s.post(ctx, path, "")
	if err != nil {
		return err
	}
	if r.StatusCode != http.StatusOK {
		return statusError(path, r)
	}
	defer func() { _ = r.Body.Close() }()
	return s.lines(bufio.NewReader(r.Body))
}

// lines reads a response to its end.
func (s *XHR) lines(from *bufio.Reader) error {
	for {
		line, err := from.ReadString('\n')
		switch {
		case errors.Is(err, io.EOF) && line == "":
			return nil
		case errors.Is(err, io.EOF):
			return fmt.Errorf("%w: a response ends within a frame: %.200q", ErrProtocol, line)
		case err != nil:
			return err
		}
		f, err := Parse(line[:len(line)-1])
		if err != nil {
			return err
		}
		if f.Kind == 'o' && !s.open() {
			return ErrForgotten
		}
		if err := s.put(f); err != nil {
			return err
		}
	}
}

// open marks the session as open. It returns false if it was open already.
func (s *XHR) open() bool {
	if s.wasOpened() {
		return false
	}
	close(s.opened)
	return true
}

func (s *XHR) wasOpened() bool {
	select {
	case <-s.opened:
		return true
	default:
		return false
	}
}

// Write implements net.Conn; p becomes one SockJS message.
func (s *XHR) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.err != nil {
		return 0, net.ErrClosed
	}
	s.out = append(s.out, Quote(string(p)))
	if !s.sending {
		s.sending = true
		s.workers.Go(s.send)
	}
	return len(p), nil
}

// send sends requests until no messages are left.
func (s *XHR) send() {
	for {
		s.mu.Lock()
		out := s.out
		s.out = nil
		s.sending = len(out) > 0
		s.mu.Unlock()
		if len(out) == 0 {
			return
		}
		if err := s.sendAll("[" + strings.Join(out, ",") + "]"); err != nil {
			s.end(err)
		}
	}
}

func (s *XHR) sendAll(body string) error {
	const path = "/xhr_send"
	r, err := s.post(s.ctx, path, body)
	if err != nil {
		return err
	}
	switch r.StatusCode {
	case http.StatusNoContent, http.StatusNotFound: // 404: the session has ended, and the c frame is on its way
		return r.Body.Close()
	}
	return statusError(path, r)
}

// Abandon drops the receiving response, as a network failure would, and begins
// the next one.
func (s *XHR) Abandon() {
	s.mu.Lock()
	leave := s.leave
	s.mu.Unlock()
	if leave != nil {
		leave()
	}
}

// Close implements net.Conn. It abandons requests under way.
func (s *XHR) Close() error {
	s.stop()
	s.shut()
	s.workers.Wait()
	return nil
}

var _ net.Conn = (*XHR)(nil)
