package session

import (
	"testing"

	"github.com/go-stomp/stomp/v3/frame"
)

// Reading a SEND's headers allocates nothing.
func BenchmarkReadSend(b *testing.B) {
	for name, headers := range map[string][]string{
		"bare":     {frame.Destination, "/queue/orders"},
		"common":   {frame.Destination, "/queue/orders", frame.ContentType, "application/json", frame.Receipt, "17", frame.ContentLength, "128"},
		"custom":   {frame.Destination, "/queue/orders", "correlation-id", "c-17", "x-tenant", "blue", "traceparent", "00-0af7651916cd43dd8448eb211c80319c", "type", "order"},
		"policies": {frame.Destination, "/queue/orders", "priority", "7", "persistent", "true", "expires", "0"},
	} {
		b.Run(name, func(b *testing.B) {
			h := frame.NewHeader(headers...)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := readSend(h); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
