package durable

import (
	"fmt"
	"sync"
)

// A ledger records everything that the broker has confirmed, over all its
// lives.
type ledger struct {
	mu     sync.Mutex
	queues map[string]map[int]*record // by queue and number of the message
	faults []string
}

// A record is the history of one message in one queue.
type record struct {
	sent      int  // the session in which it was sent
	confirmed bool // a RECEIPT confirms that it is in the queue
	delivered bool // it was delivered at least once
	used      bool // an ACK was sent, outside a transaction
	settled   bool // a RECEIPT confirms the ACK
	session   int  // the session of the last delivery
}

// survived reports whether the message was delivered in a later life of the
// broker than the one in which it was sent. A message without a RECEIPT may be
// delivered at once and be lost in a crash.
func (r *record) survived() bool { return r.session > r.sent }

func newLedger() *ledger { return &ledger{queues: make(map[string]map[int]*record)} }

// of returns the record of a message. The caller holds the lock.
func (l *ledger) of(queue string, n int) *record {
	q := l.queues[queue]
	if q == nil {
		q = make(map[int]*record)
		l.queues[queue] = q
	}
	if q[n] == nil {
		q[n] = &record{}
	}
	return q[n]
}

func (l *ledger) update(queue string, n int, f func(*record)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(l.of(queue, n))
}

func (l *ledger) fault(format string, a ...any) {
	if len(l.faults) < 20 {
		l.faults = append(l.faults, fmt.Sprintf(format, a...))
	}
}

// deliver records a delivery. again is the broker's redelivered header.
func (l *ledger) deliver(queue string, n, session int, again bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.of(queue, n)
	switch {
	case r.settled:
		l.fault("%s: %d came again in session %d, although its acknowledgement has a RECEIPT", queue, n, session)
	case r.session == session && !again:
		l.fault("%s: there are two of %d", queue, n)
	}
	r.delivered, r.session = true, session
}

// check compares the lanes' queues when all are empty.
func (l *ledger) check(lanes int) (messages, moved int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, q := range l.queues {
		for range q {
			messages++
		}
	}
	for i := range lanes {
		in, pair, out := l.queues[inQueue(i)], l.queues[pairQueue(i)], l.queues[outQueue(i)]
		for n, r := range in {
			there := out[n] != nil && out[n].delivered
			switch {
			case r.confirmed && !r.delivered:
				l.fault("%s: %d has a RECEIPT and never came", inQueue(i), n)
			case r.confirmed && !r.used && !there:
				l.fault("%s: %d was acknowledged with a message to %s, which never came", inQueue(i), n, outQueue(i))
			}
			if there {
				moved++
			}
			if p := pair[n]; inPair(n) && (r.survived() && !p.delivered || p.survived() && !r.delivered) {
				l.fault("%d was sent to %s and %s in one transaction, and came out of one", n, inQueue(i), pairQueue(i))
			}
		}
		for n, r := range out {
			if in[n] == nil || !in[n].delivered {
				l.fault("%s: %d came, which nobody has read from %s", outQueue(i), n, inQueue(i))
			}
			if r.confirmed && !r.delivered {
				l.fault("%s: %d has a RECEIPT and never came", outQueue(i), n)
			}
		}
	}
	return messages, moved
}

func inQueue(lane int) string   { return fmt.Sprintf("/queue/in.%d", lane) }
func pairQueue(lane int) string { return fmt.Sprintf("/queue/pair.%d", lane) }
func outQueue(lane int) string  { return fmt.Sprintf("/queue/out.%d", lane) }

// inPair reports whether a message is sent to two queues.
func inPair(n int) bool { return n%5 == 0 }
