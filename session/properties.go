package session

import (
	"strconv"
	"time"

	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/broker"
	"hoofbeat/destination"
)

// The headers of a SEND that ask something of a queue, as RabbitMQ, ActiveMQ
// and Artemis spell them.
const (
	priorityHeader       = "priority"
	persistentHeader     = "persistent"
	expiresHeader        = "expires"
	ttlHeader            = "ttl"
	expirationHeader     = "expiration"
	scheduledDelayHeader = "AMQ_SCHEDULED_DELAY"
	scheduledTimeHeader  = "AMQ_SCHEDULED_TIME"

	destinationTypeHeader = "destination-type"
)

// latest is the end of the year 9999, in ms since the epoch: a time behind it
// is a mistake, and none before it overflows when something is added.
const latest = 253402300799999

// properties are the headers of a SEND that instruct the broker.
type properties struct {
	broker.Properties
	delayedBy string // the header that makes it wait; empty: none
	// destinationType is the type that the sender expects of the destination;
	// empty: none.
	destinationType string
	seen            uint8 // a bit for each header that came
	now             int64 // in ms since the epoch, once it was needed
}

// seenFirst reports whether a header comes for the first time. Of repeated
// ones the first counts.
func (p *properties) seenFirst(bit uint8) bool {
	before := p.seen
	p.seen |= 1 << bit
	return before != p.seen
}

// read takes one header of a SEND into account.
func (p *properties) read(name, value string) error {
	switch name {
	case priorityHeader:
		return p.readPriority(value)
	case persistentHeader:
		return p.readPersistent(value)
	case expiresHeader:
		return p.expire(0, name, value)
	case ttlHeader:
		return p.expire(1, name, value)
	case expirationHeader:
		return p.expire(2, name, value)
	case scheduledTimeHeader:
		return p.delay(3, name, value)
	case scheduledDelayHeader:
		return p.delay(4, name, value)
	case destinationTypeHeader:
		if p.seenFirst(7) {
			p.destinationType = value
		}
	case "AMQ_SCHEDULED_PERIOD", "AMQ_SCHEDULED_REPEAT", "JMSXGroupSeq", "_AMQ_GROUP_SEQUENCE":
		return refuseUnless(isZero(value), name)
	case "AMQ_SCHEDULED_CRON", "JMSXGroupID", "_AMQ_GROUP_ID", "message_group", "_AMQ_LVQ_NAME", "_AMQ_DUPL_ID", "_AMQ_SCHED_DELIVERY":
		return refuseUnless(isEmpty(value), name)
	case "retain", "ActiveMQ.Retain":
		return refuseUnless(isNo(value), name)
	}
	return nil
}

// refuseUnless refuses a SEND, unless its header asks for nothing.
func refuseUnless(nothing bool, header string) error {
	if nothing {
		return nil
	}
	return notSupported(header, frame.SEND)
}

func (p *properties) readPriority(value string) error {
	if !p.seenFirst(5) || value == "" {
		return nil
	}
	if len(value) != 1 || value[0] < '0' || value[0] > '9' {
		return invalidHeader(priorityHeader, frame.SEND, "a number from 0 to 9, of which 9 is delivered first")
	}
	p.Priority = value[0] - '0'
	return nil
}

func (p *properties) readPersistent(value string) error {
	if !p.seenFirst(6) {
		return nil
	}
	is, ok := readBool(value)
	if !ok {
		return invalidHeader(persistentHeader, frame.SEND, booleans)
	}
	p.Transient = !is && value != ""
	return nil
}

// expire reads when the message is worthless: expires is a time, ttl and
// expiration are from now on. The earliest counts, and 0 means never.
func (p *properties) expire(bit uint8, name, value string) error {
	if !p.seenFirst(bit) {
		return nil
	}
	at, err := p.time(name, value, name == expiresHeader)
	if err == nil && at != 0 && (p.Expires == 0 || at < p.Expires) {
		p.Expires = at
	}
	return err
}

// delay reads when the message may be delivered at the earliest. 0 means at
// once, and of two headers the later time counts, since either is a promise.
func (p *properties) delay(bit uint8, name, value string) error {
	if !p.seenFirst(bit) {
		return nil
	}
	at, err := p.time(name, value, name == scheduledTimeHeader)
	if err == nil && at > p.Due {
		p.Due, p.delayedBy = at, name
	}
	return err
}

// time reads a time, in ms since the epoch or from now on; 0, and an empty one,
// stay 0.
func (p *properties) time(name, value string, absolute bool) (int64, error) {
	if value == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(value, 10, 63)
	switch {
	case absolute && (err != nil || n > latest):
		return 0, invalidHeader(name, frame.SEND, "a time in milliseconds since 1970, before the year 10000; 0 stands for none")
	case absolute || err == nil && n == 0:
		return int64(n), nil
	}
	if p.now == 0 {
		p.now = time.Now().UnixMilli()
	}
	if err != nil || n > uint64(latest-p.now) {
		return 0, invalidHeader(name, frame.SEND, "a number of milliseconds from now on, ending before the year 10000; 0 stands for none")
	}
	return p.now + int64(n), nil
}

// checkDelay refuses a delay where nobody would keep the message meanwhile.
func (p *properties) checkDelay(to destination.Destination) error {
	if p.delayedBy == "" || to.Kind == destination.Queue {
		return nil
	}
	return fault(NotSupported, "The header %q of SEND is supported for queues only; %q is none, and delivers at once.", p.delayedBy, to)
}

// checkType refuses Artemis' routing type if the destination is of the other
// kind: a message for one consumer must not reach all.
func checkType(header, command, value string, d destination.Destination) error {
	isQueue := d.Kind == destination.Queue || d.Kind == destination.TempQueue
	switch {
	case value == "", value == "ANYCAST" && isQueue, value == "MULTICAST" && !isQueue:
		return nil
	case value == "ANYCAST", value == "MULTICAST":
		return fault(NotSupported, "The header %q of %s asks for %s, but the prefix of %q says that it is the other: queues are ANYCAST, topics MULTICAST.", header, command, value, d)
	}
	return invalidHeader(header, command, "ANYCAST or MULTICAST")
}

// notSupported refuses a header that the broker would otherwise ignore,
// against the sender's expectation.
func notSupported(header, command string) *Fault {
	return fault(NotSupported, "The header %q of %s is not supported by this version.", header, command)
}

func invalidHeader(header, command, expected string) *Fault {
	return fault(InvalidHeader, "The header %q of %s must be %s.", header, command, expected)
}

func missing(header, command string) *Fault {
	return fault(MissingHeader, "The header %q of %s is missing or empty.", header, command)
}
