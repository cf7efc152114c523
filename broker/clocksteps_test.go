package broker

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// After a step of the clock, or a suspension of the machine, everything due
// by the time of day comes within seconds: delayed, expiring and refused
// messages, and abandoned subscriptions.
func TestClockIsSet(t *testing.T) {
	for _, store := range []*Memory{nil, {}} {
		synctest.Test(t, func(t *testing.T) {
			var offset atomic.Int64
			o := Options{Clock: func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }}
			o.Policies = rules(t, map[string]Policy{
				"/queue/q":  {RedeliveryDelay: Backoff{Initial: time.Hour}, Durable: store != nil},
				"/queue/x":  {TTL: time.Hour, Durable: store != nil},
				"/topic/**": {SubscriptionExpiry: time.Hour, Durable: store != nil},
			})
			if store != nil {
				o.Store = store
			}
			x := newTesterWith(t, o)
			defer x.b.Close()
			p := x.subscribe("/queue/q", AckClientIndividual, 10)
			x.sendWith("/queue/q", "delayed", 4, false, 0, time.Hour)
			x.send("/queue/q", "refused")
			x.send("/queue/x", "expires")
			x.attach("s", "/topic/a", AckClient).sub.Unsubscribe()
			p.arrived("refused")
			p.nack("refused", true)
			x.wantSize(1, 3)
			offset.Store(int64(time.Hour))
			x.sendWith("/queue/q", "soon", 4, false, 0, time.Second)
			pass(5 * time.Second)
			p.arrived("delayed refused#2 soon")
			x.wantSize(0, 1)

			offset.Store(-int64(time.Hour))
			x.sendWith("/queue/q", "later", 4, false, 0, time.Hour)
			x.send("/queue/x", "expires")
			pass(time.Hour - time.Second)
			p.arrived("")
			pass(3 * time.Second)
			p.arrived("later")
			x.wantSize(0, 1)
		})
	}
}
