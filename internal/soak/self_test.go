package soak

import (
	"strings"
	"testing"
)

// TestLedger checks that the ledger finds faults.
func TestLedger(t *testing.T) {
	for _, c := range []struct {
		name  string
		do    func(l *lane, n int)
		fault string // part of the fault that is found; empty: none
	}{
		{"acknowledged", func(l *lane, n int) { l.confirm(n); l.came(in, n, false, 1); l.use(in, n); l.settle(in, n, 1) }, ""},
		{"no answer, and gone", func(*lane, int) {}, ""},
		{"no answer, and there", func(l *lane, n int) { l.came(in, n, false, 1); l.use(in, n) }, ""},
		{"refused, and gone", func(l *lane, n int) { l.refuse(n) }, ""},
		{"moved", func(l *lane, n int) { l.confirm(n); l.came(in, n, false, 1); l.came(out, n, false, 1); l.use(out, n) }, ""},
		{"dead", func(l *lane, n int) { l.confirm(n); l.came(dead, n, false, 1); l.use(dead, n) }, ""},
		{"came again before its ACK", func(l *lane, n int) {
			l.confirm(n)
			l.came(in, n, false, 1)
			l.came(in, n, true, 2)
			l.use(in, n)
			l.settle(in, n, 2)
		}, ""},
		{"read late from a dying connection", func(l *lane, n int) {
			l.came(in, n, true, 2)
			l.use(in, n)
			l.settle(in, n, 2)
			l.came(in, n, false, 1)
		}, ""},
		{"never came", func(l *lane, n int) { l.confirm(n) }, "never came"},
		{"came, and was never acknowledged", func(l *lane, n int) { l.confirm(n); l.came(in, n, false, 1) }, "never acknowledged"},
		{"twice", func(l *lane, n int) { l.came(in, n, false, 1); l.came(in, n, false, 1) }, "there are two"},
		{"after its ACK", func(l *lane, n int) { l.came(in, n, false, 1); l.settle(in, n, 1); l.came(in, n, true, 2) }, "has a RECEIPT"},
		{"although refused", func(l *lane, n int) { l.refuse(n); l.came(in, n, false, 1) }, "refused"},
		{"never sent", func(l *lane, n int) { l.came(in, n+1, false, 1) }, "never sent"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLane("x", "/queue/x", "", &faults{})
			c.do(l, l.add())
			l.check()
			all, n := l.faults.list()
			if c.fault == "" && n > 0 || c.fault != "" && (n != 1 || !strings.Contains(all[0], c.fault)) {
				t.Errorf("got %q, want one with %q", all, c.fault)
			}
		})
	}
}

func TestEquation(t *testing.T) {
	s := scrape{
		"hoofbeat_a_total": {{map[string]string{"reason": "x"}, 3}, {map[string]string{"reason": "y"}, 4}, {map[string]string{"reason": "z"}, 5}},
		"hoofbeat_b":       {{nil, 7}},
	}
	for expression, want := range map[string]int64{
		"a_total": 12, "a_total{reason=x}": 3, "a_total{reason=x|y}": 7, "a_total{reason!=x}": 9, "b": 7, "c": 0,
	} {
		if got := s.sum(expression); got != want {
			t.Errorf("%s is %d, want %d", expression, got, want)
		}
	}
	if text := (equation{[]string{"a_total{reason=x|y}"}, []string{"b"}}).check(s); text != "" {
		t.Error(text)
	}
	if text := (equation{[]string{"a_total"}, []string{"b"}}).check(s); !strings.Contains(text, "5 too many") {
		t.Errorf("got %q", text)
	}
}

func TestExceeded(t *testing.T) {
	f := figures{goroutines: 20, heap: 1 << 20, sockets: 3, tables: 8, others: 11}
	if all := f.exceeded(figures{20, moreHeap, 3, 8 + moreTables, 11}); len(all) != 0 {
		t.Error(all)
	}
	if all := f.exceeded(figures{21, 2<<20 + moreHeap, 4, 9 + moreTables, 12}); len(all) != 5 {
		t.Error(all)
	}
}

// TestShares checks the number of connections.
func TestShares(t *testing.T) {
	sum := 0
	for _, as := range (&world{}).roles() {
		if as.share == 0 && as.fixed == 0 {
			t.Errorf("nobody is a %s", as.name)
		}
		sum += as.share
	}
	if sum != 1000 {
		t.Errorf("the shares add up to %d", sum)
	}
}
