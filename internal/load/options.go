package load

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The scenarios.
const (
	ScenarioFanout      = "fanout"
	ScenarioPairs       = "pairs"
	ScenarioQueue       = "queue"
	ScenarioConnections = "connections"
)

// The ways to choose WebSocket masking keys.
const (
	MaskZero   = "zero"
	MaskRandom = "random"
)

// Options configure a run. Start from DefaultOptions.
type Options struct {
	Scenario string `json:"scenario"` // one of the Scenario constants
	Name     string `json:"name"`     // of the result; "": derived from the scenario

	URL      string `json:"url"`  // see schemes
	Host     string `json:"host"` // of the CONNECT frame; "": the URL's
	Login    string `json:"-"`
	Passcode string `json:"-"`
	Token    string `json:"-"` // sent as Authorization: Bearer
	CAFile   string `json:"-"` // PEM, trusted instead of the system's
	Insecure bool   `json:"-"` // accept any certificate

	TopicPrefix      string   `json:"topic_prefix"`
	QueuePrefix      string   `json:"queue_prefix"`
	SendHeaders      []string `json:"send_headers,omitempty"`      // name:value, on every SEND
	SubscribeHeaders []string `json:"subscribe_headers,omitempty"` // name:value, on every SUBSCRIBE

	Publishers  int `json:"publishers"`  // fanout
	Subscribers int `json:"subscribers"` // fanout
	Stalled     int `json:"stalled"`     // fanout: additional subscribers that never read
	Pairs       int `json:"pairs"`       // pairs, queue

	Size   int     `json:"size"`   // of a body in bytes; at least 32
	Rate   float64 `json:"rate"`   // messages/s of each publisher; 0: as fast as possible
	Window int     `json:"window"` // messages outstanding per publisher; 0: by size
	Batch  int     `json:"batch"`  // messages per write at most
	Mask   string  `json:"mask"`   // MaskZero or MaskRandom
	Sample int     `json:"sample"` // every n-th message is timed; 0: by rate

	Ack        string `json:"ack"`      // auto, client or client-individual
	Receipt    bool   `json:"receipt"`  // ask for a receipt for every SEND
	Prefetch   int    `json:"prefetch"` // value of prefetch-count; 0: no such header
	Persistent bool   `json:"persistent"`

	Count    uint64        `json:"count"`       // messages of each publisher; 0: run for Duration
	Warmup   time.Duration `json:"warmup_ns"`   // before the measurement, without Count
	Duration time.Duration `json:"duration_ns"` // of the measurement, without Count
	Timeout  time.Duration `json:"timeout_ns"`  // for each step without progress

	Connections int           `json:"connections"`
	Concurrency int           `json:"concurrency"` // connections opened at a time
	Hold        time.Duration `json:"hold_ns"`     // how long idle connections are held

	PID     int  `json:"pid"` // of the broker; 0: its usage is not measured
	PIDTree bool `json:"pid_tree"`
}

// Defaults that others look at.
const (
	topicPrefix = "/topic/"
	defaultSize = 128
)

// DefaultOptions returns the defaults of the bench command.
func DefaultOptions(scenario string) Options {
	o := Options{
		Scenario:    scenario,
		URL:         "ws://127.0.0.1:15674/ws",
		TopicPrefix: topicPrefix,
		QueuePrefix: "/queue/",
		Publishers:  1,
		Subscribers: 50,
		Pairs:       4,
		Size:        defaultSize,
		Batch:       256,
		Mask:        MaskZero,
		Ack:         "auto",
		Warmup:      time.Second,
		Duration:    10 * time.Second,
		Timeout:     10 * time.Second,
		Connections: 5000,
		Concurrency: 64,
		Hold:        2 * time.Second,
	}
	if scenario == ScenarioQueue {
		o.Ack = "client-individual"
	}
	return o
}

