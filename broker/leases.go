package broker

import "sort"

// leases is the table of a consumer's deliveries, by tag, until they are settled. It
// answers acknowledgements that are unknown, late or cumulative, or that a
// transaction has claimed. It knows nothing of queues. Its owner guards it by a lock.
type leases struct {
	// newest is the tag of the newest delivery; the first one has 1.
	newest uint64
	// table has the deliveries in the order of their tags, with settled ones between
	// them until there are many: without a gap, a tag tells the place.
	table   deque[delivery]
	settled int // in table
	// passed is a tag up to which no delivery is pending, because cumulative
	// acknowledgements have passed it: they do not walk over claimed ones again.
	passed uint64
	// pending counts the deliveries that wait for an acknowledgement, and claimed
	// those that open transactions have acknowledged.
	pending, claimed int
}

// A delivery is a message that a consumer has.
type delivery struct {
	entry
	tag    uint64
	settle deliveryState
}

type deliveryState uint8

const (
	pending deliveryState = iota
	claimed               // by an open transaction
	settled
)

// grant adds a delivery, which gets the next tag.
func (l *leases) grant(e entry) {
	l.newest++
	l.table.pushBack(delivery{entry: e, tag: l.newest})
	l.pending++
}

// len returns the number of places in the table, and at the delivery in one of them.
func (l *leases) len() int           { return l.table.len() }
func (l *leases) at(i int) *delivery { return l.table.at(i) }

// of returns the delivery with a tag that is not settled.
func (l *leases) of(tag uint64) *delivery { return l.table.at(l.from(tag)) }

// from returns the place of the first delivery with a tag of at least tag.
func (l *leases) from(tag uint64) int {
	n := l.table.len()
	if n == 0 {
		return 0
	}
	if i := int(tag - l.table.at(0).tag); i >= 0 && i < n && l.table.at(i).tag == tag {
		return i
	}
	return sort.Search(n, func(i int) bool { return l.table.at(i).tag >= tag })
}

// acknowledged returns the places of the deliveries that an acknowledgement of a tag
// means: in mode client-individual that one; in mode client that one and all before
// it; in mode auto all up to the tag, whatever has become of that one. The caller
// settles or claims those among them that are pending. There are none if the tag is
// unknown or late, see why.
func (l *leases) acknowledged(tag uint64, ack AckMode) (first, last int) {
	n := l.table.len()
	i := l.from(tag)
	switch {
	case ack == AckAuto:
		if i < n && l.table.at(i).tag == tag {
			i++
		}
	case i == n || l.table.at(i).tag != tag || l.table.at(i).settle != pending:
		return 0, 0
	case ack == AckClientIndividual:
		return i, i + 1
	default:
		i++
	}
	first = min(l.from(l.passed+1), i)
	if first < i {
		l.passed = max(l.passed, min(tag, l.newest))
	}
	return first, i
}

// why returns the reason why no delivery with that tag is pending.
func (l *leases) why(tag uint64) error {
	if tag == 0 || tag > l.newest {
		return ErrUnknownDelivery
	}
	return ErrLateDelivery
}

// claim lets a transaction have a pending delivery, and unclaim makes it pending
// again.
func (l *leases) claim(d *delivery) {
	d.settle = claimed
	l.pending--
	l.claimed++
}

func (l *leases) unclaim(d *delivery) {
	d.settle = pending
	l.passed = min(l.passed, d.tag-1)
	l.claimed--
	l.pending++
}

// settle ends a delivery, pending or claimed, and returns its entry. The caller calls
// tidy when it has settled all that it wants to.
func (l *leases) settle(d *delivery) entry {
	if d.settle == pending {
		l.pending--
	} else {
		l.claimed--
	}
	d.settle = settled
	l.settled++
	e := d.entry
	d.entry.msg = nil
	return e
}

// tidy forgets settled deliveries: those at the front at once, those behind an old
// pending one when there are many.
func (l *leases) tidy() {
	for l.table.len() > 0 && l.table.at(0).settle == settled {
		l.table.popFront()
		l.settled--
	}
	if l.settled > 64 && l.settled > l.table.len()/2 {
		l.table.keep(func(d *delivery) bool { return d.settle != settled })
		l.settled = 0
	}
}
