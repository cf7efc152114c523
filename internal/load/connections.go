package load

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// idle is a run that opens many connections with one subscription each and
// holds them.
type idle struct {
	*run
	sessions []*session
	made     atomic.Int64
	closed   atomic.Int64 // by the broker, while held
	readers  sync.WaitGroup
}

// connections runs ScenarioConnections. ctx is the caller's.
func (r *run) connections(ctx context.Context) (*Result, error) {
	d := &idle{run: r, sessions: make([]*session, r.options.Connections)}
	if err := raiseFileLimit(r.options.Connections); err != nil {
		return nil, err
	}
	r.times.from.Store(0)
	stop := d.report()
	err := d.connectAll(ctx)
	stop()
	if err == nil {
		d.hold(ctx)
	}
	d.close()
	if err != nil && ctx.Err() == nil {
		return nil, err
	}
	r.result.Interrupted = ctx.Err() != nil
	return r.result, nil
}

// connectAll opens the connections and measures the rate.
func (d *idle) connectAll(ctx context.Context) error {
	o := &d.options
	var a, b snapshot
	d.usage(&a)
	err := each(ctx, o.Connections, o.Concurrency, d.connect)
	d.usage(&b)
	c := &ConnectionFigures{Made: int(d.made.Load()), Latency: d.times.percentiles()}
	d.result.Connections = c
	d.result.between(a, b, 0)
	if wall := d.result.Seconds; wall > 0 {
		c.Rate = float64(c.Made) / wall
	}
	if c.Made > 0 {
		c.BrokerCPUMicros = 1e6 * (b.brokerCPU - a.brokerCPU).Seconds() / float64(c.Made)
	}
	for _, s := range d.sessions {
		if s != nil {
			d.result.Server = s.server
		}
	}
	return err
}

// connect opens connection i and its subscription.
func (d *idle) connect(ctx context.Context, i int) error {
	began := d.clock.now()
	s, err := d.options.open(ctx, d.dialer, i, fmt.Sprintf("connection %d", i))
	if err != nil {
		return err
	}
	d.sessions[i] = s
	if err := s.subscribe(&d.options, d.destination(i)); err != nil {
		return err
	}
	one := recorder{to: d.times}
	one.record(began, d.clock.now())
	one.flush()
	d.made.Add(1)
	return nil
}

// hold keeps the connections for Options.Hold and then measures the broker's
// memory.
func (d *idle) hold(ctx context.Context) {
	for _, s := range d.sessions {
		d.readers.Go(func() {
			if err := s.conn.Serve(listener{}, time.Time{}); err != nil {
				d.closed.Add(1)
			}
		})
	}
	sleep(ctx, d.options.Hold)
	c := d.result.Connections
	c.ClosedByBroker = int(d.closed.Load())
	if d.broker == nil {
		return
	}
	c.ResidentBefore = d.result.Broker.ResidentStart
	if held, err := d.broker.resident(); err == nil {
		d.result.Broker.sample(held)
		c.ResidentWhenHeld = held
		c.ResidentEach = (float64(held) - float64(c.ResidentBefore)) / float64(c.Made)
	}
}

// close ends all connections and waits for their goroutines.
func (d *idle) close() {
	_ = each(context.Background(), len(d.sessions), d.options.Concurrency, func(_ context.Context, i int) error {
		if s := d.sessions[i]; s != nil {
			s.leave()
		}
		return nil
	})
	d.readers.Wait()
}

// report writes a progress line each second until stop is called.
func (d *idle) report() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var reporting sync.WaitGroup
	if d.progress != nil {
		reporting.Go(func() {
			for last := int64(0); ; {
				if sleep(ctx, time.Second); ctx.Err() != nil {
					return
				}
				made := d.made.Load()
				fmt.Fprintf(d.progress, "%s: %d connected, %s/s\n", d.options.Name, made, count(float64(made-last)))
				last = made
			}
		})
	}
	return func() {
		cancel()
		reporting.Wait()
	}
}

// listener is the handler of an idle connection, on which no message is
// expected.
type listener struct{}

// Begin implements Handler.
func (listener) Begin(int64) {}

// End implements Handler.
func (listener) End() error { return nil }

// Frame implements Handler.
func (listener) Frame(f *Frame) error {
	if f.Command == CommandError {
		return brokerError(f)
	}
	return nil
}
