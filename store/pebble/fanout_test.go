package pebble

import (
	"fmt"
	"testing"

	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/broker"
	"hoofbeat/destination"
)

// BenchmarkFanOut publishes to many durable subscriptions of one topic, one
// message after the other.
func BenchmarkFanOut(b *testing.B) {
	for _, n := range []int{1, 2, 100, 20_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := mustOpen(b, b.TempDir(), Options{})
			br, err := broker.New(broker.Options{Store: s, Policies: broker.Policies{Default: broker.Policy{Durable: true}}})
			if err != nil {
				b.Fatal(err)
			}
			defer br.Close()
			topic, err := destination.DefaultNamespace().ForSend("/topic/t", destination.Owner{})
			if err != nil {
				b.Fatal(err)
			}
			done := make(chan error, n)
			report := func(err error) { done <- err }
			for i := range n {
				if err := br.MakeDurable(destination.DurableSubscription("alice", "", fmt.Sprint(i)), topic, report); err != nil {
					b.Fatal(err)
				}
			}
			for range n {
				<-done
			}
			f := frame.New(frame.SEND)
			f.Body = make([]byte, 200)
			p := br.NewPublisher()
			for b.Loop() {
				p.Send(broker.NewMessage(topic, broker.Content{Header: f.Header, Body: f.Body}, broker.Properties{}), report)
				if err := <-done; err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
