package session

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

var (
	stateNames = map[string]state{"connecting": connecting, "serving": serving, "dismissed": dismissed, "leaving": leaving,
		"halfClosed": halfClosed, "failing": failing, "ended": ended}
	eventNames = map[string]event{"connectAccepted": connectAccepted, "dismissal": dismissal, "disconnectRead": disconnectRead,
		"inputClosed": inputClosed, "frameFailed": frameFailed, "allAnswered": allAnswered, "ending": ending}
)

// All events in all states; "-" changes nothing.
func TestTransitions(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(`
		state       connectAccepted  dismissal  disconnectRead  inputClosed  frameFailed  allAnswered  ending
		connecting  serving          ended      -               halfClosed   failing      -            ended
		serving     -                dismissed  leaving         halfClosed   failing      -            ended
		dismissed   -                -          leaving         halfClosed   failing      -            ended
		leaving     -                -          -               -            failing      ended        ended
		halfClosed  -                -          -               -            failing      ended        ended
		failing     -                -          -               -            -            ended        ended
		ended       -                -          -               -            -            -            -`), "\n")
	head, cells := strings.Fields(lines[0])[1:], 0
	for _, line := range lines[1:] {
		row := strings.Fields(line)
		for i, name := range head {
			from, want := stateNames[row[0]], stateNames[row[i+1]]
			if row[i+1] == "-" {
				want = from
			}
			if got := from.next(eventNames[name]); from == 0 || got != want {
				t.Errorf("%s in state %s leads to state %d, want %s", name, row[0], got, row[i+1])
			}
			cells++
		}
	}
	if want := int(states-1) * int(events); cells != want || len(stateNames) != int(states-1) || len(eventNames) != int(events) {
		t.Errorf("%d cells were looked at, there are %d", cells, want)
	}
}

// The diagram in ARCHITECTURE.md has all transitions, and no others.
func TestLifecycleDiagram(t *testing.T) {
	page, err := os.ReadFile("../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, diagram, _ := strings.Cut(string(page), "stateDiagram-v2\n")
	diagram, _, _ = strings.Cut(diagram, "```")
	drawn := map[[2]string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\s*(\w+) --> (\w+): (.+)$`).FindAllStringSubmatch(diagram, -1) {
		for _, e := range strings.Split(m[3], ", ") {
			drawn[[2]string{m[1], e}] = m[2]
		}
	}
	for from, s := range stateNames {
		for name, e := range eventNames {
			key := [2]string{from, name}
			if to := s.next(e); to != s && stateNames[drawn[key]] != to || to == s && drawn[key] != "" {
				t.Errorf("the diagram has %q for %s in state %s", drawn[key], name, from)
			}
			delete(drawn, key)
		}
	}
	if len(drawn) > 0 {
		t.Errorf("the diagram has %v", drawn)
	}
}

// An ended session stays so, and any state but that can end.
func TestEveryStateEnds(t *testing.T) {
	for name, from := range stateNames {
		l := &lifecycle{}
		l.word.Store(uint32(from) | wasConnected)
		l.end(fault(GoingAway, "first"))
		l.end(fault(GoingAway, "second"))
		if !l.connected() || l.disconnected() || l.state() != ended || l.reason.Load().Text != "first" {
			t.Errorf("%s: state %d, connected %v, reason %v", name, l.state(), l.connected(), l.reason.Load())
		}
	}
}

// What has been stays known in later states.
func TestHistory(t *testing.T) {
	l := &lifecycle{}
	l.begin()
	for _, step := range []struct {
		e                       event
		to                      state
		connected, disconnected bool
	}{
		{disconnectRead, connecting, false, false},
		{connectAccepted, serving, true, false},
		{dismissal, dismissed, true, false},
		{disconnectRead, leaving, true, true},
		{frameFailed, failing, true, true},
		{allAnswered, ended, true, true},
	} {
		if _, to := l.on(step.e); to != step.to || l.state() != to || l.connected() != step.connected || l.disconnected() != step.disconnected {
			t.Errorf("event %d leads to state %d, connected %v, disconnected %v", step.e, to, l.connected(), l.disconnected())
		}
	}
}
