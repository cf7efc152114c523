package broker

// A deque is a ring of values that grows and shrinks as needed. The zero value
// is ready.
type deque[T any] struct {
	ring []T // its length is 0 or a power of two
	head int
	n    int
}

// dequeKeep is the capacity below which a deque does not shrink.
const dequeKeep = 64

func (d *deque[T]) len() int { return d.n }

// at returns a pointer to the i-th value from the front; it is valid until the
// deque changes.
func (d *deque[T]) at(i int) *T { return &d.ring[(d.head+i)&(len(d.ring)-1)] }

func (d *deque[T]) pushBack(v T) {
	if d.n == len(d.ring) {
		d.resize(max(8, 2*d.n))
	}
	d.n++
	*d.at(d.n - 1) = v
}

func (d *deque[T]) popFront() T {
	var zero T
	p := d.at(0)
	v := *p
	*p = zero
	d.head = (d.head + 1) & (len(d.ring) - 1)
	d.n--
	if len(d.ring) > dequeKeep && d.n <= len(d.ring)/4 {
		d.resize(len(d.ring) / 2)
	}
	return v
}

func (d *deque[T]) resize(size int) {
	ring := make([]T, size)
	for i := range d.n {
		ring[i] = *d.at(i)
	}
	d.ring, d.head = ring, 0
}

// keep drops the values for which f is false; the order stays.
func (d *deque[T]) keep(f func(*T) bool) {
	var zero T
	kept := 0
	for i := range d.n {
		if v := d.at(i); f(v) {
			*d.at(kept) = *v
			kept++
		}
	}
	for i := kept; i < d.n; i++ {
		*d.at(i) = zero
	}
	d.n = kept
}