// Validate reports all faults together, each with the name of its flag.
func (o *Options) Validate() error {
	var faults []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	known := []string{ScenarioFanout, ScenarioPairs, ScenarioQueue, ScenarioConnections}
	check(slices.Contains(known, o.Scenario), "scenario %q: want one of %s", o.Scenario, strings.Join(known, ", "))
	check(slices.Contains([]string{"auto", "client", "client-individual"}, o.Ack), "--ack %q: want auto, client or client-individual", o.Ack)
	check(o.Mask == MaskZero || o.Mask == MaskRandom, "--mask %q: want zero or random", o.Mask)
	check(o.Size >= stampSize && o.Size <= 16<<20, "--size %d: want %d bytes to 16 MiB", o.Size, stampSize)
	check(o.Publishers >= 1 && o.Subscribers >= 1 && o.Pairs >= 1 && o.Connections >= 1 && o.Concurrency >= 1,
		"--publishers, --subscribers, --pairs, --connections and --concurrency must be at least 1")
	check(o.Stalled >= 0 && o.Prefetch >= 0 && o.Sample >= 0 && o.Window >= 0 && o.Rate >= 0 && o.PID >= 0,
		"--stalled, --prefetch, --sample, --window, --rate and --pid must not be negative")
	check(o.Batch >= 1, "--batch %d: want at least 1", o.Batch)
	check(o.Count > 0 || o.Duration > 0, "--duration %s: want more than 0", o.Duration)
	check(o.Warmup >= 0 && o.Hold >= 0 && o.Timeout > 0, "--warmup and --hold must not be negative, --timeout must be more than 0")
	if t, err := parseTarget(o.URL, "", true); err == nil {
		faults = append(faults, t.protocol.check(o))
	}
	for _, h := range slices.Concat(o.SendHeaders, o.SubscribeHeaders) {
		check(strings.Contains(h, ":") && !strings.ContainsAny(h, "\n\r\x00"), "header %q: want name:value", h)
	}
	return errors.Join(faults...)
}

// complete returns a copy with all dependent values set.
func (o Options) complete() Options {
	if u, err := url.Parse(o.URL); err == nil && o.Host == "" {
		o.Host = u.Hostname()
	}
	if t, err := parseTarget(o.URL, "", true); err == nil && o.TopicPrefix == topicPrefix {
		o.TopicPrefix = t.protocol.topics()
	}
	if o.Window == 0 {
		o.Window = o.defaultWindow()
	}
	if o.Sample == 0 {
		o.Sample = 16
		if o.Rate > 0 && o.Rate*float64(o.Publishers*o.Subscribers) <= 100_000 {
			o.Sample = 1
		}
	}
	if o.Name == "" {
		o.Name = o.defaultName()
	}
	return o
}

// defaultWindow returns a window that keeps a broker busy that batches its
// writes, and that a slow broker can drain within seconds.
func (o *Options) defaultWindow() int {
	window := 1024
	if o.Scenario == ScenarioFanout {
		window = min(1024, max(256, 65536/o.Subscribers))
	}
	// At most 1 MiB outstanding per subscriber is far below the limit at which
	// a broker should drop a slow consumer.
	return min(window, max(16, 1<<20/(o.Size+256)))
}

// defaultName distinguishes scenarios by the options that affect their figures.
func (o *Options) defaultName() string {
	var parts []string
	switch o.Scenario {
	case ScenarioFanout:
		parts = append(parts, fmt.Sprintf("fanout %d to %d", o.Publishers, o.Subscribers))
	case ScenarioConnections:
		return fmt.Sprintf("connections %d", o.Connections)
	default:
		parts = append(parts, fmt.Sprintf("%s %d", o.Scenario, o.Pairs))
	}
	if o.Size != defaultSize {
		parts = append(parts, size(float64(o.Size)))
	}
	if o.Rate > 0 {
		parts = append(parts, count(o.Rate)+" messages/s")
	}
	if o.Stalled > 0 {
		parts = append(parts, fmt.Sprintf("%d stalled", o.Stalled))
	}
	if o.Ack != "auto" {
		parts = append(parts, o.Ack)
	}
	if o.Receipt {
		parts = append(parts, "receipts")
	}
	if o.Persistent {
		parts = append(parts, "persistent")
	}
	return strings.Join(parts, ", ")
}

// frameLimit returns the size in bytes of a read buffer that holds any frame of
// a run.
func (o *Options) frameLimit() int {
	return max(128<<10, 2*(o.Size+4096))
}
