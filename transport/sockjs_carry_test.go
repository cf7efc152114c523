package transport_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"hoofbeat/internal/servertest"
	"hoofbeat/internal/socktest"
	"hoofbeat/internal/stomptest"
)

// sockjs-protocol: XhrPolling, and Protocol.
func TestSockJSPolling(t *testing.T) {
	t.Parallel()
	p := newPage(newWorld(t, patientSockJS))
	self := strings.TrimSuffix(p.base, path)
	s := newSession()
	a := p.do("POST", s+"/xhr", "", "Origin: "+self)
	a.want(t, 200, "o\n")
	wantHeaders(t, a, "Content-Type: application/javascript; charset=UTF-8", notCached, "Access-Control-Allow-Origin: "+self)
	a = p.do("POST", s+"/xhr_send", inMessages(connectFrame), "Origin: "+self)
	a.want(t, http.StatusNoContent, "")
	wantHeaders(t, a, "Content-Type: text/plain; charset=UTF-8", notCached, "Access-Control-Allow-Origin: "+self, "Access-Control-Allow-Credentials: true")

	s = p.connected()
	for _, tc := range []struct {
		path, body string
		status     int
		says       string
	}{
		{"/000/bad_session", `["x"]`, 404, ""},
		{s, `["x`, 500, "Broken JSON encoding."},
		{s, `x`, 500, "Broken JSON encoding."},
		{s, `{}`, 500, "Broken JSON encoding."},
		{s, `[1]`, 500, "Broken JSON encoding."},
		{s, ``, 500, "Payload expected."},
		{s, ` `, 500, "Payload expected."},
		{s, `[]`, 204, ""},
		{s, `["\n"]`, 204, ""},
		{s, `["\r\n","\n"]`, 204, ""},
	} {
		if a := p.do("POST", tc.path+"/xhr_send", tc.body); a.StatusCode != tc.status || !strings.Contains(a.body, tc.says) {
			t.Errorf("%s: %s, %q", tc.body, a.Status, a.body)
		}
	}
	types := []string{"text/plain", "T", "application/json", "application/xml", "", "application/json; charset=utf-8", "text/xml; charset=utf-8"}
	var begins []string
	for i, ct := range types {
		frame := fmt.Sprintf("SEND\ndestination:/topic/x\nreceipt:%d\n\n", i)
		p.do("POST", s+"/xhr_send", inMessages(frame), "Content-Type: "+ct).want(t, 204, "")
		begins = append(begins, fmt.Sprintf("RECEIPT\nreceipt-id:%d\n", i))
		p.poll(s, begins[i])
	}
	// The server part of the path does not identify the session.
	p.send(strings.Replace(s, "/000/", "/999/", 1), "SEND\ndestination:/topic/x\nreceipt:last\n\n")
	p.poll(strings.Replace(s, "/000/", "/123/", 1), "RECEIPT\nreceipt-id:last\n")
}

// sockjs-protocol: XhrStreaming, HandlingClose.
func TestSockJSStreaming(t *testing.T) {
	t.Parallel()
	w := newWorld(t, patientSockJS, func(o *servertest.Options) { o.SockJS.ResponseBytes = 4096 })
	p := newPage(w)
	s := newSession()
	r := p.open(s)
	r.want("o")
	p.send(s, connectFrame, subscribeFrame)
	if line := r.next(); !strings.HasPrefix(line, `a["CONNECTED\n`) {
		t.Fatal(line)
	}
	other := p.open(s)
	other.want(`c[2010,"Another connection still open"]`)
	other.wantEnd()
	p.do("POST", s+"/xhr", "").want(t, 200, another)
	// Responses end at the size limit, and no message is lost in between.
	var got []string
	const n = 60
	for i := range n {
		p.send(s, fmt.Sprintf("SEND\ndestination:/topic/a\nn:%d\n\n%s", i, strings.Repeat("x", 128)))
	}
	responses := 1
	for len(got) < n {
		line, err := r.lines.ReadString('\n')
		if err == io.EOF {
			responses++
			r = p.open(s)
			continue
		}
		f, err := socktest.Parse(strings.TrimSuffix(line, "\n"))
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		for _, m := range f.Messages {
			if strings.HasPrefix(m, "MESSAGE\n") {
				got = append(got, m)
			}
		}
	}
	for i, m := range got {
		if !strings.Contains(m, fmt.Sprintf("\nn:%d\n", i)) {
			t.Fatalf("message %d is %q", i, m)
		}
	}
	if want := n * 250 / 4096; responses < want || responses > want+5 {
		t.Errorf("%d responses for %d messages", responses, n)
	}
	// A client whose response breaks loses the session, and is told so.
	r.abort()
	eventually(t, "the session has ended", func() bool { return w.server.Sessions() == 0 })
	for range 2 {
		p.do("POST", s+"/xhr", "").want(t, 200, `c[1002,"Connection interrupted"]`+"\n")
	}
	p.do("POST", s+"/xhr_send", `["x"]`).want(t, 404, "404 page not found\n")
}

