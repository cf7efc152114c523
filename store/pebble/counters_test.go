package pebble

import (
	"errors"
	"reflect"
	"testing"

	"hoofbeat/broker"
	"hoofbeat/internal/storetest"
)

// TestRefresh: messages put while a head is looked up count, in any order.
func TestRefresh(t *testing.T) {
	for _, c := range []struct {
		head  uint64
		puts  []uint64 // while it is looked up
		found uint64
		want  uint64
	}{
		{10, nil, 20, 20},
		{10, nil, 0, 10}, // nothing was found
		{10, []uint64{30, 40}, 20, 20},
		{10, []uint64{15, 40}, 20, 15},
		{10, []uint64{5}, 20, 5},
		{10, []uint64{5, 3, 7}, 20, 3},
	} {
		q := queue{}
		q.put(storetest.Seq(c.head), 1)
		l := q.lane(storetest.Seq(0).Lane)
		l.startRefresh()
		for _, n := range c.puts {
			q.put(storetest.Seq(n), 1)
		}
		l.endRefresh(place{seq: c.found})
		if l.head.seq != c.want || l.refreshing {
			t.Errorf("%+v: the head is %d", c, l.head.seq)
		}
	}
}

func TestCounterRecord(t *testing.T) {
	q := queue{id: 7, lastSeq: 1 << 60, lanes: []lane{
		{lane: broker.Delayed, count: 1 << 40, size: 1 << 50, head: place{-5, 1 << 63}},
		{lane: 0, count: 1, head: place{0, 1}},
	}}
	record := q.appendCounters(nil)
	got := queue{id: 7}
	if err := got.parseCounters(record); err != nil || !reflect.DeepEqual(got, q) {
		t.Errorf("got %+v, want %+v, error %v", got, q, err)
	}
	for n := range record {
		whole := n == 9 || n == 9+1+6+8+1+10 // behind the last number, and behind a lane
		if err := new(queue).parseCounters(record[:n]); !whole && !errors.Is(err, broker.ErrRecord) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if err := new(queue).parseCounters(append(record, record[9:]...)); !errors.Is(err, broker.ErrRecord) {
		t.Errorf("a lane that comes twice: %v", err)
	}
}

// TestMessageKeys: they sort as positions do, and are read as they were
// written.
func TestMessageKeys(t *testing.T) {
	positions := []broker.Position{
		{Lane: 0, Seq: 1}, {Lane: 0, Seq: 255}, {Lane: 0, Seq: 256}, {Lane: 5, Seq: 0}, {Lane: 5, Seq: 1 << 63},
		{Lane: broker.Delayed, At: -1, Seq: 1}, {Lane: broker.Delayed, At: 0, Seq: 1}, {Lane: broker.Delayed, At: 0, Seq: 2}, {Lane: broker.Delayed, At: 1 << 40, Seq: 0},
	}
	last := ""
	for _, id := range []broker.QueueID{1, 255, 256, 1 << 63} {
		for _, p := range positions {
			key := appendMessageKey(nil, id, p)
			if string(key) <= last {
				t.Errorf("%d %v comes before the one in front of it", id, p)
			}
			last = string(append(key, nextSuffix))
			gotID, got, rest, ok := parseMessageKey(key)
			if !ok || gotID != id || got != p || len(rest) != 0 {
				t.Errorf("%d %v is read as %d %v %x %v", id, p, gotID, got, rest, ok)
			}
			if end := string(appendLaneEnd(nil, id, p.Lane)); last >= end {
				t.Errorf("%d %v is behind the end of its lane", id, p)
			}
			for n := range key {
				if _, _, _, ok := parseMessageKey(key[:n]); ok {
					t.Errorf("%d bytes of a key are one", n)
				}
			}
		}
	}
}
