package session_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"hoofbeat/broker"
)

// badProperties are all headers of SEND that mean something to a queue, with
// each kind of value that means nothing.
func badProperties() []badInput {
	var all []badInput
	add := func(header, word string, parts []string, values ...string) {
		for _, v := range values {
			all = append(all, badInput{name: header + ":" + v, say: asks("SEND\ndestination:/queue/a\n" + header + ":" + v),
				word: word, body: append([]string{`"` + header + `"`, "SEND"}, parts...)})
		}
	}
	add("priority", "invalid-header", []string{"0 to 9"}, "10", "-1", "4.0", "high", "+4", " 4", "04")
	add("persistent", "invalid-header", []string{"true or false"}, "yes", "no", "2", "01", "true ")
	numbers := []string{"-1", "+1", "1.5", "1e3", "soon", "0x10", "9223372036854775807", "9223372036854775808", "99999999999999999999999", "1 0"}
	for _, h := range []string{"ttl", "expiration", "AMQ_SCHEDULED_DELAY"} {
		add(h, "invalid-header", []string{"milliseconds from now"}, numbers...)
		add(h, "invalid-header", []string{"year 10000"}, "253402300799999") // from now on, it is beyond
	}
	for _, h := range []string{"expires", "AMQ_SCHEDULED_TIME"} {
		add(h, "invalid-header", []string{"since 1970"}, numbers...)
		add(h, "invalid-header", []string{"year 10000"}, "253402300800000")
	}
	add("AMQ_SCHEDULED_PERIOD", "not-supported", nil, "1000")
	add("AMQ_SCHEDULED_REPEAT", "not-supported", nil, "3", "-1", "none")
	add("AMQ_SCHEDULED_CRON", "not-supported", nil, "0 * * * *")
	add("JMSXGroupID", "not-supported", nil, "g")
	add("JMSXGroupSeq", "not-supported", nil, "-1")
	add("_AMQ_GROUP_ID", "not-supported", nil, "g")
	add("_AMQ_LVQ_NAME", "not-supported", nil, "k")
	add("_AMQ_DUPL_ID", "not-supported", nil, "1")
	add("retain", "not-supported", nil, "set", "remove", "True", "1")
	add("_AMQ_SCHED_DELIVERY", "not-supported", nil, "1000")
	add("destination-type", "not-supported", []string{"/queue/a"}, "MULTICAST")
	add("destination-type", "invalid-header", []string{"ANYCAST or MULTICAST"}, "queue")
	for _, h := range []string{"activemq.maximumRedeliveries:3", "activemq.redeliveryDelay:1000", "activemq.initialRedeliveryDelay:1", "activemq.backOffMultiplier:2",
		"activemq.subcriptionName:x", "activemq.selector:a=1", "credit:1", "subscription-type:ANYCAST"} {
		name, _, _ := strings.Cut(h, ":")
		all = append(all, badInput{name: h, say: asks("SUBSCRIBE\nid:1\ndestination:/topic/a\n" + h), word: "not-supported", body: []string{name, "SUBSCRIBE"}})
	}
	all = append(all, badInput{name: "nobody", say: asks("SEND\ndestination:/user//queue/x"), word: "invalid-destination", body: []string{"/user//queue/x", "names no user"}})
	for _, to := range []string{"/topic/a", "/user/bob/queue/a", "/reply-queue/x.a"} {
		for _, h := range []string{"AMQ_SCHEDULED_DELAY:1", "AMQ_SCHEDULED_TIME:253402300799999"} {
			all = append(all, badInput{name: h + " to " + to, say: asks("SEND\ndestination:" + to + "\n" + h),
				word: "not-supported", body: []string{"AMQ_SCHEDULED_", "queues only", to}})
		}
	}
	for _, h := range []string{"selector:a=1", "browser:true", "exclusive:true", "activemq.exclusive:true", "activemq.retroactive:true", "no-local:true"} {
		all = append(all, badInput{name: h, say: asks("SUBSCRIBE\nid:1\ndestination:/topic/a\n" + h), word: "not-supported", body: []string{"SUBSCRIBE"}})
	}
	return all
}

// Values that mean nothing are no fault, and neither is a second value: the
// first one counts.
func TestPropertiesThatAskNothing(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c := w.connect()
		for _, to := range []string{"/queue/a", "/topic/a", "/user/bob/queue/a"} {
			for _, h := range []string{"expires:0", "ttl:0", "expiration:0", "AMQ_SCHEDULED_DELAY:0", "AMQ_SCHEDULED_TIME:0", "JMSXGroupID:", "retain:",
				"expires:253402300799999", "priority:4\npriority:x", "persistent:true\npersistent:x", "ttl:0\nttl:-1"} {
				c.Send("SEND", "destination:"+to, h, "receipt:"+strconv.Itoa(len(to)))
				c.WantReceipt(strconv.Itoa(len(to)))
			}
		}
	})
}

func TestPriority(t *testing.T) {
	durably(t, nil, func(t *testing.T, w *world) {
		c := w.connect()
		for _, p := range []string{"priority:0", "priority:9", "x:none", "priority:4", "priority:5", "priority:9"} {
			c.Send("SEND", "destination:/queue/a", p, "", p)
		}
		c.Send("SUBSCRIBE", "id:1", "destination:/queue/a")
		c.Want("MESSAGE", "priority:9", "", "priority:9") // the header travels
		take(t, c, "priority:9", "priority:5", "x:none", "priority:4", "priority:0")
	})
}

