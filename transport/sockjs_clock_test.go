package transport

import (
	"strings"
	"testing"

	"hoofbeat/connections"
	"hoofbeat/session"
)

// Heart-beats depend on LastRead, so a step of the wall clock must not move it.
func TestLastReadIsMonotonicOverHTTP(t *testing.T) {
	e := newEndpoint(nil, connections.New(connections.Options{}), "/ws", SockJS{})
	if text := newXHRConn(e, sockKey{}, session.Info{}).LastRead().String(); !strings.Contains(text, " m=") {
		t.Errorf("%s is by the machine's clock", text)
	}
}
