package broker

import (
	"sync"
	"sync/atomic"
	"time"

	"hoofbeat/destination"
)

// A Survey has the contents of the queues at about one moment, for metrics.
type Survey struct {
	Groups []Group // in no order
	Topics int     // patterns that somebody has subscribed to
}

// A Group is all queues of one kind that one policy is for.
type Group struct {
	// Policy is the rule's pattern as it was written; empty: the default.
	Policy string
	Kind   destination.Kind
	Queues int
	Depth
	Bytes     int64 // of all messages, by Message.Size
	Consumers int
	// Unattended are the queues with waiting messages and without consumers.
	Unattended int
	// Age is how long the message at the head of a queue has waited, the
	// longest there is; 0: none waits.
	Age time.Duration
}

// A group is the key of a Group.
type group struct {
	policy *Policy
	kind   destination.Kind
}

// chunk is how many queues are looked up at a time: the registry's lock is held
// for a few microseconds.
const chunk = 512

// maxLearning is how many queues the Store is asked at a time when their head
// arrived.
const maxLearning = 1024

// A surveyor does surveys, one at a time.
type surveyor struct {
	mu       sync.Mutex   // held during a survey, before all other locks; guards the fields below
	number   uint64       // of the survey
	budget   int          // how many heads it may still ask for
	learning atomic.Int32 // how many are asked for and not answered
}

// Survey looks at every queue, one after the other: it locks each by itself,
// just long enough to copy a few numbers. It may miss queues that come and go
// meanwhile. It may be called from any goroutine that holds no lock.
//
// If only the Store knows the head of a queue, Survey asks for the heads of
// some queues, and the next survey has their age.
func (b *Broker) Survey() Survey {
	qs := b.queues
	qs.survey.mu.Lock()
	defer qs.survey.mu.Unlock()
	qs.survey.number++
	qs.survey.budget = maxLearning - int(qs.survey.learning.Load())
	groups := make(map[group]*Group)
	now := qs.now()
	qs.each(func(q *queue) { q.join(groups, now) })
	for q := range qs.passing.Range {
		q.(*queue).join(groups, now)
	}
	return Survey{Groups: qs.named(groups), Topics: b.topics.len()}
}

// each calls f once for every queue that is registered throughout; the
// surveyor's lock is held, and no other. It goes from the end of the list to
// its beginning: the queue that takes the place of a removed one comes from
// behind, where it was seen, or from in front, where it will be.
func (qs *queues) each(f func(*queue)) {
	var some [chunk]*queue
	for at := qs.len(); at > 0; {
		n := 0
		qs.mu.RLock()
		at = min(at, len(qs.list))
		for n < chunk && at > 0 {
			at--
			some[n] = qs.list[at]
			n++
		}
		qs.mu.RUnlock()
		for _, q := range some[:n] {
			if q.surveyed != qs.survey.number {
				q.surveyed = qs.survey.number
				f(q)
			}
		}
	}
}

// join adds a queue to its group.
func (q *queue) join(groups map[group]*Group, now int64) {
	q.mu.Lock()
	if q.gone {
		q.mu.Unlock()
		return
	}
	q.sound()
	key := group{q.policy, q.dest.Kind}
	d := Depth{Ready: q.count - q.held - q.backlog.delayed.count, Unacked: q.held, Delayed: q.backlog.delayed.count}
	size, consumers, oldest := int64(q.size), q.consumers, int64(0)
	if d.Ready > 0 {
		oldest = q.backlog.oldest()
		q.learnHeads()
	}
	q.unlockSurveyed()

	one := Group{Kind: key.kind, Queues: 1, Depth: d, Bytes: size, Consumers: consumers}
	if d.Ready > 0 && consumers == 0 {
		one.Unattended = 1
	}
	if oldest != 0 {
		one.Age = max(0, time.Duration(now-oldest)*time.Millisecond)
	}
	if g := groups[key]; g != nil {
		g.merge(&one)
	} else {
		groups[key] = &one
	}
}

// unlockSurveyed lets go of a queue in which nothing has changed.
func (q *queue) unlockSurveyed() {
	if q.writes.asked != nil {
		q.unlock()
		return
	}
	q.mu.Unlock()
}

func (d *Depth) add(o Depth) {
	d.Ready += o.Ready
	d.Unacked += o.Unacked
	d.Delayed += o.Delayed
}

// learnHeads asks the Store for the heads that are not known. The locks of the
// queue and of the surveyor are held; the questions are put when the queue's is
// let go.
func (q *queue) learnHeads() {
	for _, l := range q.backlog.lanes {
		if l.behind.Count == 0 || l.window.len() > 0 || l.oldest != 0 || l.learning || q.set.survey.budget <= 0 {
			continue
		}
		q.set.survey.budget--
		l.learning = true
		q.set.survey.learning.Add(1)
		round, after := l.round, l.after
		r := Range{Queue: q.id, After: Position{Lane: LaneOf(l.priority), Seq: after}, Messages: 1, Size: 1}
		q.writes.ask(r, func(p Page) {
			q.set.survey.learning.Add(-1)
			q.mu.Lock()
			defer q.mu.Unlock()
			l.learning = false
			// The page starts with the head only if it was not asked for
			// elsewhere.
			if len(p.Messages) > 0 && l.round == round && l.after == after && l.window.len() == 0 && l.oldest == 0 {
				l.oldest = p.Messages[0].Message.arrived
			}
		})
	}
}

// named gives groups the names of their policies. Groups whose policy was
// replaced meanwhile count for the default.
func (qs *queues) named(groups map[group]*Group) []Group {
	p := qs.policies.Load()
	names := make(map[*Policy]string, len(p.Rules))
	for i := range p.Rules {
		names[&p.Rules[i].Policy] = p.Rules[i].Match.String()
	}
	type name struct {
		policy string
		kind   destination.Kind
	}
	places := make(map[name]int)
	var all []Group
	for key, g := range groups {
		g.Policy = names[key.policy]
		n := name{g.Policy, g.Kind}
		if at, ok := places[n]; ok {
			all[at].merge(g)
			continue
		}
		places[n] = len(all)
		all = append(all, *g)
	}
	return all
}

func (g *Group) merge(o *Group) {
	g.Queues += o.Queues
	g.add(o.Depth)
	g.Bytes += o.Bytes
	g.Consumers += o.Consumers
	g.Unattended += o.Unattended
	g.Age = max(g.Age, o.Age)
}
