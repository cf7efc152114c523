package session_test

import "testing"

// Every header that would change the meaning of a queue or a subscription, in
// the spelling of RabbitMQ, ActiveMQ, Artemis and Apollo, is refused by its
// name.
var unsupported = map[string][]string{
	"SEND": {
		"JMSXGroupID", "JMSXGroupSeq", "_AMQ_GROUP_ID", "_AMQ_GROUP_SEQUENCE", "message_group", // message groups
		"_AMQ_LVQ_NAME",             // last-value queues
		"_AMQ_DUPL_ID",              // deduplication
		"retain", "ActiveMQ.Retain", // retained messages
		"AMQ_SCHEDULED_PERIOD", "AMQ_SCHEDULED_REPEAT", "AMQ_SCHEDULED_CRON",
	},
	"SUBSCRIBE": {
		"selector", "no-local", "activemq.noLocal",
		"exclusive", "activemq.exclusive", "x-priority", "activemq.priority", // the choice among many consumers
		"browser", "browser-end",
		"activemq.retroactive", "from-seq", "include-seq", // earlier messages
		"x-queue-name", "x-stream-offset", "x-stream-filter", "x-stream-match-unfiltered",
		"x-dead-letter-exchange", "x-dead-letter-routing-key", "x-expires", "x-message-ttl", "x-max-length", "x-max-length-bytes",
		"x-overflow", "x-max-priority", "x-queue-type", "x-max-age", "x-single-active-consumer", "x-stream-max-segment-size-bytes", "x-stream-filter-size-bytes",
	},
}

func TestUnsupportedByName(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		for command, names := range unsupported {
			for _, name := range names {
				for _, to := range []string{"/queue/a", "/topic/a"} {
					c := w.connect()
					c.Send(command, "id:1", "destination:"+to, name+":1", "receipt:r")
					c.WantError("not-supported", "r", `"`+name+`"`, command)
				}
			}
		}
		w.wantDepth("/queue/a", 0, 0)
	})
}
