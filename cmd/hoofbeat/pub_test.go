package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/internal/client/fakebroker"
)

// tempFile returns the name of a file with this content.
func tempFile(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestPubSendsWithHeadersAndReceipts(t *testing.T) {
	_, url := fakebroker.WebSocket(t, false, func(p *fakebroker.Peer) {
		c := p.Accept()
		if got := c.Header.Get("Authorization"); got != "Bearer tok" {
			t.Errorf("Authorization is %q", got)
		}
		for _, body := range []string{"one", "two"} {
			f := p.Want(frame.SEND)
			got := []string{string(f.Body), f.Header.Get("destination"), f.Header.Get("content-type"), f.Header.Get("a"), f.Header.Get("b")}
			if want := []string{body, "/topic/x", "text/plain", "1:2", ""}; !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
			p.Receipt(f)
		}
		p.Disconnect()
	})
	r := runProgram(t.Context(), nil, "pub", "/topic/x", "one", "two", "--url", url, "--header", "a:1:2", "--header", "b:",
		"--content-type", "text/plain", "--token-file", tempFile(t, "tok\n"))
	if (r != result{}) {
		t.Errorf("got %+v, want silence and exit code 0", r)
	}
}

func TestPubTakesBodiesFrom(t *testing.T) {
	for name, tc := range map[string]struct {
		stdin string
		args  []string
		want  []string
	}{
		"stdin":  {"one\ntwo\r\n\nlast", nil, []string{"one", "two", "", "last"}},
		"file":   {"", []string{"--file", tempFile(t, "a\nb\n")}, []string{"a\nb\n"}},
		"repeat": {"x\ny\n", []string{"--repeat", "2"}, []string{"x", "x", "y", "y"}},
		"none":   {"", nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			url := fakebroker.TCP(t, nil, func(p *fakebroker.Peer) {
				p.Accept()
				for _, body := range tc.want {
					f := p.Want(frame.SEND)
					if _, asked := f.Header.Contains(frame.Receipt); asked || string(f.Body) != body {
						t.Errorf("got %q, receipt asked for: %v; want %q and none", f.Body, asked, body)
					}
				}
				p.Disconnect()
			})
			args := append([]string{"pub", "/queue/x", "--url", url, "--receipt=false"}, tc.args...)
			if r := runProgram(t.Context(), strings.NewReader(tc.stdin), args...); r.code != 0 {
				t.Errorf("got %+v", r)
			}
		})
	}
}

func TestPubTransaction(t *testing.T) {
	url := fakebroker.TCP(t, nil, func(p *fakebroker.Peer) {
		p.Accept()
		tx := p.Want(frame.BEGIN).Header.Get(frame.Transaction)
		for range 2 {
			if f := p.Want(frame.SEND); f.Header.Get(frame.Transaction) != tx || f.Header.Get(frame.Receipt) != "" {
				t.Errorf("SEND has %v, want transaction %q and no receipt", f.Header, tx)
			}
		}
		f := p.Want(frame.COMMIT)
		if f.Header.Get(frame.Transaction) != tx {
			t.Errorf("COMMIT has %v, want transaction %q", f.Header, tx)
		}
		p.Receipt(f)
		p.Disconnect()
	})
	if r := runProgram(t.Context(), nil, "pub", "/queue/x", "a", "b", "--transaction", "--url", url); r.code != 0 {
		t.Errorf("got %+v", r)
	}
}

func TestPubReportsTheBrokersError(t *testing.T) {
	refuse := func(p *fakebroker.Peer) {
		p.Accept()
		p.Want(frame.SEND)
		p.Send(frame.ERROR, "ann may not send to /topic/x\nsee acl\n", frame.Message, "access-denied")
		p.WantEnd()
	}
	for _, receipt := range []string{"--receipt=true", "--receipt=false"} {
		t.Run(receipt, func(t *testing.T) {
			_, url := fakebroker.WebSocket(t, false, refuse)
			r := runProgram(t.Context(), nil, "pub", "/topic/x", "body", "--url", url, "--passcode", "hush", receipt)
			if r.code != 1 || !strings.Contains(r.stderr, "ERROR access-denied\nann may not send to /topic/x\nsee acl\n") {
				t.Errorf("got %+v, want the whole ERROR", r)
			}
			if strings.Contains(r.stderr, "hush") {
				t.Errorf("the passcode is shown: %s", r.stderr)
			}
		})
	}
}

