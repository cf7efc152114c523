package hoofbeat

import (
	"log/slog"

	"hoofbeat/admin"
	"hoofbeat/broker"
)

// mostWarnings is the number of queues that warnings name.
const mostWarnings = 20

// warnOfLimits logs the queues that hold more than their policy admits. A
// policy may be newer than the messages.
func warnOfLimits(b *broker.Broker, log *slog.Logger) {
	found := 0
	for _, q := range b.OverLimits() {
		if found++; found <= mostWarnings {
			log.Warn("a queue is over the limits of its policy: what it holds stays, and overflow applies to what comes", "queue", admin.Name(q.Destination),
				"messages", q.Ready+q.Unacked+q.Delayed, "maxMessages", q.Policy.MaxMessages, "bytes", q.Bytes, "maxBytes", q.Policy.MaxBytes)
		}
	}
	if found > mostWarnings {
		log.Warn("more queues are over the limits of their policies", "queues", found-mostWarnings)
	}
}
