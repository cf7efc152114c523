package memory

import (
	"context"
	"time"
)

// Watch ends holders, the largest first, when the budget has been nearly used
// up for [GracePeriod], and calls MemoryRelieved of all holders when that is over.
// It returns when the context is done.
func (b *Budget) Watch(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.kick:
		}
		if b.near.Load() {
			b.endLargest(ctx)
		} else {
			b.tellAll()
		}
	}
}

// slowEnd is how long an ended holder may take to close its account before the
// next one is ended as well.
const slowEnd = 5 * time.Second

// endLargest waits until the budget is relieved. After GracePeriod, it ends one
// holder after the other.
func (b *Budget) endLargest(ctx context.Context) {
	relief := b.Relief()
	wait := time.NewTimer(GracePeriod)
	defer wait.Stop()
	var gone <-chan struct{} // b.gone, once a holder was ended
	for b.near.Load() {
		select {
		case <-ctx.Done():
			return
		case <-relief:
			return // Watch is woken as well
		case <-wait.C:
			select {
			case <-b.gone: // left over from the last time
			default:
			}
			b.endOne()
			gone = b.gone
			wait.Reset(slowEnd)
		case <-gone:
			if b.near.Load() {
				b.endOne()
				wait.Reset(slowEnd)
			}
		}
	}
}

// endOne ends the largest holder, if it has more than its share.
func (b *Budget) endOne() {
	b.mu.Lock()
	var most *Account
	least := b.share()
	for a := range b.accounts {
		if used := a.used.Load(); a.holder != nil && !a.ending && used > least {
			most, least = a, used
		}
	}
	if most != nil {
		most.ending = true
	}
	b.mu.Unlock()
	if most != nil {
		b.ended.Add(1)
		most.holder.EndForMemory()
	}
}

// tellAll calls MemoryRelieved of all holders.
func (b *Budget) tellAll() {
	b.mu.Lock()
	holders := make([]Holder, 0, len(b.accounts))
	for a := range b.accounts {
		if a.holder != nil {
			holders = append(holders, a.holder)
		}
	}
	b.mu.Unlock()
	for _, h := range holders {
		h.MemoryRelieved()
	}
}
