package transport_test

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"hoofbeat/internal/stomptest"
	"hoofbeat/session"
)

// ways are all the transports: each opens its listener, if it needs one, and
// returns a function that opens connections.
var ways = map[string]func(w *world) func() stomptest.Conn{
	"pipe": func(w *world) func() stomptest.Conn {
		return func() stomptest.Conn {
			here, there := stomptest.Pipe(64 << 10)
			w.server.Serve(there, session.Info{Transport: "pipe", Remote: "pipe"})
			return here
		}
	},
	"tcp": func(w *world) func() stomptest.Conn {
		address := w.tcp(nil)
		return func() stomptest.Conn { return dialTCP(w.t, address) }
	},
	"tls": func(w *world) func() stomptest.Conn {
		address := w.tcp(serverTLS())
		return func() stomptest.Conn { return dialTLS(w.t, address) }
	},
	"ws text": func(w *world) func() stomptest.Conn {
		url := "ws://" + w.ws(nil) + path
		return func() stomptest.Conn { return &messages{ws: dialWS(w.t, url, nil), kind: websocket.MessageText} }
	},
	"ws binary": func(w *world) func() stomptest.Conn {
		url := "ws://" + w.ws(nil) + path
		return func() stomptest.Conn { return &messages{ws: dialWS(w.t, url, nil), kind: websocket.MessageBinary} }
	},
	"wss": func(w *world) func() stomptest.Conn {
		url := "wss://" + w.ws(serverTLS()) + path
		return func() stomptest.Conn { return &messages{ws: dialWS(w.t, url, nil), kind: websocket.MessageText} }
	},
	"ws below": func(w *world) func() stomptest.Conn {
		url := "ws://" + w.ws(nil) + path + "/websocket"
		return func() stomptest.Conn { return &messages{ws: dialWS(w.t, url, nil), kind: websocket.MessageText} }
	},
	"sockjs websocket": func(w *world) func() stomptest.Conn {
		url := "ws://" + w.ws(nil) + path
		return func() stomptest.Conn { return dialSockWS(w.t, url+"/000/"+rand.Text()+"/websocket", nil) }
	},
	"sockjs streaming": func(w *world) func() stomptest.Conn {
		url, web := "http://"+w.ws(nil)+path, httpClient(w.t, nil)
		return func() stomptest.Conn { return dialXHR(w.t, web, url+"/000/"+rand.Text(), true) }
	},
	"sockjs polling": func(w *world) func() stomptest.Conn {
		url, web := "https://"+w.ws(serverTLS())+path, httpClient(w.t, nil)
		return func() stomptest.Conn { return dialXHR(w.t, web, url+"/000/"+rand.Text(), false) }
	},
}

// A stage is the setting of a conversation.
type stage struct {
	*world
	dial func() *stomptest.Client
	// text marks transports that carry UTF-8 only.
	text bool
}

// connect opens a connection with STOMP 1.2.
func (s stage) connect(headers ...string) *stomptest.Client {
	s.t.Helper()
	c := s.dial()
	c.Connect("1.2", headers...)
	return c
}

// suite has the conversations that are the same over every transport.
var suite = map[string]func(s stage){
	"versions":           versions,
	"topics":             topics,
	"auto":               ackAuto,
	"client":             ackClient,
	"client-individual":  ackIndividual,
	"nack":               nack,
	"redelivery":         redelivery,
	"transactions":       transactions,
	"receipts":           receipts,
	"reply-to":           replyTo,
	"users":              users,
	"large body":         func(s stage) { largeBody(s, "content-length:5242880") },
	"large body, no len": func(s stage) { largeBody(s) },
	"NUL in bodies":      nulBodies,
	"one write":          oneWrite,
	"one-byte writes":    byteWrites,
	"error":              errorThenClose,
	"disconnect":         disconnect,
	"beats from broker":  beatsFromBroker,
	"beats from client":  beatsFromClient,
	"counted":            counted,
}

func TestSuite(t *testing.T) {
	for way, open := range ways {
		t.Run(way, func(t *testing.T) {
			for name, conversation := range suite {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					w := newWorld(t, quickBeats, patientSockJS)
					dial := open(w)
					conversation(stage{w, func() *stomptest.Client { return stomptest.New(t, dial()) }, strings.HasPrefix(way, "sockjs") || way != "ws binary" && strings.HasPrefix(way, "ws")})
				})
			}
		})
	}
}