// A message that need not survive the process does not, and all others do,
// with their instructions for the queue.
func TestPersistent(t *testing.T) {
	durably(t, nil, func(t *testing.T, w *world) {
		c := w.connect()
		c.Send("SEND", "destination:/queue/a", "priority:1", "", "1")
		c.Send("SEND", "destination:/queue/a", "persistent:false", "", "2")
		c.Send("SEND", "destination:/queue/a", "persistent:true", "receipt:r", "", "3")
		c.WantReceipt("r")
		w.restart()
		c = w.connect()
		c.Send("SUBSCRIBE", "id:1", "destination:/queue/a")
		c.Want("MESSAGE", "persistent:true", "", "3")
		take(t, c, "1")
		c.WantNothing()
	})
}

// The earliest of several counts, and absolute ones are in the past at times.
func TestExpiry(t *testing.T) {
	for _, headers := range [][]string{
		{"ttl:2000"}, {"expiration:2000"}, {"expires:+2000"},
		{"ttl:2000", "expiration:3000", "expires:+4000"}, {"expires:+2000", "ttl:0"}, {"expiration:5000", "ttl:2000"},
	} {
		t.Run(fmt.Sprint(headers), func(t *testing.T) {
			durably(t, []broker.PolicyRule{rule("/queue/a", broker.Policy{DeadLetter: queueD()})}, func(t *testing.T, w *world) {
				c := w.connect()
				lines := []string{"destination:/queue/a"}
				for _, h := range headers {
					lines = append(lines, fromNow(h))
				}
				c.Send("SEND", append(lines, "", "1")...)
				c.Send("SEND", "destination:/queue/a", "", "2")
				c.Barrier()
				pass(1990 * time.Millisecond)
				w.wantDepth("/queue/a", 2, 0)
				pass(20 * time.Millisecond)
				w.wantDepth("/queue/a", 1, 0)
				c.Send("SUBSCRIBE", "id:d", "destination:/queue/d")
				c.Want("MESSAGE", "original-destination:/queue/a", "death-reason:expired", "death-count:1", lines[1], "", "1")
			})
		})
	}
}

// fromNow makes a header like expires:+2000 absolute.
func fromNow(header string) string {
	var name string
	var ms int64
	if n, _ := fmt.Sscanf(header, "expires:+%d", &ms); n == 1 {
		name = "expires:"
	} else if n, _ := fmt.Sscanf(header, "AMQ_SCHEDULED_TIME:+%d", &ms); n == 1 {
		name = "AMQ_SCHEDULED_TIME:"
	} else {
		return header
	}
	return name + strconv.FormatInt(time.Now().UnixMilli()+ms, 10)
}

func TestExpiresInThePast(t *testing.T) {
	durably(t, nil, func(t *testing.T, w *world) {
		c := w.connect()
		c.Send("SUBSCRIBE", "id:1", "destination:/queue/a")
		c.Send("SEND", "destination:/queue/a", "expires:1", "receipt:r")
		c.WantReceipt("r")
		c.WantNothing()
		w.wantDepth("/queue/a", 0, 0)
	})
}

// Of two delays the later one counts. It is the same after a restart.
func TestDelay(t *testing.T) {
	for _, headers := range [][]string{
		{"AMQ_SCHEDULED_DELAY:3000"}, {"AMQ_SCHEDULED_TIME:+3000"}, {"AMQ_SCHEDULED_DELAY:1000", "AMQ_SCHEDULED_TIME:+3000"},
		{"AMQ_SCHEDULED_DELAY:3000", "AMQ_SCHEDULED_TIME:1"},
	} {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprint(headers, restart), func(t *testing.T) {
				durably(t, nil, func(t *testing.T, w *world) {
					c := w.connect()
					lines := []string{"destination:/queue/a"}
					for _, h := range headers {
						lines = append(lines, fromNow(h))
					}
					start := time.Now()
					c.Send("SEND", append(lines, "receipt:r", "", "later")...)
					c.Send("SEND", "destination:/queue/a", "receipt:s", "", "now")
					c.WantReceipt("r")
					c.WantReceipt("s")
					if restart {
						w.restart()
						c = w.connect()
					}
					c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client")
					c.Want("MESSAGE", "", "now")
					f := c.Want("MESSAGE", lines[1], "!redelivered", "", "later")
					if late := time.Since(start) - 3*time.Second; late < 0 || late > 100*time.Millisecond {
						t.Errorf("it came after %v", time.Since(start))
					}
					c.Send("ACK", "id:"+f.Get("ack"))
				})
			})
		}
	}
}

func TestDelayInTransaction(t *testing.T) {
	durably(t, nil, func(t *testing.T, w *world) {
		c := w.connect()
		c.Send("SUBSCRIBE", "id:1", "destination:/queue/a")
		c.Send("BEGIN", "transaction:t")
		c.Send("SEND", "destination:/queue/a", "transaction:t", "AMQ_SCHEDULED_DELAY:3000", "", "later")
		c.Send("SEND", "destination:/queue/a", "transaction:t", "", "now")
		c.Send("COMMIT", "transaction:t", "receipt:r")
		c.AwaitReceipt("r")
		take(t, c, "now")
		c.WantNothing()
		take(t, c, "later")
	})
}
