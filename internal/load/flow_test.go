package load

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// quick returns options for a short run with a fixed number of messages.
func quick(scenario, url string) Options {
	o := DefaultOptions(scenario)
	o.URL = url
	o.Count = 3000
	o.Subscribers = 7
	o.Pairs = 3
	o.Window = 100
	o.Timeout = 10 * time.Second
	o.Sample = 1
	return o
}

// want checks the counts of a result without faults.
func want(t *testing.T, r *Result, err error, sent, delivered uint64) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	if r.Sent != sent || r.Delivered != delivered {
		t.Errorf("%d sent and %d delivered, want %d and %d", r.Sent, r.Delivered, sent, delivered)
	}
	if r.Server != "fake/1" {
		t.Errorf("server %q", r.Server)
	}
	var table bytes.Buffer
	if err := r.Table(&table); err != nil || !strings.Contains(table.String(), "fake/1") {
		t.Errorf("%v: %s", err, table.String())
	}
}

func TestFanout(t *testing.T) {
	_, url := startTCP(t, faults{})
	o := quick(ScenarioFanout, url)
	o.Publishers = 2
	o.PID, o.PIDTree = os.Getpid(), true
	var progress bytes.Buffer
	r, err := Run(t.Context(), o, &progress)
	want(t, r, err, 6000, 42000)
	if r.Latency.Samples != 42000 || r.Latency.P50 <= 0 || r.Latency.Max < r.Latency.P99 {
		t.Errorf("latency %+v", r.Latency)
	}
	if r.Broker.ResidentStart == 0 || r.Seconds <= 0 || r.DeliveredRate <= 0 {
		t.Errorf("broker %+v, %v s, %v/s", r.Broker, r.Seconds, r.DeliveredRate)
	}
}

func TestFanoutWebSocket(t *testing.T) {
	for _, mask := range []string{MaskZero, MaskRandom} {
		_, url, _ := startWebSocket(t, faults{}, false)
		o := quick(ScenarioFanout, url)
		o.Mask = mask
		r, err := Run(t.Context(), o, nil)
		want(t, r, err, 3000, 21000)
	}
}

func TestFanoutTLS(t *testing.T) {
	_, url, server := startWebSocket(t, faults{}, true)
	o := quick(ScenarioFanout, url)
	if _, err := Run(t.Context(), o, nil); err == nil {
		t.Error("an unknown certificate was accepted")
	}
	o.CAFile = filepath.Join(t.TempDir(), "ca.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}
	if err := os.WriteFile(o.CAFile, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := Run(t.Context(), o, nil)
	want(t, r, err, 3000, 21000)
	o.CAFile, o.Insecure = "", true
	r, err = Run(t.Context(), o, nil)
	want(t, r, err, 3000, 21000)
}

func TestPairsForATime(t *testing.T) {
	_, url := startTCP(t, faults{})
	o := quick(ScenarioPairs, url)
	o.Count, o.Warmup, o.Duration, o.Rate = 0, 20*time.Millisecond, 200*time.Millisecond, 5000
	r, err := Run(t.Context(), o, nil)
	if err != nil || r.Err() != nil {
		t.Fatal(err, r.Err())
	}
	// The number depends on the machine; all of them must have arrived.
	if r.Sent == 0 || r.Sent != r.Delivered || r.Seconds < 0.2 {
		t.Errorf("%d sent, %d delivered in %v s", r.Sent, r.Delivered, r.Seconds)
	}
}

// A broker that keeps messages back until the time is over still answers for all that
// were due: the latencies have one for each.
func TestRateIsOwedAtTheEnd(t *testing.T) {
	const rate, duration = 2000, 500 * time.Millisecond
	due := rate * duration.Seconds()
	hold, over := make(chan struct{}), time.Now().Add(duration+300*time.Millisecond)
	_, url := startTCP(t, faults{told: func(n int) {
		if n == 100 {
			time.AfterFunc(time.Until(over), func() { close(hold) })
			<-hold
		}
	}})
	o := quick(ScenarioPairs, url)
	o.Pairs, o.Count, o.Warmup, o.Duration, o.Rate, o.Window = 1, 0, 0, duration, rate, 200
	r, err := Run(t.Context(), o, nil)
	if err != nil || r.Err() != nil {
		t.Fatal(err, r.Err())
	}
	// The end of the time is noticed late on a slow machine, and then more are due.
	if n := float64(r.Latency.Samples); n < 0.99*due || r.Sent != r.Delivered || r.Latency.Max < 100_000 {
		t.Errorf("%v latencies of at most %v us, %d sent and %d delivered; %v were due", n, r.Latency.Max, r.Sent, r.Delivered, due)
	}
}

func TestQueue(t *testing.T) {
	for _, ack := range []string{"auto", "client", "client-individual"} {
		t.Run(ack, func(t *testing.T) {
			b, url := startTCP(t, faults{})
			o := quick(ScenarioQueue, url)
			o.Ack, o.Receipt, o.Persistent, o.Prefetch = ack, true, true, 10
			o.SendHeaders, o.SubscribeHeaders = []string{"a:b"}, []string{"c:d"}
			r, err := Run(t.Context(), o, nil)
			want(t, r, err, 9000, 9000)
			if r.Receipts != 9000 {
				t.Errorf("%d receipts", r.Receipts)
			}
			b.wait()
			if got := b.acks; (ack == "auto" && got != 0) || (ack == "client" && got == 0) || (ack == "client-individual" && got != 9000) {
				t.Errorf("%d ACK frames", got)
			}
		})
	}
}

func TestFaultsAreCounted(t *testing.T) {
	for name, test := range map[string]struct {
		faults           faults
		lost, misordered uint64
	}{
		"lost":             {faults{lose: 1500}, 7, 0},
		"lost at the end":  {faults{lose: 3000}, 7, 0},
		"delivered twice":  {faults{double: 1500}, 0, 7},
		"out of order":     {faults{swap: 1500}, 0, 7},
		"lost and doubled": {faults{lose: 10, double: 2000}, 0, 7},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // the test waits for the lost message
			_, url := startTCP(t, test.faults)
			o := quick(ScenarioFanout, url)
			o.Timeout = 5 * time.Second // a busy machine may stop for a second or two
			r, err := Run(t.Context(), o, nil)
			if err != nil {
				t.Fatal(err)
			}
			if r.Lost != test.lost || r.Misordered != test.misordered || !errors.Is(r.Err(), ErrUnreliable) {
				t.Errorf("%d lost, %d misordered, %v", r.Lost, r.Misordered, r.Err())
			}
		})
	}
}

