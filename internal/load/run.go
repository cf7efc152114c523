package load

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"sync"
	"time"
)

// Run runs a scenario and returns its figures. If ctx ends, it returns the
// figures so far, marked as interrupted. progress, if not nil, receives a line
// per second. An error means that the run could not be completed; lost messages
// are reported in the result, see Result.Err.
func Run(ctx context.Context, options Options, progress io.Writer) (*Result, error) {
	if err := options.Validate(); err != nil {
		return nil, err
	}
	r, err := newRun(options.complete(), progress)
	if err != nil {
		return nil, err
	}
	if r.options.Scenario == ScenarioConnections {
		return r.connections(ctx)
	}
	return r.flow(ctx)
}

// run is the common part of the scenarios. It is static after construction,
// except for the result, which is owned by the goroutine that called Run; its
// broker's memory is owned by the sampling goroutine during the measurement.
type run struct {
	options  Options
	dialer   *Dialer
	clock    *buffers
	times    *latencies
	broker   *process // nil if its process id is unknown
	progress io.Writer
	suffix   string // distinguishes the destination names of this run
	result   *Result
}

// newRun prepares a run. The options must be complete.
func newRun(o Options, progress io.Writer) (*run, error) {
	t, err := parseTarget(o.URL, o.CAFile, o.Insecure)
	if err != nil {
		return nil, err
	}
	id := make([]byte, 4)
	if _, err := rand.Read(id); err != nil {
		return nil, err
	}
	clock := newBuffers(o.frameLimit())
	r := &run{
		options:  o,
		clock:    clock,
		dialer:   &Dialer{target: t, buffers: clock, mask: o.Mask, token: o.Token, timeout: o.Timeout},
		times:    newLatencies(),
		progress: progress,
		suffix:   hex.EncodeToString(id),
		result:   &Result{Name: o.Name, Started: time.Now(), Options: o},
	}
	if o.PID > 0 {
		r.broker = &process{pid: o.PID, tree: o.PIDTree}
		start, err := r.broker.resident()
		if err != nil {
			return nil, err
		}
		r.result.Broker = &BrokerUsage{PID: o.PID, ResidentStart: start}
	}
	return r, nil
}

// destination returns the name of destination n. It contains no slashes, which
// RabbitMQ would need encoded.
func (r *run) destination(n int) string {
	prefix := r.options.TopicPrefix
	if r.options.Scenario == ScenarioQueue {
		prefix = r.options.QueuePrefix
	}
	return fmt.Sprintf("%sbench.%s.%s.%d", prefix, r.suffix, r.options.Scenario, n)
}

// usage adds the processor times to a snapshot.
func (r *run) usage(s *snapshot) {
	s.ownCPU = ownCPU()
	if r.broker != nil {
		cpu, err := r.broker.cpu()
		s.brokerCPU, s.brokerSeen = cpu, err == nil
	}
	s.at = r.clock.now()
}

// each calls do for 0 to n-1, at most limit at a time, and returns the first
// error. After an error or the end of ctx it makes no more calls.
func each(ctx context.Context, n, limit int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	indices := make(chan int)
	var workers sync.WaitGroup
	for range min(n, limit) {
		workers.Go(func() {
			for i := range indices {
				if err := do(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
feed:
	for i := range n {
		select {
		case indices <- i:
		case <-ctx.Done():
			break feed
		}
	}
	close(indices)
	workers.Wait()
	return context.Cause(ctx)
}

// sleep waits for d, or until ctx is done.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
