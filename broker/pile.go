package broker

import (
	"container/heap"
	"slices"
)

// An item is an entry in a pile. It knows its places, so that it leaves both
// of its heaps in O(log n) wherever it stands.
type item struct {
	entry
	expires int64 // 0: never
	home    *ranking
	place   int // in home
	expiry  int // in index.expiries; -1: not there
}

// An order is the sort order of a ranking.
type order uint8

const (
	bySeq    order = iota // arrival
	byTime                // when it becomes visible, then arrival
	byExpiry              // when it expires
)

// A ranking is a heap of items.
type ranking struct {
	items []*item
	by    order
	size  int // bytes of the messages
	steps int // comparisons so far, for tests
}

// Len implements heap.Interface.
func (r *ranking) Len() int { return len(r.items) }

// Less implements heap.Interface.
func (r *ranking) Less(i, j int) bool {
	r.steps++
	a, b := r.items[i], r.items[j]
	switch r.by {
	case byTime:
		return a.due(&b.entry)
	case byExpiry:
		return a.expires < b.expires
	}
	return a.seq < b.seq
}

// Swap implements heap.Interface.
func (r *ranking) Swap(i, j int) {
	r.items[i], r.items[j] = r.items[j], r.items[i]
	r.settle(i)
	r.settle(j)
}

// settle records an item's place in the heap.
func (r *ranking) settle(i int) {
	if r.by == byExpiry {
		r.items[i].expiry = i
	} else {
		r.items[i].place = i
	}
}

// Push implements heap.Interface.
func (r *ranking) Push(x any) {
	r.items = append(r.items, x.(*item))
	r.settle(len(r.items) - 1)
}

// Pop implements heap.Interface.
func (r *ranking) Pop() any {
	last := len(r.items) - 1
	x := r.items[last]
	r.items[last] = nil
	if r.items = r.items[:last]; last == 0 {
		r.items = nil // a slice that was long once is not kept for ever
	}
	return x
}

func (r *ranking) first() *item {
	if len(r.items) == 0 {
		return nil
	}
	return r.items[0]
}

// A pile holds entries that are not in a lane's order of arrival: messages
// that were given back, that wait for their time, or whose time has come.
// Stored entries are apart from the others, so that leaving them to the Store
// costs nothing for the others. nil is an empty pile. The queue's lock guards
// it.
type pile struct {
	index         *index
	stored, loose ranking
}

// An index finds the items of all piles of a backlog that expire, and by their
// number those with bodies that only the Store has. The zero value is ready but for
// the order of expiries.
type index struct {
	expiries ranking
	stubs    map[uint64]*item
}

func newPile(x *index, by order) *pile {
	return &pile{index: x, stored: ranking{by: by}, loose: ranking{by: by}}
}

func (p *pile) len() int {
	if p == nil {
		return 0
	}
	return len(p.stored.items) + len(p.loose.items)
}

// kept returns how much of the pile the Store keeps.
func (p *pile) kept() Extent {
	if p == nil {
		return Extent{}
	}
	return Extent{len(p.stored.items), p.stored.size}
}

// first returns the next item; nil: there is none.
func (p *pile) first() *item {
	if p == nil {
		return nil
	}
	a, b := p.stored.first(), p.loose.first()
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case p.stored.by == byTime && a.due(&b.entry), p.stored.by == bySeq && a.seq < b.seq:
		return a
	}
	return b
}

// push puts in an entry that expires then; 0: never.
func (p *pile) push(e entry, expires int64) {
	it := &item{entry: e, expires: expires, expiry: -1}
	if it.home = &p.loose; e.stored() {
		it.home = &p.stored
	}
	it.home.size += e.msg.Size()
	heap.Push(it.home, it)
	if e.msg.bodiless() {
		p.index.await(it)
	}
	if it.expires != 0 {
		heap.Push(&p.index.expiries, it)
	}
}

// await enters an item with a body that has to be read.
func (x *index) await(it *item) {
	if x.stubs == nil {
		x.stubs = make(map[uint64]*item)
	}
	x.stubs[it.seq] = it
}

// drop forgets an item.
func (x *index) drop(it *item) {
	if it.expiry >= 0 {
		heap.Remove(&x.expiries, it.expiry)
	}
	if it.msg.bodiless() {
		delete(x.stubs, it.seq)
	}
}

// pick takes an item out of the pile that it is in.
func (x *index) pick(it *item) entry {
	heap.Remove(it.home, it.place)
	it.home.size -= it.msg.Size()
	x.drop(it)
	return it.entry
}

// leave takes out all that the Store keeps.
func (p *pile) leave(f func(*entry)) {
	if p == nil {
		return
	}
	for _, it := range p.stored.items {
		p.index.drop(it)
		f(&it.entry)
	}
	p.stored.items, p.stored.size = nil, 0
}

// sorted returns copies of the entries in order.
func (p *pile) sorted() []entry {
	if p == nil {
		return nil
	}
	all := make([]entry, 0, p.len())
	for _, r := range []*ranking{&p.stored, &p.loose} {
		for _, it := range r.items {
			all = append(all, it.entry)
		}
	}
	slices.SortFunc(all, func(a, b entry) int {
		if p.stored.by == byTime {
			return compare(a.due(&b))
		}
		return compare(a.seq < b.seq)
	})
	return all
}

// compare is a comparison for sort functions, of two entries that are never
// equal.
func compare(less bool) int {
	if less {
		return -1
	}
	return 1
}
