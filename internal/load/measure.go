package load

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"
)

// sampleEvery is the interval at which counters and the broker's memory are
// sampled.
const sampleEvery = 100 * time.Millisecond

// measure runs the publishers through warm-up, measurement and drain. user is
// the caller's context; running ends with the first error.
func (f *flow) measure(user, running context.Context) error {
	watched, unwatch := context.WithCancel(running)
	var watching sync.WaitGroup
	watching.Go(func() { f.watch(watched) })
	var a, b snapshot
	if f.options.Count > 0 {
		a, b = f.measureCount(user, running)
	} else {
		a, b = f.measureTime(user, running)
	}
	unwatch()
	watching.Wait()
	if err := context.Cause(running); err != nil {
		return err
	}
	f.result.Interrupted = user.Err() != nil
	f.result.between(a, b, f.options.Size)
	f.readStalled()
	return nil
}

// measureTime measures for Options.Duration, after a warm-up.
func (f *flow) measureTime(user, running context.Context) (a, b snapshot) {
	both, cancel := merge(user, running)
	defer cancel()
	f.publish(running)
	sleep(both, f.options.Warmup)
	a = f.snapshot()
	f.times.from.Store(a.at)
	sleep(both, f.options.Duration)
	b = f.snapshot()
	f.times.until.Store(b.at)
	close(f.stop)
	f.senders.Wait()
	f.drain(both)
	return a, b
}

// measureCount measures until Options.Count messages have arrived.
func (f *flow) measureCount(user, running context.Context) (a, b snapshot) {
	both, cancel := merge(user, running)
	defer cancel()
	a = f.snapshot()
	f.times.from.Store(a.at)
	f.publish(running)
	finished := make(chan struct{})
	go func() {
		f.senders.Wait()
		close(finished)
	}()
	select {
	case <-finished:
	case <-both.Done():
	}
	close(f.stop)
	<-finished
	f.drain(both)
	return a, f.snapshot()
}

// merge returns a context that ends with either of two.
func merge(a, b context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(a)
	stop := context.AfterFunc(b, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// drain waits until every subscriber has received all messages and the
// publishers all receipts, or nothing has arrived for the timeout.
func (f *flow) drain(ctx context.Context) {
	const look = time.Millisecond
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	last, since := uint64(math.MaxUint64), f.clock.now()
	for {
		missing := f.outstanding()
		if missing == 0 {
			return
		}
		if now := f.clock.now(); missing != last {
			last, since = missing, now
		} else if now-since > int64(f.options.Timeout) {
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// outstanding returns the number of missing deliveries and receipts.
func (f *flow) outstanding() uint64 {
	var want, have uint64
	for _, p := range f.publishers {
		sent := p.sent.Load()
		want += sent * uint64(f.lanes[0].subscribers)
		if p.receipts != nil {
			want += sent
			have += p.receipted.Load()
		}
	}
	for _, s := range f.subscribers {
		have += s.received.Load()
	}
	return want - min(want, have)
}

// snapshot returns the current counts.
func (f *flow) snapshot() snapshot {
	var s snapshot
	s.sent, s.delivered = f.totals()
	f.usage(&s)
	return s
}

// totals returns the numbers of messages sent and delivered so far.
func (f *flow) totals() (sent, delivered uint64) {
	for _, p := range f.publishers {
		sent += p.sent.Load()
	}
	for _, s := range f.subscribers {
		delivered += s.received.Load()
	}
	return sent, delivered
}

// watch samples the broker's memory and writes a progress line each second,
// until ctx is done.
func (f *flow) watch(ctx context.Context) {
	ticker := time.NewTicker(sampleEvery)
	defer ticker.Stop()
	start := f.clock.now()
	last, lastDelivered := start, uint64(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if f.broker != nil {
			f.result.Broker.sample(f.broker.residentFast())
		}
		now := f.clock.now()
		if f.progress == nil || now-last < int64(time.Second) {
			continue
		}
		_, delivered := f.totals()
		rate := float64(delivered-lastDelivered) / (float64(now-last) / 1e9)
		fmt.Fprintf(f.progress, "%s: %3.0f s  %s deliveries/s  outstanding %d\n",
			f.options.Name, float64(now-start)/1e9, count(rate), f.outstanding())
		last, lastDelivered = now, delivered
	}
}

// sample records an amount of resident memory.
func (b *BrokerUsage) sample(resident uint64) {
	b.ResidentPeak = max(b.ResidentPeak, resident)
	b.ResidentIncrement = int64(b.ResidentPeak) - int64(b.ResidentStart)
}
