package session

import "time"

// A bucket limits a rate: n events in a period, all at once if need be. The
// zero value limits nothing.
type bucket struct {
	n      float64
	period time.Duration
	level  float64 // the size of a burst
	at     time.Time
}

func newBucket(n int, period time.Duration) bucket {
	return bucket{n: float64(n), period: period, level: float64(n)}
}

// take reports whether one more event may happen now.
func (b *bucket) take(now time.Time) bool {
	if !b.at.IsZero() {
		b.level = min(b.n, b.level+b.n*float64(now.Sub(b.at))/float64(b.period))
	}
	b.at = now
	if b.level < 1 {
		return false
	}
	b.level--
	return true
}
