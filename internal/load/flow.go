package load

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// setupConcurrency is the number of connections that a flow opens at a time.
const setupConcurrency = 16

// flow is a run in which publishers send messages to subscribers.
type flow struct {
	*run
	lanes       []lane
	publishers  []*publisher
	subscribers []*subscriber
	stalled     []*session

	cancel  context.CancelCauseFunc // ends the flow because of an error
	stop    chan struct{}           // closed: publishers stop
	readers sync.WaitGroup
	senders sync.WaitGroup
}

// lane is a destination with its publishers and subscribers.
type lane struct {
	destination string
	publishers  int
	subscribers int
	gates       []*gate // one per publisher
	first       int     // number of the first publisher
}

// flow runs ScenarioFanout, ScenarioPairs or ScenarioQueue. ctx is the
// caller's.
func (r *run) flow(ctx context.Context) (*Result, error) {
	f := &flow{run: r, stop: make(chan struct{})}
	f.layOut()
	if err := raiseFileLimit(len(f.publishers) + len(f.subscribers) + len(f.stalled)); err != nil {
		return nil, err
	}
	running, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	f.cancel = cancel
	defer f.close()
	if err := f.connect(ctx); err != nil {
		return nil, err
	}
	f.serve()
	err := f.measure(ctx, running)
	f.close()
	if err != nil {
		return nil, err
	}
	f.verify()
	return f.result, nil
}

// layOut plans the lanes and the connections.
func (f *flow) layOut() {
	o := &f.options
	lanes, publishers, subscribers := o.Pairs, 1, 1
	if o.Scenario == ScenarioFanout {
		lanes, publishers, subscribers = 1, o.Publishers, o.Subscribers
		f.stalled = make([]*session, o.Stalled)
	}
	for i := range lanes {
		l := lane{destination: f.destination(i), publishers: publishers, subscribers: subscribers, first: i * publishers}
		for range publishers {
			l.gates = append(l.gates, newGate(o.Window, subscribers))
		}
		f.lanes = append(f.lanes, l)
	}
	f.publishers = make([]*publisher, lanes*publishers)
	f.subscribers = make([]*subscriber, lanes*subscribers)
}

// connect opens all connections, subscribers first.
func (f *flow) connect(ctx context.Context) error {
	o := &f.options
	if err := each(ctx, len(f.subscribers), setupConcurrency, f.connectSubscriber); err != nil {
		return err
	}
	if err := each(ctx, len(f.stalled), setupConcurrency, f.connectStalled); err != nil {
		return err
	}
	return each(ctx, len(f.publishers), setupConcurrency, func(ctx context.Context, i int) error {
		s, err := o.open(ctx, f.dialer, i, fmt.Sprintf("publisher %d", i))
		if err != nil {
			return err
		}
		l := f.lanes[i/f.lanes[0].publishers]
		f.publishers[i] = newPublisher(s, o, i, l.destination, f.clock, l.gates[i-l.first])
		return nil
	})
}

// connectSubscriber opens subscriber i.
func (f *flow) connectSubscriber(ctx context.Context, i int) error {
	s, err := f.options.open(ctx, f.dialer, i, fmt.Sprintf("subscriber %d", i))
	if err != nil {
		return err
	}
	l := f.lanes[i/f.lanes[0].subscribers]
	f.subscribers[i] = newSubscriber(s, &f.options, l.first, l.gates, f.times)
	return s.subscribe(&f.options, l.destination)
}

// connectStalled opens subscriber i of those that will never read again.
func (f *flow) connectStalled(ctx context.Context, i int) error {
	s, err := f.options.open(ctx, f.dialer, i, fmt.Sprintf("stalled subscriber %d", i))
	if err != nil {
		return err
	}
	f.stalled[i] = s
	return s.subscribe(&f.options, f.lanes[0].destination)
}

// serve starts reading on all connections except the stalled ones.
func (f *flow) serve() {
	for _, s := range f.subscribers {
		f.readers.Go(func() { f.failed(s.name, s.conn.Serve(s, time.Time{})) })
	}
	for _, p := range f.publishers {
		f.readers.Go(func() {
			defer close(p.ended)
			f.failed(p.name, p.conn.Serve(p, time.Time{}))
		})
	}
	f.result.Server = f.subscribers[0].server
}

// failed ends the flow if err is not nil.
func (f *flow) failed(name string, err error) {
	if err != nil {
		f.cancel(fmt.Errorf("%s: %w", name, err))
	}
}

// publish starts the publishers.
func (f *flow) publish(running context.Context) {
	o := &f.options
	for _, p := range f.publishers {
		f.senders.Go(func() {
			err := p.publish(running, f.stop, f.times.until.Load, o.Batch, o.Timeout)
			if err != nil {
				p.hear()
			}
			f.failed(p.name, err)
		})
	}
}

// close ends all connections and waits for all goroutines. Calling it twice is
// harmless.
func (f *flow) close() {
	f.cancel(nil)
	f.senders.Wait()
	_ = each(context.Background(), len(f.subscribers), setupConcurrency, func(_ context.Context, i int) error {
		if s := f.subscribers[i]; s != nil {
			s.leave()
		}
		return nil
	})
	for _, s := range f.stalled {
		if s != nil {
			s.conn.Close()
		}
	}
	for _, p := range f.publishers {
		if p != nil {
			p.leave()
		}
	}
	f.readers.Wait()
}

// verify sums up the subscribers' counts, after their goroutines have ended.
func (f *flow) verify() {
	r := f.result
	for _, p := range f.publishers {
		r.Sent += p.sent.Load()
		r.Receipts += p.receipted.Load()
	}
	for i, s := range f.subscribers {
		r.Delivered += s.count
		l := f.lanes[i/f.lanes[0].subscribers]
		for j, t := range s.tracks {
			r.Misordered += t.late
			// A late message was counted as missed when a later one arrived.
			seen := t.received + t.late
			if sent := f.publishers[l.first+j].sent.Load(); sent > seen && !r.Interrupted {
				r.Lost += sent - seen
			}
		}
		s.times.flush()
	}
	p := f.times.percentiles()
	r.Latency = &p
}
