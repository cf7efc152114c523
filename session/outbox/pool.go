package outbox

import "sync"

// Buffers of writers are pooled, so that an idle session holds none.
var (
	itemPool   = sync.Pool{New: func() any { return new([]Item) }}
	bufferPool = sync.Pool{New: func() any { b := make([]byte, 0, 1024); return &b }}
)

// Larger ones are not kept: they would stay as long as the program.
const (
	maxPooledItems  = 4096
	maxPooledBuffer = 64 << 10
)

func takeItems() []Item {
	p := itemPool.Get().(*[]Item)
	if cap(*p) == 0 {
		*p = make([]Item, 0, 16)
	}
	return (*p)[:0]
}

func giveItems(s []Item) {
	if cap(s) == 0 || cap(s) > maxPooledItems {
		return
	}
	s = s[:0]
	itemPool.Put(&s)
}

func takeBuffer() *[]byte { return bufferPool.Get().(*[]byte) }

func giveBuffer(b *[]byte) {
	if cap(*b) <= maxPooledBuffer {
		bufferPool.Put(b)
	}
}
