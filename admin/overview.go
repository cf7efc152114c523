package admin

import (
	"runtime"
	"runtime/metrics"
	"time"
)

// Overview is the response of /api/v1/overview.
type Overview struct {
	Version   string     `json:"version"`
	Commit    string     `json:"commit,omitempty"`
	Started   time.Time  `json:"started"`
	Ready     bool       `json:"ready"`
	Reasons   []Reason   `json:"reasons"`
	Draining  bool       `json:"draining"`
	Listeners []Listener `json:"listeners"`
	// StompPath is the STOMP endpoint of this listener.
	StompPath string  `json:"stomp_path,omitempty"`
	Storage   Storage `json:"storage"`

	Connections     int `json:"connections"`
	Subscriptions   int `json:"subscriptions"`
	Users           int `json:"users"`
	Queues          int `json:"queues"`
	Topics          int `json:"topics"`
	MessagesReady   int `json:"messages_ready"`
	MessagesUnacked int `json:"messages_unacked"`
	MessagesDelayed int `json:"messages_delayed"`
	OutboundBytes   int `json:"outbound_bytes"` // waiting to be written to clients
	// Totals count since the start; a rate is the difference of two responses.
	Totals      Totals `json:"totals"`
	MemoryBytes uint64 `json:"memory_bytes"` // obtained from the operating system by the Go runtime
	// ClientMemory is the memory that clients make the broker hold, in bytes,
	// against limits.memory.
	ClientMemory *Usage `json:"client_memory,omitempty"`
	Goroutines   int    `json:"goroutines"`
}

// Storage describes persistence.
type Storage struct {
	Directory bool   `json:"directory"`
	Sync      string `json:"sync,omitempty"`
}

// Totals are the broker's counters; see [broker.Stats].
type Totals struct {
	Received     int64 `json:"received"`  // messages accepted
	Delivered    int64 `json:"delivered"` // from queues
	Published    int64 `json:"published"` // deliveries from topics
	Acked        int64 `json:"acked"`
	Requeued     int64 `json:"requeued"`
	Rejected     int64 `json:"rejected"`  // dead: rejected by a consumer
	Exhausted    int64 `json:"exhausted"` // dead: failed too often
	Expired      int64 `json:"expired"`   // dead: too old
	Overflowed   int64 `json:"overflowed"`
	Dropped      int64 `json:"dropped"`
	DeadLettered int64 `json:"dead_lettered"`
	Unroutable   int64 `json:"unroutable"`
	Refused      int64 `json:"refused"` // no queue took them
}

func (s *server) overview(c *call) error {
	if _, err := parameters(c.r); err != nil {
		return err
	}
	ready, about := s.readiness(), s.o.About
	out := Overview{
		Version: about.Version, Commit: about.Commit, Started: about.Started.UTC(), Ready: ready.Ready, Reasons: ready.Reasons,
		Draining: about.Draining != nil && about.Draining(), Listeners: []Listener{}, Storage: Storage{Directory: about.OnDisk, Sync: about.Sync},
		Totals: s.totals(), MemoryBytes: memory(), Goroutines: runtime.NumGoroutine(),
	}
	if about.Listeners != nil {
		out.Listeners = append(out.Listeners, about.Listeners()...)
	}
	if s.o.Memory != nil {
		m := s.o.Memory()
		out.ClientMemory = &m
	}
	if s.o.STOMP != nil {
		out.StompPath = s.o.StompPath
	}
	s.count(&out)
	return answer(c.w, out)
}

// count adds up the queues and topics.
func (s *server) count(out *Overview) {
	for q := range s.o.Queues.Sketches(false) {
		out.Queues++
		out.MessagesReady += q.Ready
		out.MessagesUnacked += q.Unacked
		out.MessagesDelayed += q.Delayed
	}
	for range s.o.Queues.TopicNames() {
		out.Topics++
	}
	if s.o.Connections == nil {
		return
	}
	users := make(map[string]struct{})
	for c := range s.o.Connections() {
		subscriptions, outbound := c.Load()
		out.Connections++
		out.Subscriptions += subscriptions
		out.OutboundBytes += outbound
		if id := c.Identity(); id != nil {
			users[id.User] = struct{}{}
		}
	}
	out.Users = len(users)
}

func (s *server) totals() Totals {
	t := s.o.Queues.Stats()
	flow := t.Flow()
	return Totals{
		Received: t.Sent(), Delivered: flow.Delivered, Published: t.Published(), Acked: flow.Acked, Requeued: t.Requeued.Load(),
		Rejected: t.Rejected.Load(), Exhausted: t.Exhausted.Load(), Expired: t.Expired.Load(), Overflowed: t.Overflowed.Load(),
		Dropped: t.Dropped.Load(), DeadLettered: t.DeadLettered.Load(), Unroutable: t.Unroutable.Load(), Refused: t.Refused.Load(),
	}
}

// memory returns the memory obtained from the operating system. Unlike
// runtime.ReadMemStats, it does not stop the world.
func memory() uint64 {
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(samples)
	for _, s := range samples {
		if s.Value.Kind() != metrics.KindUint64 {
			return 0
		}
	}
	return samples[0].Value.Uint64() - samples[1].Value.Uint64()
}