func TestPubFailsWithoutItsReceipt(t *testing.T) {
	for name, tc := range map[string]struct {
		end  func(*fakebroker.Peer)
		want string
	}{
		"closed": {func(*fakebroker.Peer) {}, "after 0 messages: the broker closed the connection"},
		"silent": {(*fakebroker.Peer).WantEnd, "after 0 messages: no answer from the broker within 50ms"},
	} {
		t.Run(name, func(t *testing.T) {
			url := fakebroker.TCP(t, nil, func(p *fakebroker.Peer) {
				p.Accept()
				p.Want(frame.SEND)
				tc.end(p)
			})
			r := runProgram(t.Context(), nil, "pub", "/queue/x", "body", "--url", url, "--receipt-timeout", "50ms")
			if r.code != 1 || !strings.Contains(r.stderr, tc.want) {
				t.Errorf("got %+v, want %q", r, tc.want)
			}
		})
	}
}

func TestPubInterruptedSaysGoodbye(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	stdin, keyboard := io.Pipe()
	defer keyboard.Close()
	url := fakebroker.TCP(t, nil, func(p *fakebroker.Peer) {
		p.Accept()
		p.Receipt(p.Want(frame.SEND))
		cancel()
		p.Disconnect()
	})
	go func() { _, _ = io.WriteString(keyboard, "one\n") }() // ends with the pipe
	r := runProgram(ctx, stdin, "pub", "/queue/x", "--url", url)
	if r.code != exitInterrupted {
		t.Errorf("got %+v, want exit code %d", r, exitInterrupted)
	}
}

func TestPubAndSubRefuseFlags(t *testing.T) {
	for args, want := range map[string]string{
		"pub":                                            "requires at least 1 arg",
		"pub /queue/x a --repeat 0":                      "--repeat",
		"pub /queue/x a --rate -1":                       "--rate",
		"pub /queue/x a --file f":                        "not both",
		"pub /queue/x a --header a":                      "NAME:VALUE",
		"pub /queue/x a --version 2":                     "1.0, 1.1 or 1.2",
		"pub /queue/x a --token-file /":                  "--token-file",
		"pub /queue/x a --ca main.go":                    "no certificate in main.go",
		"pub /queue/x a --url http://h":                  "unknown scheme",
		"pub /queue/x a --token a --token-file b":        "none of the others can be",
		"pub /queue/x a --receipt-timeout 0s":            "--receipt-timeout",
		"sub":                                            "accepts 1 arg",
		"sub /queue/x --ack never":                       "--ack",
		"sub /queue/x --nack":                            "--nack needs",
		"sub /queue/x --nack --ack client --version 1.0": "--nack needs STOMP",
		"sub /queue/x --count -1":                        "must not be negative",
		"sub /queue/x --header :v":                       "NAME:VALUE",
	} {
		if r := runProgram(t.Context(), nil, strings.Fields(args)...); r.code != 1 || !strings.Contains(r.stderr, want) {
			t.Errorf("hoofbeat %s: got %+v, want %q", args, r, want)
		}
	}
}

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		p := &publisher{rate: 4}
		for ; p.sent < 3; p.sent++ {
			if err := p.pace(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got, want := time.Since(start), time.Duration(p.sent)*time.Second/4; got != want {
				t.Errorf("message %d is due after %v, want %v", p.sent, got, want)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := p.pace(ctx); err == nil {
			t.Error("an interrupted wait returned nil")
		}
	})
}
