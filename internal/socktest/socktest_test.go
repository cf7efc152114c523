package socktest

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/coder/websocket"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]Frame{
		"o":                  {Kind: 'o'},
		"h":                  {Kind: 'h'},
		"hhh":                {Kind: 'h'},
		"a[]":                {Kind: 'a', Messages: []string{}},
		`a["x","\u00e9\n"]`:  {Kind: 'a', Messages: []string{"x", "é\n"}},
		`c[3000,"Go away!"]`: {Kind: 'c', Code: 3000, Reason: "Go away!"},
	} {
		if got, err := Parse(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "x", "oo", "hx", "a", `a["x"`, `a"x"`, "a[1]", "c[x]", `c["1",""]`} {
		if got, err := Parse(text); !errors.Is(err, ErrProtocol) {
			t.Errorf("%q: got %v, %v", text, got, err)
		}
	}
}

// put blocks at the limit of unread bytes until they are read or the session
// ends.
func TestIntakeIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIntake(3)
		put := func(text string) chan error {
			done := make(chan error, 1)
			go func() { done <- i.put(Frame{Kind: 'a', Messages: []string{text}}) }()
			synctest.Wait()
			return done
		}
		<-put("abc")
		waits := put("de")
		select {
		case err := <-waits:
			t.Fatal("there was room", err)
		default:
		}
		p := make([]byte, 8)
		if n, err := i.Read(p); string(p[:n]) != "abc" || err != nil {
			t.Fatalf("got %q, %v", p[:n], err)
		}
		if err := <-waits; err != nil {
			t.Fatal(err)
		}
		waits = put("fg")
		i.shut()
		if err := <-waits; err == nil {
			t.Error("it was taken, although nobody reads it any more")
		}
		if n, err := i.Read(p); !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %q, %v", p[:n], err)
		}
	})
}

// A script is a server for one session: it answers receiving requests with the
// elements of receive, in turn, and sending requests with status. A response
// that ends in "..." stays open until its client leaves.
type script struct {
	receive []string
	status  int
	sent    chan string
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	if strings.HasSuffix(r.URL.Path, "/xhr_send") {
		s.sent <- string(b)
		w.WriteHeader(s.status)
		return
	}
	text, stays := strings.CutSuffix(s.receive[0], "...")
	s.receive = s.receive[1:]
	_, _ = io.WriteString(w, text)
	if stays {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
}

func open(t *testing.T, s *script) (*XHR, error) {
	t.Helper()
	s.sent = make(chan string, 1)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	x, err := OverHTTP(context.Background(), server.Client(), server.URL+"/000/x", true, Plenty)
	if err == nil {
		t.Cleanup(func() { _ = x.Close() })
	}
	return x, err
}

func wantAll(t *testing.T, from net.Conn, want string, end error) {
	t.Helper()
	b, err := io.ReadAll(from)
	if end == io.EOF {
		end = nil // ReadAll returns nil at io.EOF
	}
	if string(b) != want || !errors.Is(err, end) {
		t.Errorf("got %q, %v, want %q, %v", b, err, want, end)
	}
}

func TestXHR(t *testing.T) {
	x, err := open(t, &script{receive: []string{"hh\no\n", `a["a","b"]` + "\nh\n" + `a["c"]` + "\n", `c[1000,"bye"]` + "\n"}})
	if err != nil {
		t.Fatal(err)
	}
	wantAll(t, x, "abc", io.EOF)
	if f := x.Last(); f.Code != 1000 || f.Reason != "bye" || x.Err() != io.EOF {
		t.Errorf("got %v, %v", f, x.Err())
	}
	if _, err := x.Write([]byte("x")); err == nil {
		t.Error("it can be written to after its end")
	}
}

func TestXHRSends(t *testing.T) {
	s := &script{receive: []string{"o\n..."}, status: http.StatusNoContent}
	x, err := open(t, s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.Write([]byte("a\"\n")); err != nil {
		t.Fatal(err)
	}
	if got := <-s.sent; got != `["a\"\n"]` {
		t.Errorf("got %s", got)
	}
	_ = x.Close()
	wantAll(t, x, "", net.ErrClosed)
}

func TestXHRRefused(t *testing.T) {
	s := &script{receive: []string{"o\n..."}, status: http.StatusInternalServerError}
	x, err := open(t, s)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = x.Write([]byte("a"))
	<-s.sent
	_, err = io.ReadAll(x)
	if status := (*StatusError)(nil); !errors.As(err, &status) || status.Status != http.StatusInternalServerError || status.Request != "/xhr_send" {
		t.Errorf("got %v", err)
	}
}

func TestXHRIsWrong(t *testing.T) {
	for name, tc := range map[string]struct {
		receive []string
		want    error
	}{
		"forgotten":        {[]string{"o\n", "o\n"}, ErrForgotten},
		"no frame":         {[]string{"o\n", "x\n"}, ErrProtocol},
		"half a frame":     {[]string{"o\n", `a["a"]`}, ErrProtocol},
		"nothing expected": {[]string{"o\n", "a[\"a\"]\n...", ""}, net.ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			x, err := open(t, &script{receive: tc.receive})
			if err != nil {
				t.Fatal(err)
			}
			if tc.want == net.ErrClosed {
				_ = x.Close()
			}
			wantAll(t, x, "", tc.want)
		})
	}
}

// After an abandoned response, the client begins the next one.
func TestXHRAbandon(t *testing.T) {
	x, err := open(t, &script{receive: []string{"o\n" + `a["a"]` + "\n...", `a["b"]` + "\n" + `c[1002,"Connection interrupted"]` + "\n"}})
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 1)
	if _, err := io.ReadFull(x, p); err != nil || p[0] != 'a' {
		t.Fatalf("got %q, %v", p, err)
	}
	x.Abandon()
	wantAll(t, x, "b", io.EOF)
}

func TestXHRIsNotOpened(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	asked := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
	}))
	defer server.Close()
	go func() {
		<-asked
		cancel()
	}()
	if _, err := OverHTTP(ctx, server.Client(), server.URL, false, Plenty); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestWebSocket(t *testing.T) {
	for name, tc := range map[string]struct {
		frames []string
		text   string
		want   error
	}{
		"closed":     {[]string{"o", `a["x"]`, "h", `c[1000,""]`}, "x", io.EOF},
		"two":        {[]string{"o", `a["x","y"]`}, "", ErrProtocol},
		"no frame":   {[]string{"x"}, "", ErrProtocol},
		"not closed": {[]string{"o", `a["x"]`}, "x", websocket.CloseError{Code: websocket.StatusNormalClosure}},
	} {
		t.Run(name, func(t *testing.T) {
			got := make(chan string, 1)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				ws, err := websocket.Accept(w, r, nil)
				if err != nil {
					t.Error(err)
					return
				}
				_, b, _ := ws.Read(r.Context())
				got <- string(b)
				for _, f := range tc.frames {
					_ = ws.Write(r.Context(), websocket.MessageText, []byte(f))
				}
				_ = ws.Close(websocket.StatusNormalClosure, "")
			}))
			defer server.Close()
			ws, _, err := websocket.Dial(context.Background(), "ws"+strings.TrimPrefix(server.URL, "http"), nil)
			if err != nil {
				t.Fatal(err)
			}
			s := OverWebSocket(ws, Plenty)
			defer func() { _ = s.Close() }()
			if _, err := s.Write([]byte("hello\n")); err != nil {
				t.Fatal(err)
			}
			if text := <-got; text != `["hello\n"]` {
				t.Errorf("it has sent %s", text)
			}
			wantAll(t, s, tc.text, tc.want)
		})
	}
}
