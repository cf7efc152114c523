package main

import (
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/internal/client/fakebroker"
)

// acceptSubscription accepts CONNECT and SUBSCRIBE and returns the SUBSCRIBE.
func acceptSubscription(p *fakebroker.Peer) *frame.Frame {
	p.Accept()
	f := p.Want(frame.SUBSCRIBE)
	p.Receipt(f)
	return f
}

// deliver sends a message on the subscription.
func deliver(p *fakebroker.Peer, subscription *frame.Frame, id, body string, headers ...string) {
	p.Send(frame.MESSAGE, body, append([]string{
		frame.Subscription, subscription.Header.Get(frame.Id), frame.MessageId, id, frame.Ack, id,
		frame.Destination, subscription.Header.Get(frame.Destination),
	}, headers...)...)
}

func TestSubPrintsAndAcknowledges(t *testing.T) {
	for name, tc := range map[string]struct {
		args         []string
		mode, answer string // answer: the command of the answer; empty: none
	}{
		"auto":              {nil, "auto", ""},
		"client":            {[]string{"--ack", "client"}, "client", frame.ACK},
		"client-individual": {[]string{"--ack", "client-individual"}, "client-individual", frame.ACK},
		"nack":              {[]string{"--ack", "client", "--nack"}, "client", frame.NACK},
	} {
		t.Run(name, func(t *testing.T) {
			_, url := fakebroker.WebSocket(t, false, func(p *fakebroker.Peer) {
				f := acceptSubscription(p)
				for k, want := range map[string]string{"ack": tc.mode, "prefetch-count": "7", "durable": "true", "destination": "/queue/x"} {
					if got := f.Header.Get(k); got != want {
						t.Errorf("SUBSCRIBE %s = %q, want %q", k, got, want)
					}
				}
				for _, id := range []string{"m1", "m2"} {
					deliver(p, f, id, "body of "+id)
					if tc.answer != "" && p.Want(tc.answer).Header.Get(frame.Id) != id {
						t.Errorf("%s is not for %s", tc.answer, id)
					}
				}
				p.Disconnect()
			})
			args := append([]string{"sub", "/queue/x", "--url", url, "--count", "2", "--prefetch", "7", "--header", "durable:true"}, tc.args...)
			want := result{0, "body of m1\nbody of m2\n", "subscribed\n"}
			if r := runProgram(t.Context(), nil, args...); r != want {
				t.Errorf("got %+v, want %+v", r, want)
			}
		})
	}
}

func TestSubPrintsJSON(t *testing.T) {
	url := fakebroker.TCP(t, nil, func(p *fakebroker.Peer) {
		f := acceptSubscription(p)
		deliver(p, f, "m1", "<text>\n", "k", "first", "k", "second")
		deliver(p, f, "m2", "\xff")
		deliver(p, f, "m3", "")
		p.Disconnect()
	})
	r := runProgram(t.Context(), nil, "sub", "/topic/x", "--url", url, "--count", "3", "--json")
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	if r.code != 0 || len(lines) != 3 {
		t.Fatalf("got %+v, want three lines", r)
	}
	for i, want := range []map[string]any{{"body": "<text>\n", "k": "first"}, {"bodyBase64": "/w=="}, {"body": ""}} {
		var got map[string]any
		if err := json.Unmarshal([]byte(lines[i]), &got); err != nil {
			t.Fatal(err)
		}
		headers, _ := got["headers"].(map[string]any)
		if got["destination"] != "/topic/x" || got["subscription"] != headers["subscription"] || headers["k"] != want["k"] {
			t.Errorf("line %d: %s", i, lines[i])
		}
		for _, k := range []string{"body", "bodyBase64"} {
			if !reflect.DeepEqual(got[k], want[k]) {
				t.Errorf("line %d: %s is %v, want %v", i, k, got[k], want[k])
			}
		}
	}
}

func TestSubReportsTheBrokersError(t *testing.T) {
	for name, tc := range map[string]struct {
		script func(*fakebroker.Peer)
		stdout string
	}{
		"on SUBSCRIBE": {func(p *fakebroker.Peer) {
			p.Accept()
			p.Want(frame.SUBSCRIBE)
		}, ""},
		"after messages": {func(p *fakebroker.Peer) {
			f := acceptSubscription(p)
			for _, body := range strings.Fields(strings.Repeat("x ", 50)) {
				deliver(p, f, "m", body)
			}
		}, strings.Repeat("x\n", 50)},
	} {
		t.Run(name, func(t *testing.T) {
			_, url := fakebroker.WebSocket(t, false, func(p *fakebroker.Peer) {
				tc.script(p)
				p.Send(frame.ERROR, "log in again", frame.Message, "token-expired")
				p.WantEnd()
			})
			r := runProgram(t.Context(), nil, "sub", "/topic/x", "--url", url)
			if r.code != 1 || r.stdout != tc.stdout || !strings.HasSuffix(r.stderr, "hoofbeat: the broker answered ERROR token-expired\nlog in again\n") {
				t.Errorf("got %+v, want %q and the whole ERROR", r, tc.stdout)
			}
		})
	}
}

func TestSubInterruptedSaysGoodbye(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	url := fakebroker.TCP(t, nil, func(p *fakebroker.Peer) {
		f := acceptSubscription(p)
		cancel()
		for range 100 { // more than go-stomp buffers; the DISCONNECT must get through after them
			deliver(p, f, "m", "late")
		}
		p.Disconnect()
	})
	if r := runProgram(ctx, nil, "sub", "/topic/x", "--url", url); r.code != 0 {
		t.Errorf("got %+v, want exit code 0", r)
	}
}

func TestSubTimeout(t *testing.T) {
	url := fakebroker.TCP(t, nil, func(p *fakebroker.Peer) {
		acceptSubscription(p)
		p.Disconnect()
	})
	r := runProgram(t.Context(), nil, "sub", "/topic/x", "--url", url, "--timeout", "50ms")
	if r.code != 1 || !strings.Contains(r.stderr, "nothing came for 50ms") {
		t.Errorf("got %+v, want exit code 1", r)
	}
}
