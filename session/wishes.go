package session

import (
	"strconv"
	"strings"

	"github.com/go-stomp/stomp/v3/frame"
)

// The broker refuses headers that it cannot honour, as ignoring them would
// give clients something else than they asked for. Client libraries also
// write such headers with values that ask for nothing, or for the default;
// those are accepted.

// readBool reads a boolean as ActiveMQ and RabbitMQ do; an empty one is false.
func readBool(v string) (is, ok bool) {
	switch {
	case v == "", v == "0", strings.EqualFold(v, "false"):
		return false, true
	case v == "1", strings.EqualFold(v, "true"):
		return true, true
	}
	return false, false
}

// booleans lists the valid values for an ERROR of readBool.
const booleans = "true or false"

// These tell whether a header's value asks for nothing.
func isEmpty(v string) bool { return v == "" }

func isNo(v string) bool {
	is, ok := readBool(v)
	return ok && !is
}

func isZero(v string) bool {
	n, err := strconv.ParseInt(v, 10, 64)
	return v == "" || err == nil && n == 0
}

func isClassic(v string) bool { return v == "" || v == "classic" }

// A wish is a header of SUBSCRIBE that is refused, unless its value asks for
// nothing.
type wish struct {
	header  string
	nothing func(value string) bool
}

// unsupportedInSubscribe would change the meaning of a subscription.
var unsupportedInSubscribe = [...]wish{
	{"selector", isEmpty}, {"browser", isNo}, {"browser-end", isNo}, {"no-local", isNo}, {"activemq.noLocal", isNo},
	{"exclusive", isNo}, {"activemq.exclusive", isNo}, {"activemq.retroactive", isNo}, {"from-seq", isEmpty}, {"include-seq", isEmpty},
	{"x-queue-name", isEmpty}, {"x-stream-offset", isEmpty}, {"x-stream-filter", isEmpty}, {"x-stream-match-unfiltered", isNo},
	{"x-priority", isZero}, {"activemq.priority", isZero}, {"activemq.selector", isEmpty}, {"activemq.browser", isNo}, {"credit", isEmpty},
	{"activemq.subcriptionName", isEmpty}, // as ActiveMQ 4 spelt it: ignored, the subscription would not be durable
}

// policyHeaders are the headers by which RabbitMQ and ActiveMQ let a client
// configure a queue. Here that is up to the operator, so that no client
// changes a queue for the others.
var policyHeaders = [...]wish{
	{"x-dead-letter-exchange", isEmpty}, {"x-dead-letter-routing-key", isEmpty}, {"x-expires", isEmpty}, {"x-message-ttl", isEmpty},
	{"x-max-length", isEmpty}, {"x-max-length-bytes", isEmpty}, {"x-overflow", isEmpty}, {"x-max-priority", isEmpty},
	{"x-queue-type", isClassic}, {"x-max-age", isEmpty}, {"x-single-active-consumer", isNo},
	{"x-stream-max-segment-size-bytes", isEmpty}, {"x-stream-filter-size-bytes", isEmpty},
	{"activemq.maximumRedeliveries", isEmpty}, {"activemq.redeliveryDelay", isEmpty}, {"activemq.initialRedeliveryDelay", isEmpty},
	{"activemq.maximumRedeliveryDelay", isEmpty}, {"activemq.backOffMultiplier", isEmpty}, {"activemq.useExponentialBackOff", isNo},
}

// refuseWishes refuses a SUBSCRIBE that asks for a missing feature.
func refuseWishes(h *frame.Header) error {
	for _, w := range unsupportedInSubscribe {
		if !w.nothing(h.Get(w.header)) {
			return notSupported(w.header, frame.SUBSCRIBE)
		}
	}
	for _, w := range policyHeaders {
		if !w.nothing(h.Get(w.header)) {
			return fault(NotSupported, "The header %q of SUBSCRIBE is not supported. The policy of the destination decides how a queue behaves "+
				"(destinations in the configuration).", w.header)
		}
	}
	return nil
}
