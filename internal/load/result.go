package load

import (
	"errors"
	"fmt"
	"time"
)

// Result holds the figures of one run. Rates and processor times cover the
// measured time, without warm-up; counts cover the whole run.
type Result struct {
	Name        string    `json:"name"`
	Server      string    `json:"server"` // the server header of CONNECTED
	Started     time.Time `json:"started"`
	Options     Options   `json:"options"`
	Interrupted bool      `json:"interrupted,omitempty"` // ended early; nothing was verified

	Seconds       float64 `json:"seconds"` // measured
	SentRate      float64 `json:"sent_per_second"`
	DeliveredRate float64 `json:"delivered_per_second"`
	BodyRate      float64 `json:"delivered_body_bytes_per_second"`

	Sent       uint64 `json:"sent"`
	Delivered  uint64 `json:"delivered"`
	Receipts   uint64 `json:"receipts"`
	Lost       uint64 `json:"lost"`
	Misordered uint64 `json:"misordered"` // late or duplicate

	Latency     *Percentiles       `json:"latency,omitempty"` // from SEND to MESSAGE
	Connections *ConnectionFigures `json:"connections,omitempty"`
	Stalled     *StalledFigures    `json:"stalled,omitempty"`
	Broker      *BrokerUsage       `json:"broker,omitempty"`
	Generator   GeneratorUsage     `json:"generator"`
}

// ConnectionFigures are the figures of ScenarioConnections.
type ConnectionFigures struct {
	Made             int         `json:"made"`
	Rate             float64     `json:"per_second"`
	Latency          Percentiles `json:"latency"`                   // from dialing to the RECEIPT of SUBSCRIBE
	ResidentEach     float64     `json:"resident_bytes_each"`       // 0 if the broker's process id is unknown
	ClosedByBroker   int         `json:"closed_by_broker"`          // while held
	BrokerCPUMicros  float64     `json:"broker_cpu_us_each"`        // while connecting
	ResidentBefore   uint64      `json:"resident_bytes_before"`     // of the broker
	ResidentWhenHeld uint64      `json:"resident_bytes_while_held"` // of the broker
}

// StalledFigures report the fate of the stalled subscribers.
type StalledFigures struct {
	Count        int    `json:"count"`
	Disconnected int    `json:"disconnected"`     // by the broker, by the end of the run
	Waiting      uint64 `json:"waiting"`          // messages left in their sockets by then
	Reason       string `json:"reason,omitempty"` // of the last disconnection
	Connected    int    `json:"still_connected"`  // at the end of the run
}

// BrokerUsage is the resource usage of the broker's process.
type BrokerUsage struct {
	PID               int     `json:"pid"`
	CPUPercent        float64 `json:"cpu_percent"` // of one processor
	CPUPerDelivery    float64 `json:"cpu_us_per_delivery"`
	ResidentStart     uint64  `json:"resident_bytes_start"`
	ResidentPeak      uint64  `json:"resident_bytes_peak"` // sampled ten times a second
	ResidentIncrement int64   `json:"resident_bytes_increment"`
}

// GeneratorUsage is the resource usage of this process.
type GeneratorUsage struct {
	CPUPercent     float64 `json:"cpu_percent"` // of one processor
	CPUPerDelivery float64 `json:"cpu_us_per_delivery"`
}

// ErrUnreliable is wrapped by the error of a run in which messages were lost or
// out of order.
var ErrUnreliable = errors.New("the broker did not deliver reliably")

// Err returns an error that wraps ErrUnreliable if messages were lost or out of
// order. Low speed is never an error.
func (r *Result) Err() error {
	if r.Lost > 0 || r.Misordered > 0 {
		return fmt.Errorf("%w: %d lost, %d late or double, of %d", ErrUnreliable, r.Lost, r.Misordered, r.Delivered)
	}
	if c := r.Connections; c != nil && c.ClosedByBroker > 0 {
		return fmt.Errorf("%w: it closed %d of %d idle connections", ErrUnreliable, c.ClosedByBroker, c.Made)
	}
	return nil
}

// snapshot holds the counts at some moment.
type snapshot struct {
	at         int64 // ns of the run's clock
	sent       uint64
	delivered  uint64
	brokerCPU  time.Duration
	ownCPU     time.Duration
	brokerSeen bool
}

// between computes the figures between two snapshots.
func (r *Result) between(a, b snapshot, size int) {
	wall := float64(b.at-a.at) / 1e9
	if wall <= 0 {
		return
	}
	delivered := float64(b.delivered - a.delivered)
	r.Seconds = wall
	r.SentRate = float64(b.sent-a.sent) / wall
	r.DeliveredRate = delivered / wall
	r.BodyRate = r.DeliveredRate * float64(size)
	own := (b.ownCPU - a.ownCPU).Seconds()
	r.Generator.CPUPercent = 100 * own / wall
	if delivered > 0 {
		r.Generator.CPUPerDelivery = 1e6 * own / delivered
	}
	if r.Broker != nil && a.brokerSeen && b.brokerSeen {
		cpu := (b.brokerCPU - a.brokerCPU).Seconds()
		r.Broker.CPUPercent = 100 * cpu / wall
		if delivered > 0 {
			r.Broker.CPUPerDelivery = 1e6 * cpu / delivered
		}
	}
}
