package metrics

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"hoofbeat/broker"
	"hoofbeat/destination"
	"hoofbeat/session"
)

// A collector reads the sources at each scrape. It implements
// prometheus.Collector.
type collector struct {
	Sources
	*names
	surveys surveys
}

func newCollector(s Sources) *collector {
	return &collector{Sources: s, names: newNames(), surveys: surveys{ask: s.Broker.Survey}}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range c.all {
		ch <- d
	}
}

// Collect implements prometheus.Collector. It recovers from panics: it runs on
// a goroutine of the Prometheus library, where one would end the process.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	defer func() {
		if r := recover(); r != nil {
			ch <- prometheus.NewInvalidMetric(c.build.desc, fmt.Errorf("a fault: %v", r))
		}
	}()
	s := sink(ch)
	s.put(c.build, 1, c.Build.Version, c.Build.Commit, c.Build.Go)
	c.collectClients(s)
	c.collectAccess(s)
	c.collectMessages(s)
	c.collectQueues(s)
	if c.Store != nil {
		c.collectStore(s, c.Store())
	}
	if c.Spans != nil {
		c.collectSpans(s, c.Spans())
	}
	c.collectReloads(s)
}

// A sink receives samples.
type sink chan<- prometheus.Metric

func (s sink) put(n name, value float64, labels ...string) {
	s <- prometheus.MustNewConstMetric(n.desc, n.kind, value, labels...)
}

func (s sink) count(n name, value int64, labels ...string) { s.put(n, float64(value), labels...) }

// counts puts one sample per key, and one for each usual key in any case.
func (s sink) counts(n name, all map[string]int64, usual ...string) {
	for key, value := range all {
		s.count(n, value, word(key))
	}
	for _, key := range usual {
		if _, known := all[key]; !known {
			s.count(n, 0, key)
		}
	}
}

// The usual reasons. Rates are correct only if a counter exists before it
// counts for the first time.
var (
	rejections = []string{"origin", "host", "too-many-connections", session.RateLimited, "tls-handshake", "websocket-handshake"}
	refusals   = []string{session.AuthenticationFailed, session.ConnectTimeout, session.NotConnected, session.RateLimited, session.TryLater, session.ConnectionLost}
	closings   = []string{
		session.Disconnected, session.ConnectionLost, session.HeartBeatTimeout, session.SlowConsumer, session.TokenExpired, session.TokenRevoked,
		session.AccessDenied, session.TakenOver, session.GoingAway, session.ClosedByOperator, session.QueueFull, session.OutOfMemory, session.StorageFailed, session.InternalError,
	}
)

// word returns the label for a reason or a transport; "other" for the ones that
// are not counted separately.
func word(key string) string {
	if key == "" {
		return "other"
	}
	return key
}

func (s sink) flag(n name, is bool) {
	if is {
		s.put(n, 1)
	} else {
		s.put(n, 0)
	}
}

func (s sink) histogram(n name, h Histogram) {
	buckets, sum := make(map[float64]uint64, len(h.Bounds)), uint64(0)
	for i, count := range h.Counts {
		sum += count
		if i < len(h.Bounds) {
			buckets[h.Bounds[i]] = sum
		}
	}
	s <- prometheus.MustNewConstHistogram(n.desc, sum, h.Sum, buckets)
}

func (c *collector) collectClients(s sink) {
	t := c.Sessions()
	for p, n := range t.Open {
		s.count(c.connections, n, word(p.Transport), version(p))
	}
	for p, n := range t.Accepted {
		s.count(c.accepted, n, word(p.Transport), version(p))
	}
	s.counts(c.opened, t.Opened)
	s.counts(c.rejected, t.Rejected, rejections...)
	s.counts(c.refused, t.Refused, refusals...)
	s.counts(c.closed, t.Closed, closings...)
	s.count(c.slow, t.SlowConsumers)
	s.counts(c.late, t.Late)
	for command, n := range t.Received {
		s.count(c.framesIn, n.Frames, command)
		s.count(c.bytesIn, n.Bytes, command)
	}
	for command, n := range t.Sent {
		s.count(c.framesOut, n.Frames, command)
		s.count(c.bytesOut, n.Bytes, command)
	}
	out := c.Outbound()
	s.count(c.outbound, out.All)
	s.count(c.outboundMost, out.Most)
	m := c.Memory()
	s.count(c.memoryLimit, m.Limit)
	s.count(c.memoryUsed, m.Used)
	s.count(c.memoryPaused, m.Paused)
	s.count(c.memoryEnded, m.Ended)
	s.count(c.written, t.Written)
	s.count(c.topicDropped, t.Slow, "slow-consumer")
	s.count(c.topicDropped, t.Lost, "ended")
	for d, n := range t.Decisions {
		s.count(c.decisions, n, d.Action.String(), decision(d))
	}
	s.count(c.expiries, t.TokensExpired)
	s.count(c.refreshes, t.Refreshed, "accepted")
	s.count(c.refreshes, t.RefreshRefused, "refused")
}

func version(p session.Peer) string {
	if p.Version == "" {
		return "none"
	}
	return p.Version
}

func decision(d session.Decision) string {
	if d.Allowed {
		return "allowed"
	}
	return "denied"
}

func (c *collector) collectAccess(s sink) {
	a := c.Auth()
	s.put(c.keyFetches, float64(a.Refreshes), "ok")
	s.put(c.keyFetches, float64(a.Failures), "failed")
	s.put(c.keys, float64(a.Keys))
	s.put(c.keysAge, a.KeysAge.Seconds())
	s.flag(c.keysAreStale, a.Stale)
}

