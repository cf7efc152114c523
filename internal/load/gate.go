package load

import "sync/atomic"

// gateSlots is the number of checkpoints a gate can have open at a time. A
// window is less than 16 steps long (see newGate), and a member is at most one
// window ahead of another.
const gateSlots = 32

// gate holds a publisher back so that no more than a window of its messages is
// outstanding. Its members are the subscribers of the publisher. Each reports
// when it has passed a checkpoint, which there is one of every step messages,
// so that the cost is one atomic addition per member and step, and the
// publisher is woken once per step, by the slowest member.
type gate struct {
	window  uint64 // messages
	step    uint64 // messages from one checkpoint to the next
	members uint32 // static after construction

	passed [gateSlots]atomic.Uint32 // by checkpoint: members that passed it
	open   atomic.Uint64            // messages all members have received, in whole steps
	wake   chan struct{}            // has one element when open has grown
}

// newGate returns a gate for a window of messages and a number of members.
func newGate(window int, members int) *gate {
	return &gate{
		window:  uint64(window),
		step:    uint64(max(1, window/8)),
		members: uint32(members),
		wake:    make(chan struct{}, 1),
	}
}

// pass reports that the calling member has received count messages. count is a
// multiple of step, and each member reports each multiple once, in order.
func (g *gate) pass(count uint64) {
	slot := &g.passed[count/g.step%gateSlots]
	if slot.Add(1) < g.members {
		return
	}
	// The last member to pass this checkpoint is not yet past the next one, so
	// nobody else can be storing a later value.
	slot.Store(0)
	g.open.Store(count)
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// credit returns how many messages may be sent after the first sent ones.
func (g *gate) credit(sent uint64) uint64 {
	limit := g.open.Load() + g.window
	if limit <= sent {
		return 0
	}
	return limit - sent
}
