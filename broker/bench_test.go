package broker

import (
	"hoofbeat/destination"

	"fmt"
	"testing"

	"github.com/go-stomp/stomp/v3/frame"
)

// acker acknowledges each delivery after the call that brought it.
type acker struct{ tag uint64 }

func (a *acker) TakeCredit(int) bool { return true }
func (a *acker) Deliver(d Delivery)  { a.tag = d.Tag }
func (a *acker) Overrun() Overflow   { return DropNewest }

func BenchmarkQueuePushAck(b *testing.B) {
	for _, kept := range []bool{false, true} {
		b.Run(fmt.Sprintf("stored=%v", kept), func(b *testing.B) {
			x := newTester(b, nil)
			if kept {
				x = newTester(b, &Memory{})
			}
			var sink acker
			s := mustSubscribe(x.b, SubscribeOptions{Destination: readDestination(b, "/queue/q", alice), Ack: AckClientIndividual, Prefetch: 10, Sink: &sink})
			m := x.message("/queue/q", "hello")
			b.ReportAllocs()
			for b.Loop() {
				x.p.Send(m, nil)
				if err := s.Ack(sink.tag, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkQueueBehindOld is the same behind a message that nobody
// acknowledges, and with 100 consumers.
func BenchmarkQueueBehindOld(b *testing.B) {
	x := newTester(b, nil)
	var sinks [100]acker
	var subs [100]*Subscription
	for i := range subs {
		subs[i] = mustSubscribe(x.b, SubscribeOptions{Destination: readDestination(b, "/queue/q", alice), Ack: AckClientIndividual, Prefetch: 10, Sink: &sinks[i]})
	}
	m := x.message("/queue/q", "hello")
	for range subs {
		x.p.Send(m, nil)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i = (i + 1) % len(subs) {
		x.p.Send(m, nil)
		if err := subs[i].Ack(sinks[i].tag, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPublish50(b *testing.B) {
	for _, moving := range []bool{false, true} {
		b.Run(fmt.Sprintf("topics-come-and-go=%v", moving), func(b *testing.B) {
			x := newTester(b, nil)
			d := readDestination(b, "/topic/t", alice)
			for range 50 {
				mustSubscribe(x.b, SubscribeOptions{Destination: d, Sink: discard{}})
			}
			m := x.message("/topic/t", "hello")
			other := readDestination(b, "/topic/other", alice)
			b.ReportAllocs()
			for b.Loop() {
				if moving {
					mustSubscribe(x.b, SubscribeOptions{Destination: other, Sink: discard{}}).Unsubscribe()
				}
				x.p.Send(m, nil)
			}
		})
	}
}

func BenchmarkSendNewMessage(b *testing.B) {
	d := readDestination(b, "/topic/prices.eur", alice)
	f := frame.New(frame.SEND, frame.Destination, "/topic/prices.eur", "content-type", "application/json", "content-length", "128", "priority", "4")
	f.Body = make([]byte, 128)
	b.ReportAllocs()
	for b.Loop() {
		NewMessage(d, Content{Header: f.Header, Body: f.Body}, Properties{Priority: DefaultPriority})
	}
}

func BenchmarkForSend(b *testing.B) {
	n := destination.DefaultNamespace()
	for _, text := range []string{"/topic/prices.eur", "/topic/prices/eur", "/user/bob/queue/inbox", "/temp-queue/r"} {
		b.Run(text, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := n.ForSend(text, alice); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