func (c *collector) collectMessages(s sink) {
	b := c.Broker.Stats()
	flow := b.Flow()
	unstorable := b.Unstorable.Load() // first, so that it does not exceed Refused
	s.count(c.notTaken, max(0, b.Refused.Load()-unstorable), "queue-full")
	s.count(c.notTaken, unstorable, "storage")
	s.count(c.received, b.Sent())
	s.count(c.unroutable, b.Unroutable.Load())
	s.count(c.published, b.Published())
	s.count(c.restored, b.Restored.Load())
	s.count(c.enqueued, flow.Enqueued)
	s.count(c.delivered, flow.Delivered)
	s.count(c.redelivered, flow.Redelivered)
	s.count(c.acked, flow.Acked)
	s.count(c.nacked, b.Nacked.Load())
	s.count(c.requeued, b.Requeued.Load())
	s.count(c.dead, b.Rejected.Load(), broker.DropRejected.String())
	s.count(c.dead, b.Exhausted.Load(), broker.DropMaxDeliveries.String())
	s.count(c.dead, b.Expired.Load(), broker.DropExpired.String())
	s.count(c.dead, b.Overflowed.Load(), broker.DropOverflow.String())
	s.count(c.deadLettered, b.DeadLettered.Load())
	s.count(c.moved, b.Moved.Load())
	s.count(c.faults, b.Faults.Load())
	for _, why := range broker.DropReasons() {
		s.count(c.dropped, b.DroppedFor(why), why.String())
	}
	s.count(c.subscriptions, b.Subscriptions.Load())
	if c.Store != nil {
		s.count(c.readErrors, b.ReadErrors.Load())
	}
}

// defaultPolicy is the label of queues without a rule. It cannot collide with
// rules, which begin with a slash.
const defaultPolicy = "default"

var kinds = map[destination.Kind]string{
	destination.Queue: "queue", destination.Durable: "subscription", destination.TempQueue: "temporary", destination.Topic: "topic", destination.User: "user",
}

func (c *collector) collectQueues(s sink) {
	survey := c.surveys.latest(time.Now())
	s.put(c.topics, float64(survey.Topics))
	for key, g := range c.groups(survey) {
		for state, n := range map[string]int{"ready": g.Ready, "unacked": g.Unacked, "delayed": g.Delayed} {
			s.put(c.messages, float64(n), key.policy, key.kind, state)
		}
		s.put(c.queues, float64(g.Queues), key.policy, key.kind)
		s.count(c.size, g.Bytes, key.policy, key.kind)
		s.put(c.consumers, float64(g.Consumers), key.policy, key.kind)
		s.put(c.unattended, float64(g.Unattended), key.policy, key.kind)
		s.put(c.oldest, g.Age.Seconds(), key.policy, key.kind)
	}
}

// A key is the pair of labels of a group.
type key struct{ policy, kind string }

// groups returns the groups of a survey, and empty ones for rules without
// queues, so that a series does not end with its last queue.
func (c *collector) groups(survey broker.Survey) map[key]broker.Group {
	all := map[key]broker.Group{{defaultPolicy, kinds[destination.Queue]}: {}}
	for _, r := range c.Broker.Policies().Rules {
		kind := destination.Queue
		if r.Match.Kind == destination.Topic {
			kind = destination.Durable
		}
		all[key{label(r.Match.String()), kinds[kind]}] = broker.Group{}
	}
	for _, g := range survey.Groups {
		policy := defaultPolicy
		if g.Policy != "" {
			policy = label(g.Policy)
		}
		all[key{policy, kinds[g.Kind]}] = g
	}
	return all
}

func label(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

func (c *collector) collectStore(s sink, d Store) {
	s.flag(c.writable, d.Writable)
	s.histogram(c.commitTime, d.CommitTimes)
	s.histogram(c.commitOps, d.CommitOps)
	s.histogram(c.commitSize, d.CommitSize)
	s.count(c.elided, d.Elided)
	s.put(c.pendingOps, float64(d.PendingOps))
	s.put(c.pendingReads, float64(d.PendingReads))
	s.count(c.disk, d.DiskBytes)
	if d.Free >= 0 {
		s.count(c.free, d.Free)
	}
	s.count(c.minFree, d.MinFree)
}

func (c *collector) collectSpans(s sink, n Spans) {
	s.count(c.spansSent, n.Sent)
	s.count(c.spansLost, n.Refused, "refused")
	s.count(c.spansLost, n.QueueFull, "queue-full")
	s.count(c.spansLost, n.TooMany, "too-many")
}

func (c *collector) collectReloads(s sink) {
	r := c.Reloads()
	s.count(c.reloads, r.Done, "ok")
	s.count(c.reloads, r.Refused, "refused")
	s.put(c.lastReload, float64(r.Last.UnixMilli())/1000)
	s.flag(c.lastReloadWell, !r.LastRefused)
}

// surveys caches the last survey for a moment: with many queues it takes a few
// hundredths of a second of processor time.
type surveys struct {
	ask func() broker.Survey

	mu   sync.Mutex // guards the fields below; held during a survey
	last broker.Survey
	good time.Time // until when last is valid
}

const (
	surveyEvery = time.Second
	// surveyShare is the inverse of the largest share of time that surveys may
	// take.
	surveyShare = 20
)

func (s *surveys) latest(now time.Time) broker.Survey {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Before(s.good) {
		return s.last
	}
	start := time.Now()
	s.last = s.ask()
	s.good = now.Add(max(surveyEvery, surveyShare*time.Since(start)))
	return s.last
}
