package transport_test

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"hoofbeat/internal/servertest"
	"hoofbeat/internal/stomptest"
)

// quickBeats allows heart-beat intervals that tests can wait for.
func quickBeats(o *servertest.Options) { o.Session.HeartBeat.Min = 10 * time.Millisecond }

func withSockJS(o *servertest.Options) { o.SockJS.Enabled = true }

// patientSockJS is for clients that a busy machine may prevent from polling in
// time.
func patientSockJS(o *servertest.Options) {
	o.SockJS.Enabled, o.SockJS.DisconnectDelay = true, stomptest.DefaultLimit/2
}

func largeBody(s stage, headers ...string) {
	body := strings.Repeat("0123456789abcdef", 5<<20/16)
	c := s.connect()
	subscribe(c, "/queue/a")
	lines := append([]string{"destination:/queue/a", "receipt:sent"}, headers...)
	c.Send("SEND", append(lines, "", body)...)
	c.AwaitReceipt("sent") // in any order
	c.Want("MESSAGE", "content-length:5242880", "", body)
}

func nulBodies(s stage) {
	c := s.connect()
	subscribe(c, "/topic/a")
	for _, body := range []string{"\x00", "a\x00b\x00", "\xff\x00\xfe", "\n", "", "grüße\x00"} {
		if s.text && !utf8.ValidString(body) {
			continue
		}
		c.Send("SEND", "destination:/topic/a", fmt.Sprintf("content-length:%d", len(body)), "", body)
		c.Want("MESSAGE", fmt.Sprintf("content-length:%d", len(body)), "", body)
	}
}

func oneWrite(s stage) {
	const n = 2000
	c := s.connect()
	subscribe(c, "/queue/a")
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "SEND\ndestination:/queue/a\nnumber:%d\n\nbody\x00\n", i)
	}
	c.Write(b.String())
	for i := range n {
		c.Want("MESSAGE", fmt.Sprintf("number:%d", i), "", "body")
	}
}

func byteWrites(s stage) {
	c := s.dial()
	bytewise := func(text string) {
		for i := range len(text) {
			c.Write(text[i : i+1])
		}
	}
	bytewise("\r\nSTOMP\r\naccept-version:1.2\r\nhost:x\r\n\r\n\x00\r\n")
	c.Want("CONNECTED")
	bytewise("SUBSCRIBE\nid:1\ndestination:/topic/a\n\n\x00\n\nSEND\ndestination:/topic/a\ncontent-length:5\n\nhe\x00lo\x00")
	c.Want("MESSAGE", "", "he\x00lo")
	bytewise("SEND\ndestination:/topic/a\nx:a\\cb\n\n" + strings.Repeat("z", 300) + "\x00")
	c.Want("MESSAGE", "x:a:b", "", strings.Repeat("z", 300))
}

func errorThenClose(s stage) {
	c := s.connect()
	subscribe(c, "/topic/a")
	for i := range 100 {
		c.Send("SEND", "destination:/topic/b", fmt.Sprintf("receipt:%d", i))
	}
	c.Send("SEND", "receipt:faulty")
	_ = c.TryWrite("SEND\ndestination:/topic/a\n\nnot handled any more\x00") // it may be closed already
	for i := range 100 {
		c.WantReceipt(fmt.Sprint(i))
	}
	c.WantError("missing-header", "faulty", "destination", "SEND")
	c.WantClosed()

	c = s.dial()
	c.Write("GET / HTTP/1.1\r\n\r\n")
	c.WantError("invalid-frame", "")
	c.WantClosed()
}

func disconnect(s stage) {
	c := s.connect()
	subscribe(c, "/queue/a", "ack:client")
	send(c, "/queue/a", "x", "y")
	c.Want("MESSAGE")
	c.Want("MESSAGE")
	c.Send("DISCONNECT", "receipt:bye")
	_ = c.TryWrite("SEND\ndestination:/queue/a\n\nignored\x00") // it may be closed already
	c.WantReceipt("bye")
	c.WantClosed()
	s.wantDepth("/queue/a", 2, 0)

	c = s.connect()
	c.Send("DISCONNECT")
	c.WantClosed()
}

func beatsFromBroker(s stage) {
	c := s.dial()
	if f := c.Connect("1.2", "heart-beat:0,20"); f.Get("heart-beat") != "20,0" {
		c.Fatalf("heart-beat is %q", f.Get("heart-beat"))
	}
	for range 3 {
		c.WantBeat()
	}
	c.Barrier()
	c.WantBeat()
}

func beatsFromClient(s stage) {
	c := s.dial()
	start := time.Now()
	if f := c.Connect("1.1", "heart-beat:100,0"); f.Get("heart-beat") != "0,100" {
		c.Fatalf("heart-beat is %q", f.Get("heart-beat"))
	}
	if err := c.TryWrite("\n"); err != nil {
		s.t.Error(err)
	}
	c.WantError("heart-beat-timeout", "")
	c.WantClosed()
	if took := time.Since(start); took < 200*time.Millisecond {
		s.t.Errorf("given up after %v", took)
	}
}