func TestFaultsEndTheRun(t *testing.T) {
	for name, test := range map[string]struct {
		faults faults
		want   string
	}{
		"ERROR":           {faults{fail: 1500}, "publisher 0: the broker sent ERROR: quota: no more today"},
		"disconnected":    {faults{hangUp: 1500}, "publisher 0: the broker closed the connection"},
		"SUBSCRIBE fails": {faults{refuse: true}, "the broker sent ERROR: no:entry: none"},
	} {
		t.Run(name, func(t *testing.T) {
			_, url := startTCP(t, test.faults)
			_, err := Run(t.Context(), quick(ScenarioFanout, url), nil)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestStalledSubscriber(t *testing.T) {
	_, url := startTCP(t, faults{acceptBytes: 1 << 20})
	o := quick(ScenarioFanout, url)
	o.Stalled, o.Size, o.Window = 1, 4096, 16
	r, err := Run(t.Context(), o, nil)
	want(t, r, err, 3000, 21000)
	if r.Stalled == nil || r.Stalled.Disconnected != 1 || r.Stalled.Waiting == 0 || r.Stalled.Waiting == 3000 {
		t.Errorf("stalled %+v", r.Stalled)
	}
}

func TestInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	_, url := startTCP(t, faults{told: func(n int) {
		if n == 500 {
			cancel()
		}
	}})
	o := quick(ScenarioFanout, url)
	o.Count, o.Duration = 0, time.Hour
	r, err := Run(ctx, o, nil)
	if err != nil || !r.Interrupted || r.Err() != nil || r.Sent < 500 {
		t.Errorf("%v, %+v", err, r)
	}
}

func TestInterruptConnections(t *testing.T) {
	_, url := startTCP(t, faults{})
	o := quick(ScenarioConnections, url)
	o.Connections, o.Hold = 5, time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	r, err := Run(ctx, o, nil)
	if err != nil || !r.Interrupted || r.Err() != nil {
		t.Errorf("%v, %+v", err, r)
	}
}

func TestConnections(t *testing.T) {
	_, url := startTCP(t, faults{})
	o := quick(ScenarioConnections, url)
	o.Connections, o.Hold, o.PID = 200, time.Millisecond, os.Getpid()
	r, err := Run(t.Context(), o, nil)
	want(t, r, err, 0, 0)
	if c := r.Connections; c.Made != 200 || c.Rate <= 0 || c.Latency.Samples != 200 || c.ResidentWhenHeld == 0 || c.ClosedByBroker != 0 {
		t.Errorf("connections %+v", c)
	}
}

func TestConnectionsClosed(t *testing.T) {
	_, url := startTCP(t, faults{refuse: true})
	o := quick(ScenarioConnections, url)
	if _, err := Run(t.Context(), o, nil); err == nil || !strings.Contains(err.Error(), "no:entry") {
		t.Errorf("got %v", err)
	}
}

func TestNoBroker(t *testing.T) {
	o := quick(ScenarioFanout, "ws://127.0.0.1:1/ws")
	if _, err := Run(t.Context(), o, nil); err == nil || !strings.Contains(err.Error(), "subscriber") {
		t.Errorf("got %v", err)
	}
}

func TestValidateReportsAllFaults(t *testing.T) {
	o := DefaultOptions("fan-out")
	o.Ack, o.Mask, o.Size, o.Pairs, o.Rate, o.SendHeaders = "no", "no", 1, 0, -1, []string{"x"}
	err := o.Validate()
	for _, part := range []string{"scenario", "--ack", "--mask", "--size", "--pairs", "--rate", "header"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not tell of %s", err, part)
		}
	}
}

// BenchmarkFanout runs the generator against a simple broker in the same
// process, so it measures both together.
func BenchmarkFanout(b *testing.B) {
	_, url := startTCP(b, faults{})
	o := DefaultOptions(ScenarioFanout)
	o.URL, o.Count = url, max(1, uint64(b.N)/50)
	r, err := Run(b.Context(), o, nil)
	if err != nil || r.Err() != nil {
		b.Fatal(err, r.Err())
	}
	b.ReportMetric(r.DeliveredRate, "deliveries/s")
	b.ReportMetric(r.Latency.P99, "p99-us")
}