func versions(s stage) {
	for _, v := range []string{"1.0", "1.1", "1.2"} {
		f := s.dial().Connect(v)
		if f.Get("session") == "" || f.Get("server") == "" || f.Get("user-name") != "anonymous" || len(f.Body) > 0 {
			s.t.Errorf("%s: CONNECTED is %q", v, f.Raw)
		}
	}
	if f := s.dial().ConnectAs("accept-version:1.0,1.1,1.2,2.0"); f.Get("version") != "1.2" {
		s.t.Errorf("CONNECTED is %q", f.Raw)
	}
	if f := s.dial().ConnectAs("host:x"); f.Get("version") != "1.0" {
		s.t.Errorf("without accept-version, CONNECTED is %q", f.Raw)
	}
	c := s.dial()
	c.Send("CONNECT", "accept-version:3.0")
	c.WantError("unsupported-version", "")
	c.WantClosed()
}

func topics(s stage) {
	one, many, other, publisher := s.connect(), s.connect(), s.connect(), s.connect()
	subscribe(one, "/topic/a.*.c")
	subscribe(many, "/topic/a/**")
	subscribe(other, "/topic/b.#")
	for _, d := range []string{"/topic/a.b.c", "/topic/a", "/topic/a/x/c"} {
		publisher.Send("SEND", "destination:"+d, "n:1", "", "to "+d)
	}
	publisher.Barrier()
	one.Want("MESSAGE", "subscription:1", "destination:/topic/a.b.c", "n:1", "!ack", "", "to /topic/a.b.c")
	one.Want("MESSAGE", "destination:/topic/a/x/c")
	one.WantNothing()
	many.Want("MESSAGE", "destination:/topic/a.b.c")
	many.Want("MESSAGE", "destination:/topic/a")
	many.Want("MESSAGE", "destination:/topic/a/x/c")
	other.WantNothing()
	many.Send("UNSUBSCRIBE", "id:1", "receipt:gone")
	many.WantReceipt("gone")
	publisher.Send("SEND", "destination:/topic/a.b.c")
	publisher.Barrier()
	one.Want("MESSAGE")
	many.WantNothing()
}

// subscribe subscribes with id 1, and waits for the RECEIPT.
func subscribe(c *stomptest.Client, destination string, headers ...string) {
	c.Send("SUBSCRIBE", append([]string{"id:1", "destination:" + destination, "receipt:subscribed"}, headers...)...)
	c.WantReceipt("subscribed")
}

// send sends bodies to a queue, and waits for the RECEIPTs.
func send(c *stomptest.Client, destination string, bodies ...string) {
	for _, b := range bodies {
		c.Send("SEND", "destination:"+destination, "", b)
	}
	c.Barrier()
}

func ackAuto(s stage) {
	c := s.connect()
	send(c, "/queue/a", "x", "y")
	subscribe(c, "/queue/a")
	c.Want("MESSAGE", "subscription:1", "destination:/queue/a", "content-length:1", "!ack", "!redelivered", "", "x")
	c.Want("MESSAGE", "", "y")
	s.wantDepth("/queue/a", 0, 0)
}

func ackClient(s stage) {
	c := s.connect()
	subscribe(c, "/queue/a", "ack:client")
	send(c, "/queue/a", "x", "y", "z")
	c.Want("MESSAGE", "", "x")
	id := c.Want("MESSAGE", "", "y").Get("ack")
	c.Want("MESSAGE", "", "z")
	c.Send("ACK", "id:"+id, "receipt:acked")
	c.WantReceipt("acked")
	s.wantDepth("/queue/a", 0, 1)
}

func ackIndividual(s stage) {
	for _, v := range []string{"1.0", "1.1", "1.2"} {
		c := s.dial()
		c.Connect(v)
		subscribe(c, "/queue/a", "ack:client-individual", "prefetch-count:2")
		send(c, "/queue/a", "x", "y", "z")
		c.Want("MESSAGE", "", "x")
		f := c.Want("MESSAGE", "", "y")
		c.WantNothing()
		if v == "1.2" {
			c.Send("ACK", "id:"+f.Get("ack"), "receipt:acked")
		} else {
			c.Send("ACK", "message-id:"+f.Get("message-id"), "subscription:1", "receipt:acked")
		}
		z := []string{c.Next().Command, c.Next().Command} // in any order
		if strings.Join(z, " ") != "RECEIPT MESSAGE" && strings.Join(z, " ") != "MESSAGE RECEIPT" {
			c.Fatalf("got %q", z)
		}
		s.wantDepth("/queue/a", 0, 2)
		c.Close()
		s.wantDepth("/queue/a", 2, 0)
		empty(s, "/queue/a", 2)
	}
}

