package broker

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// A plainLease is a delivery of the model.
type plainLease struct {
	tag   uint64
	state deliveryState
}

// plainLeases is the model: all deliveries that there ever were.
type plainLeases struct{ all []plainLease }

// acknowledged returns the places that an acknowledgement means.
func (m *plainLeases) acknowledged(tag uint64, ack AckMode) (places []int, err error) {
	known := tag >= 1 && tag <= uint64(len(m.all))
	named := known && m.all[tag-1].state == pending
	if !named && (ack != AckAuto || !known) {
		if !known {
			err = ErrUnknownDelivery
		} else {
			err = ErrLateDelivery
		}
	}
	for i, d := range m.all {
		meant := d.tag == tag || ack != AckClientIndividual && d.tag < tag
		if d.state == pending && meant && (named || ack == AckAuto) {
			places = append(places, i)
		}
	}
	return places, err
}

func (m *plainLeases) count(s deliveryState) (n int) {
	for _, d := range m.all {
		if d.state == s {
			n++
		}
	}
	return n
}

// Random deliveries, acknowledgements, claims and their ends do the same to the table
// as to the model, which keeps everything and looks at all of it.
func TestLeases(t *testing.T) {
	for seed := range uint64(60) {
		for _, ack := range []AckMode{AckAuto, AckClient, AckClientIndividual} {
			t.Run(fmt.Sprint(seed, ack), func(t *testing.T) { runLeases(t, rand.New(rand.NewPCG(seed, 7)), ack) })
		}
	}
}

func runLeases(t *testing.T, r *rand.Rand, ack AckMode) {
	l, m := &leases{}, &plainLeases{}
	var transactions [][]uint64
	messages := map[uint64]*Message{}
	for range 2000 {
		switch r.IntN(10) {
		case 0, 1, 2, 3:
			msg := &Message{}
			l.grant(entry{msg: msg})
			m.all = append(m.all, plainLease{uint64(len(m.all) + 1), pending})
			messages[l.newest] = msg
		case 4, 5, 6, 7:
			claims := ack != AckAuto && r.IntN(3) == 0
			tag := uint64(r.IntN(len(m.all) + 3))
			if r.IntN(2) == 0 {
				tag = uint64(max(0, len(m.all)-r.IntN(8)))
			}
			places, wantErr := m.acknowledged(tag, ack)
			var got []uint64
			first, last := l.acknowledged(tag, ack)
			for i := first; i < last; i++ {
				d := l.at(i)
				if d.settle != pending {
					continue
				}
				got = append(got, d.tag)
				if d.entry.msg != messages[d.tag] {
					t.Fatalf("delivery %d has another message", d.tag)
				}
				if claims {
					l.claim(d)
				} else if e := l.settle(d); e.msg != messages[d.tag] {
					t.Fatalf("delivery %d is settled with another message", d.tag)
				}
			}
			var want []uint64
			for _, i := range places {
				want = append(want, m.all[i].tag)
				if m.all[i].state = settled; claims {
					m.all[i].state = claimed
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("an acknowledgement of %d means %v, want %v", tag, got, want)
			}
			if err := l.why(tag); len(got) == 0 && ack != AckAuto && !errors.Is(err, wantErr) {
				t.Fatalf("%d is refused with %v, want %v", tag, err, wantErr)
			}
			if claims && len(got) > 0 {
				transactions = append(transactions, got)
			}
			l.tidy()
		default:
			if len(transactions) == 0 {
				continue
			}
			i := r.IntN(len(transactions))
			commits := r.IntN(2) == 0
			for _, tag := range transactions[i] {
				if d := l.of(tag); commits {
					l.settle(d)
					m.all[tag-1].state = settled
				} else {
					l.unclaim(d)
					m.all[tag-1].state = pending
				}
			}
			transactions = slices.Delete(transactions, i, i+1)
			l.tidy()
		}
		if l.pending != m.count(pending) || l.claimed != m.count(claimed) || l.len() != l.pending+l.claimed+l.settled {
			t.Fatalf("it counts %d pending and %d claimed in %d places, want %d and %d", l.pending, l.claimed, l.len(), m.count(pending), m.count(claimed))
		}
		if l.len() > 200+3*(l.pending+l.claimed) {
			t.Fatalf("%d places for %d deliveries", l.len(), l.pending+l.claimed)
		}
	}
}
