package client_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-stomp/stomp/v3"
	"github.com/go-stomp/stomp/v3/frame"
	"go.uber.org/goleak"

	"hoofbeat/internal/client"
	"hoofbeat/internal/client/fakebroker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tlsPair returns a server's configuration and one of a client that trusts it.
func tlsPair(t *testing.T) (server, trusting *tls.Config) {
	t.Helper()
	s := httptest.NewTLSServer(http.NotFoundHandler())
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return &tls.Config{Certificates: s.TLS.Certificates}, &tls.Config{RootCAs: roots, ServerName: "example.com"}
}

func TestDialOverEveryTransport(t *testing.T) {
	serverTLS, clientTLS := tlsPair(t)
	body := strings.Repeat("x", 100_000)
	script := func(p *fakebroker.Peer) {
		c := p.Accept()
		for k, want := range map[string]string{
			"host": "broker", "login": "ann", "passcode": "p", "Authorization": "Bearer tok", "client-id": "c1",
			"accept-version": "1.0,1.1,1.2", "heart-beat": "20000,20000",
		} {
			if got := c.Header.Get(k); got != want {
				t.Errorf("CONNECT %s = %q, want %q", k, got, want)
			}
		}
		f := p.Want(frame.SEND)
		if string(f.Body) != body {
			t.Errorf("the body arrived with %d bytes, want %d", len(f.Body), len(body))
		}
		p.Receipt(f)
		p.Disconnect()
		if p.Kinds != nil && !slices.Equal(p.Kinds, []string{"text", "text", "text"}) {
			t.Errorf("messages are %v, want three of text", p.Kinds)
		}
	}
	_, ws := fakebroker.WebSocket(t, false, script)
	_, wss := fakebroker.WebSocket(t, true, script)
	for _, address := range []string{
		fakebroker.TCP(t, nil, script), fakebroker.TCP(t, serverTLS, script), ws, wss,
	} {
		t.Run(address[:strings.Index(address, ":")], func(t *testing.T) {
			conn, err := client.Dial(t.Context(), address, client.Options{
				Login: "ann", Passcode: "p", Token: "tok", Host: "broker", TLS: clientTLS, HeartBeat: 20 * time.Second,
				Headers: frame.NewHeader("client-id", "c1"),
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := conn.Send("/queue/a", "", []byte(body), stomp.SendOpt.Receipt); err != nil {
				t.Error(err)
			}
			if err := conn.Disconnect(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestBinaryBodyIsABinaryMessage(t *testing.T) {
	_, address := fakebroker.WebSocket(t, false, func(p *fakebroker.Peer) {
		p.Accept()
		p.Receipt(p.Want(frame.SEND))
		p.Disconnect()
		if want := []string{"text", "binary", "text"}; !slices.Equal(p.Kinds, want) {
			t.Errorf("messages are %v, want %v", p.Kinds, want)
		}
	})
	conn, err := client.Dial(t.Context(), address, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Send("/queue/a", "", []byte{0xff, 0, 0xfe}, stomp.SendOpt.Receipt); err != nil {
		t.Error(err)
	}
	if err := conn.Disconnect(); err != nil {
		t.Error(err)
	}
}

func TestVersionsAndOriginReachTheUpgrade(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, r.Header.Get("Origin")+" offers "+r.Header.Get("Sec-WebSocket-Protocol"), http.StatusForbidden)
	}))
	defer s.Close()
	address := strings.Replace(s.URL, "http", "ws", 1) + "/ws?access_token=hush"
	_, err := client.Dial(t.Context(), address, client.Options{
		Origin: "https://shop.example", Versions: []stomp.Version{stomp.V11},
	})
	if err == nil || !strings.Contains(err.Error(), "403 Forbidden: https://shop.example offers v11.stomp") {
		t.Errorf("got %v, want the server's own words", err)
	}
	if err != nil && strings.Contains(err.Error(), "hush") {
		t.Errorf("the error shows the token of the address: %v", err)
	}
}

func TestRefusedConnectReturnsTheWholeError(t *testing.T) {
	_, address := fakebroker.WebSocket(t, false, func(p *fakebroker.Peer) {
		p.Want(frame.CONNECT)
		p.Send(frame.ERROR, "no such user", frame.Message, "access-denied")
		p.WantEnd()
	})
	var seen *frame.Frame
	_, err := client.Dial(t.Context(), address, client.Options{
		Passcode: "hush",
		Observe: func(f *frame.Frame, _ error) {
			if f != nil {
				seen = f
			}
		},
	})
	f := client.ErrorFrame(err)
	if f == nil || f.Header.Get(frame.Message) != "access-denied" || string(f.Body) != "no such user" {
		t.Fatalf("got %v with frame %v, want the ERROR frame", err, f)
	}
	if seen == nil || string(seen.Body) != "no such user" {
		t.Errorf("the observer saw %v, want the ERROR frame", seen)
	}
	if strings.Contains(err.Error(), "hush") {
		t.Errorf("the error shows the passcode: %v", err)
	}
}

func TestDialEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	address := fakebroker.TCP(t, nil, func(p *fakebroker.Peer) {
		p.Want(frame.CONNECT)
		cancel(enough)
		p.WantEnd()
	})
	if _, err := client.Dial(ctx, address, client.Options{}); !errors.Is(err, enough) {
		t.Errorf("got %v, want the cause of the context", err)
	}
}

func TestSubscribeReceipt(t *testing.T) {
	address := fakebroker.TCP(t, nil, func(p *fakebroker.Peer) {
		p.Accept()
		f := p.Want(frame.SUBSCRIBE)
		p.Receipt(f)
		p.Send(frame.MESSAGE, "hello", frame.Subscription, f.Header.Get(frame.Id), frame.MessageId, "1", frame.Destination, "/topic/a")
		p.Disconnect()
	})
	receipts := make(chan string, 10)
	conn, err := client.Dial(t.Context(), address, client.Options{Observe: func(f *frame.Frame, _ error) {
		if f != nil {
			receipts <- f.Command + " " + f.Header.Get(frame.ReceiptId)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	sub, err := conn.Subscribe("/topic/a", stomp.AckAuto, client.SubscribeReceipt("ready"))
	if err != nil {
		t.Fatal(err)
	}
	if got := <-receipts; got != "RECEIPT ready" {
		t.Errorf("observed %q, want the RECEIPT of SUBSCRIBE", got)
	}
	if m := <-sub.C; m.Err != nil || string(m.Body) != "hello" {
		t.Errorf("got %q, %v: the subscription did not survive its receipt", m.Body, m.Err)
	}
	if err := conn.Disconnect(); err != nil {
		t.Error(err)
	}
	for range sub.C { // closed once go-stomp has noticed the end
	}
}

func TestObserveReportsTheEndOnce(t *testing.T) {
	address := fakebroker.TCP(t, nil, func(p *fakebroker.Peer) { p.Accept() })
	ends := make(chan error, 2)
	_, err := client.Dial(t.Context(), address, client.Options{Observe: func(_ *frame.Frame, err error) { ends <- err }})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-ends; !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want the end of the connection", err)
	}
}

func TestDialRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		address string
		options client.Options
		want    string
	}{
		"no URL":             {"ws://%zz?t=hush", client.Options{}, "not a URL"},
		"scheme":             {"http://localhost/ws", client.Options{}, `unknown scheme "http"`},
		"no host":            {"ws:///ws", client.Options{}, "no host"},
		"credentials":        {"ws://ann:hush@localhost/ws", client.Options{}, "credentials in the address"},
		"line in token":      {"ws://localhost", client.Options{Token: "hush\nx:y"}, "token contains a line end"},
		"colon in name":      {"ws://localhost", client.Options{Headers: frame.NewHeader("a:b", "hush")}, `header "a:b"`},
		"line in the header": {"ws://localhost", client.Options{Headers: frame.NewHeader("a", "hush\r")}, `header "a"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := client.Dial(t.Context(), tc.address, tc.options)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want %q", err, tc.want)
			}
			if strings.Contains(err.Error(), "hush") {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
}

func TestErrorFrame(t *testing.T) {
	f := frame.New(frame.ERROR, frame.Message, "m")
	for name, tc := range map[string]struct {
		err  error
		want *frame.Frame
	}{
		"value":     {stomp.Error{Message: "m", Frame: f}, f},
		"pointer":   {&stomp.Error{Message: "m", Frame: f}, f},
		"no frame":  {stomp.ErrAlreadyClosed, nil},
		"not ERROR": {stomp.Error{Frame: frame.New(frame.RECEIPT)}, nil},
		"other":     {io.EOF, nil},
		"nil":       {nil, nil},
	} {
		if got := client.ErrorFrame(tc.err); got != tc.want {
			t.Errorf("%s: got %v, want %v", name, got, tc.want)
		}
	}
}
