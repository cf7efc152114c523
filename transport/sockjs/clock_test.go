package sockjs

import (
	"strings"
	"testing"

	"hoofbeat/connections"
	"hoofbeat/session"
)

// Heart-beats depend on LastRead, so a step of the wall clock must not move it.
func TestLastReadIsMonotonicOverHTTP(t *testing.T) {
	e := New(nil, connections.New(connections.Options{}), "/ws", Options{})
	if text := newXHRConn(e, sessionKey{}, session.Info{}).LastRead().String(); !strings.Contains(text, " m=") {
		t.Errorf("%s is by the machine's clock", text)
	}
}
