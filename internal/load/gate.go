package load

import "sync/atomic"

// gateSlots is the number of checkpoints that a gate can have open. A window
// has fewer than 16 steps (see newGate), and a member is at most one window
// ahead of another.
const gateSlots = 32

// gate throttles a publisher to a window of outstanding messages. Its members
// are the publisher's subscribers. Each reports every checkpoint, once per step
// messages, so the cost is one atomic addition per member and step, and the
// slowest member wakes the publisher once per step.
type gate struct {
	window  uint64 // messages
	step    uint64 // messages between two checkpoints
	members uint32 // static after construction

	passed [gateSlots]atomic.Uint32 // by checkpoint: number of members that passed it
	open   atomic.Uint64            // messages that all members have received, in whole steps
	wake   chan struct{}            // has one element after open has grown
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
// multiple of step; each member reports each multiple once, in order.
func (g *gate) pass(count uint64) {
	slot := &g.passed[count/g.step%gateSlots]
	if slot.Add(1) < g.members {
		return
	}
	// The last member to pass this checkpoint has not passed the next one, so
	// no other member can be storing a later value.
	slot.Store(0)
	g.open.Store(count)
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// credit returns how many messages may be sent, given that sent were sent
// already.
func (g *gate) credit(sent uint64) uint64 {
	limit := g.open.Load() + g.window
	if limit <= sent {
		return 0
	}
	return limit - sent
}