// The ERROR comes first, then the c frame with WebSocket's close code. Every
// request gets it until the session is forgotten.
func TestSockJSCloses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ frame, word, closes string }{
		"error":      {"SEND\n\n", "ERROR\nmessage:missing-header\n", `c[1002,"missing-header"]`},
		"disconnect": {"DISCONNECT\nreceipt:bye\n\n", "RECEIPT\nreceipt-id:bye\n", `c[1000,""]`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, patientSockJS)
			p := newPage(w)
			s := p.connected()
			p.send(s, tc.frame)
			p.poll(s, tc.word)
			for range 3 {
				p.do("POST", s+"/xhr", "").want(t, 200, tc.closes+"\n")
			}
			r := p.open(s)
			r.want(tc.closes)
			r.wantEnd()

			s = newSession()
			r = p.open(s)
			r.want("o")
			p.send(s, connectFrame, tc.frame)
			if line := r.next(); !strings.HasPrefix(line, `a["CONNECTED\n`) {
				t.Fatal(line)
			} else if !strings.Contains(line, tc.word[:5]) { // or in the same frame
				r.next()
			}
			r.want(tc.closes)
			r.wantEnd()

			ws := dialSockWS(t, "ws"+strings.TrimPrefix(p.base, "http")+s+"/websocket", nil) // session ids may be reused
			c := stomptest.New(t, ws)
			c.Connect("1.2")
			c.Write(tc.frame + "\x00")
			if f := c.Next(); !strings.HasPrefix(tc.word, f.Command) {
				t.Fatal(f.Raw)
			}
			last, err := socktest.Parse(tc.closes)
			if err != nil {
				t.Fatal(err)
			}
			wantLast(t, ws, last.Code, last.Reason)
		})
	}
}

// sockjs-protocol: Websocket.
func TestSockJSWebSocket(t *testing.T) {
	t.Parallel()
	for _, compressed := range []bool{false, true} {
		w := newWorld(t, patientSockJS, func(o *servertest.Options) { o.Compression = compressed })
		url := "ws://" + w.ws(nil) + path + newSession() + "/websocket"
		o := &websocket.DialOptions{Subprotocols: []string{"v12.stomp"}}
		if compressed {
			o.CompressionMode = websocket.CompressionNoContextTakeover
		}
		ws := dialSockWS(t, url, o)
		if p := ws.ws.Subprotocol(); p != "" {
			t.Errorf("the subprotocol %q was chosen", p)
		}
		for _, text := range []string{"", " ", "[]", `["\n"]`, `"\n"`, `["CONNECT\naccept-ver","sion:1.2\n","","\n\u0000"]`} {
			if err := ws.ws.Write(context.Background(), websocket.MessageText, []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		c := stomptest.New(t, ws)
		c.Want("CONNECTED")
		if others := ws.Others(); len(others) != 1 || others[0].Kind != 'o' {
			t.Errorf("%v came before CONNECTED", others)
		}
		subscribe(c, "/topic/a")
		for _, n := range []int{0, 1, 100, 1 << 10, 70 << 10, 300 << 10} {
			body := strings.Repeat("\u2028é\"\n", n/7+1)
			c.Send("SEND", "destination:/topic/a", "", body)
			c.Want("MESSAGE", "", body)
		}
		if err := ws.ws.Write(context.Background(), websocket.MessageText, []byte(`["a`)); err != nil {
			t.Fatal(err)
		}
		c.WantError("invalid-frame", "", "JSON array")
		wantLast(t, ws, 1002, "invalid-frame")
	}
}

// A binary frame is never converted: its subscriber gets an ERROR that tells it
// to connect in another way.
func TestSockJSBinary(t *testing.T) {
	t.Parallel()
	for name, dial := range ways {
		if !strings.HasPrefix(name, "sockjs") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, patientSockJS)
			conn := dial(w)()
			c := stomptest.New(t, conn)
			c.Connect("1.2")
			subscribe(c, "/topic/a")
			publisher := stomptest.New(t, dialTCP(t, w.tcp(nil)))
			publisher.Connect("1.2")
			send(publisher, "/topic/a", "text", "\xff\xfe", "more")
			c.Want("MESSAGE", "", "text")
			c.WantError("binary-message", "", "UTF-8", "WebSocket")
			wantLast(t, conn.(sockClient), 1003, "binary-message")
		})
	}
}
