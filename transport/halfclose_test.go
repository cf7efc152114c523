package transport_test

import (
	"testing"

	"hoofbeat/internal/stomptest"
)

// A client that half-closes its connection after its last frame still gets the
// answers.
func TestHalfClose(t *testing.T) {
	for name, dial := range map[string]func(w *world) stomptest.Conn{
		"tcp": func(w *world) stomptest.Conn { return dialTCP(w.t, w.tcp(nil)) },
		"tls": func(w *world) stomptest.Conn { return dialTLS(w.t, w.tcp(serverTLS())) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c := stomptest.New(t, dial(w))
			c.Write("CONNECT\naccept-version:1.2\n\n\x00SUBSCRIBE\nid:1\ndestination:/topic/a\nreceipt:s\n\n\x00" +
				"SEND\ndestination:/topic/a\nreceipt:r\n\nx\x00SEND\ndestination:/queue/a\nreceipt:q\n\n\x00")
			c.HalfClose()
			c.Want("CONNECTED")
			c.WantReceipt("s")
			c.Want("MESSAGE", "", "x")
			c.WantReceipt("r")
			c.WantReceipt("q")
			c.WantClosed()
		})
	}
}