// empty consumes n messages of a queue.
func empty(s stage, destination string, n int) {
	c := s.connect()
	subscribe(c, destination)
	for range n {
		c.Want("MESSAGE")
	}
	s.wantDepth(destination, 0, 0)
	c.Send("DISCONNECT", "receipt:bye")
	c.WantReceipt("bye")
	c.WantClosed()
}

func nack(s stage) {
	c := s.connect()
	subscribe(c, "/queue/a", "ack:client-individual")
	send(c, "/queue/a", "x")
	first := c.Want("MESSAGE", "!redelivered", "", "x").Get("ack")
	c.Send("NACK", "id:"+first)
	again := c.Want("MESSAGE", "redelivered:true", "delivery-count:2", "", "x").Get("ack")
	c.Send("NACK", "id:"+again, "requeue:false", "receipt:dropped")
	c.WantReceipt("dropped")
	s.wantDepth("/queue/a", 0, 0)
	c.Send("ACK", "id:"+first, "receipt:late")
	c.Want("RECEIPT", "receipt-id:late", "late:true")
}

func redelivery(s stage) {
	c := s.connect()
	subscribe(c, "/queue/a", "ack:client-individual")
	send(c, "/queue/a", "x", "y", "z")
	c.Want("MESSAGE", "", "x")
	id := c.Want("MESSAGE", "", "y").Get("ack")
	c.Want("MESSAGE", "", "z")
	c.Send("ACK", "id:"+id, "receipt:acked")
	c.WantReceipt("acked")
	c.Close()
	s.wantDepth("/queue/a", 2, 0)
	d := s.connect()
	subscribe(d, "/queue/a", "ack:client")
	d.Want("MESSAGE", "redelivered:true", "", "x")
	d.Want("MESSAGE", "redelivered:true", "", "z")
}

func transactions(s stage) {
	c, reader := s.connect(), s.connect()
	subscribe(reader, "/queue/b")
	subscribe(c, "/queue/a", "ack:client-individual")
	send(c, "/queue/a", "x")
	id := c.Want("MESSAGE").Get("ack")
	work := func(end string) {
		c.Send("BEGIN", "transaction:t")
		c.Send("SEND", "destination:/queue/b", "transaction:t", "receipt:sent", "", "one")
		c.Send("SEND", "destination:/queue/b", "transaction:t", "", "two")
		c.Send("ACK", "id:"+id, "transaction:t")
		c.WantNothing()
		c.Send(end, "transaction:t", "receipt:"+end)
	}
	work("ABORT")
	c.WantReceipt("ABORT")
	s.wantDepth("/queue/a", 0, 1)
	reader.WantNothing()
	work("COMMIT")
	c.WantReceipt("sent")
	c.WantReceipt("COMMIT")
	s.wantDepth("/queue/a", 0, 0)
	reader.Want("MESSAGE", "!transaction", "", "one")
	reader.Want("MESSAGE", "", "two")
}

func receipts(s stage) {
	c := s.connect()
	for i, f := range [][]string{
		{"SUBSCRIBE", "id:1", "destination:/topic/a"}, {"BEGIN", "transaction:t"}, {"ABORT", "transaction:t"},
		{"BEGIN", "transaction:t"}, {"COMMIT", "transaction:t"}, {"UNSUBSCRIBE", "id:1"}, {"SEND", "destination:/topic/a"},
	} {
		id := fmt.Sprintf("receipt %d\\c of this", i)
		c.Send(f[0], append(f[1:], "receipt:"+id)...)
		c.Want("RECEIPT", "receipt-id:"+strings.ReplaceAll(id, "\\c", ":"))
	}
}

func replyTo(s stage) {
	server, c := s.connect(), s.connect()
	subscribe(server, "/queue/requests")
	for range 2 {
		c.Send("SEND", "destination:/queue/requests", "reply-to:/temp-queue/answers", "correlation-id:7", "", "question")
		to := server.Want("MESSAGE", "correlation-id:7", "", "question").Get("reply-to")
		server.Send("SEND", "destination:"+to, "correlation-id:7", "", "answer")
		c.Want("MESSAGE", "subscription:/temp-queue/answers", "destination:/temp-queue/answers", "correlation-id:7", "", "answer")
	}
}

func users(s stage) {
	ann1, ann2, bob := s.connect("login:ann"), s.connect("login:ann"), s.connect("login:bob")
	for _, c := range []*stomptest.Client{ann1, ann2, bob} {
		subscribe(c, "/user/queue/news")
	}
	send(bob, "/user/ann/queue/news", "hello")
	ann1.Want("MESSAGE", "subscription:1", "destination:/user/queue/news", "", "hello")
	ann2.Want("MESSAGE", "subscription:1", "", "hello")
	bob.WantNothing()
}
