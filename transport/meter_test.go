package transport_test

import (
	"strings"

	"hoofbeat/session"
)

// counted expects frames and their STOMP bytes to be counted, without the
// transport's framing.
func counted(s stage) {
	c := s.connect()
	send := "SEND\ndestination:/topic/a\n\n" + strings.Repeat("\"ä\n", 1000) + "\x00"
	subscribe(c, "/topic/a")
	c.Write(send + "\n\n" + send)
	received := 0
	for range 2 {
		received += len(c.Want("MESSAGE").Raw)
	}
	c.Send("DISCONNECT", "receipt:1")
	c.WantReceipt("1")
	c.WantClosed()
	c.Close()
	s.end() // all counters are flushed now
	t := s.server.Counters().Totals()
	for command, want := range map[string]session.Traffic{
		"SEND": {Frames: 2, Bytes: int64(2 * len(send))}, "SUBSCRIBE": {Frames: 1, Bytes: t.Received["SUBSCRIBE"].Bytes}, "CONNECT": {Frames: 1, Bytes: t.Received["CONNECT"].Bytes},
		"DISCONNECT": {Frames: 1, Bytes: int64(len("DISCONNECT\nreceipt:1\n\n\x00"))}, "ACK": {},
	} {
		if got := t.Received[command]; got != want || got.Frames > 0 && got.Bytes == 0 {
			s.t.Errorf("of %s came %+v, want %+v", command, got, want)
		}
	}
	for command, want := range map[string]session.Traffic{
		"MESSAGE": {Frames: 2, Bytes: int64(received)}, "RECEIPT": {Frames: 2, Bytes: t.Sent["RECEIPT"].Bytes}, "CONNECTED": {Frames: 1, Bytes: t.Sent["CONNECTED"].Bytes}, "ERROR": {},
	} {
		if got := t.Sent[command]; got != want || got.Frames > 0 && got.Bytes == 0 {
			s.t.Errorf("of %s went %+v, want %+v", command, got, want)
		}
	}
}
