package session_test

import (
	"fmt"
	"testing"
)

// Values of refused headers that ask for nothing, or for the default; the
// empty value does in all of them.
var nothings = map[string]map[string][]string{
	"SEND": {
		"AMQ_SCHEDULED_PERIOD": {"0"}, "AMQ_SCHEDULED_REPEAT": {"0"}, "AMQ_SCHEDULED_DELAY": {"0"}, "AMQ_SCHEDULED_TIME": {"0"},
		"JMSXGroupSeq": {"0"}, "_AMQ_GROUP_SEQUENCE": {"0"},
		"retain": {"false", "False", "0"}, "ActiveMQ.Retain": {"false", "FALSE", "0"},
		"expires": {"0"}, "ttl": {"0"}, "expiration": {"0"}, "priority": {"4"}, "persistent": {"true", "True", "TRUE", "1"},
	},
	"SUBSCRIBE": {
		"browser": {"false", "0"}, "browser-end": {"false", "0"}, "no-local": {"false", "False", "0"}, "activemq.noLocal": {"false", "0"},
		"exclusive": {"false", "False", "0"}, "activemq.exclusive": {"false", "0"}, "activemq.retroactive": {"false", "0"},
		"x-stream-match-unfiltered": {"false", "0"}, "x-priority": {"0"}, "activemq.priority": {"0"},
		"x-queue-type": {"classic"}, "x-single-active-consumer": {"false", "0"},
		"auto-delete": {"false", "False", "0"}, "durable": {"false", "False", "0"}, "persistent": {"false", "0"}, "prefetch-count": nil, "activemq.prefetchSize": nil, "ack": {"auto"},
	},
}

// A header that asks for nothing is no error, in whatever command it is refused
// otherwise.
func TestHeadersThatAskForNothing(t *testing.T) {
	for command, names := range unsupported {
		for _, name := range names {
			if nothings[command][name] == nil {
				nothings[command][name] = nil // but for the empty value
			}
		}
	}
	for command, headers := range nothings {
		for name, values := range headers {
			for _, v := range append(values, "") {
				for _, to := range []string{"/queue/a", "/topic/a"} {
					t.Run(fmt.Sprint(command, to, name, "=", v), func(t *testing.T) {
						converse(t, func(t *testing.T, w *world) {
							c := w.connect()
							c.Send(command, "id:1", "destination:"+to, name+":"+v, "receipt:r")
							c.WantReceipt("r")
						})
					})
				}
			}
		}
	}
}

// A queue keeps its messages, so a durable subscription to one asks for the
// default. UNSUBSCRIBE with the same headers ends it.
func TestDurableSubscriptionToQueue(t *testing.T) {
	for _, header := range []string{"durable:true", "persistent:true", "durable:True", "persistent:1"} {
		t.Run(header, func(t *testing.T) {
			durably(t, nil, func(t *testing.T, w *world) {
				c := w.connect()
				c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", header, "auto-delete:false", "receipt:s")
				c.WantReceipt("s")
				c.Send("SEND", "destination:/queue/a", "", "1")
				take(t, c, "1")
				c.Send("UNSUBSCRIBE", "id:1", header, "receipt:u")
				c.Want("RECEIPT", "receipt-id:u", "!late")
				c.Send("SEND", "destination:/queue/a", "", "2")
				c.WantNothing()
				w.wantDepth("/queue/a", 1, 0)
			})
		})
	}
}

// All booleans are read in the same way.
func TestBooleans(t *testing.T) {
	for _, v := range []string{"true", "True", "TRUE", "1"} {
		t.Run(v, func(t *testing.T) {
			durably(t, nil, func(t *testing.T, w *world) {
				c := w.connect()
				for _, header := range []string{"durable", "persistent"} {
					c.Send("SUBSCRIBE", "id:"+header, "destination:/topic/a", header+":"+v, "receipt:s")
					c.WantReceipt("s")
					c.Send("UNSUBSCRIBE", "id:"+header)
					c.Send("SEND", "destination:/topic/a", "", "kept")
					c.Send("SUBSCRIBE", "id:"+header, "destination:/topic/a", header+":"+v, "receipt:s")
					c.AwaitReceipt("s")
					take(t, c, "kept")
					c.Send("UNSUBSCRIBE", "id:"+header, header+":"+v, "receipt:u")
					c.WantReceipt("u")
				}
				c.Send("SEND", "destination:/queue/a", "persistent:"+v, "", "kept")
				c.Barrier()
				w.restart()
				c = w.connect()
				c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client", "prefetch-count:1")
				c.Send("NACK", "id:"+take(t, c, "kept")[0].Get("ack"), "requeue:"+v)
				c.Send("ACK", "id:"+c.Want("MESSAGE", "redelivered:true").Get("ack"))
			})
		})
	}
	for _, v := range []string{"false", "False", "FALSE", "0"} {
		t.Run(v, func(t *testing.T) {
			durably(t, nil, func(t *testing.T, w *world) {
				c := w.connect()
				c.Send("SEND", "destination:/queue/a", "persistent:"+v, "", "lost")
				c.Barrier()
				w.restart()
				w.wantDepth("/queue/a", 0, 0)
				c = w.connect()
				c.Send("SEND", "destination:/queue/a", "", "1")
				c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client")
				c.Send("NACK", "id:"+take(t, c, "1")[0].Get("ack"), "requeue:"+v)
				c.WantNothing()
				w.wantDepth("/queue/a", 0, 0)
			})
		})
	}
}
