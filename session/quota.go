package session

import (
	"errors"

	"hoofbeat/broker"
	"hoofbeat/destination"
)

// quotaFault is how a client is told of a queue, or of a message in one, that
// would be beyond a quota; nil if err is something else.
func quotaFault(name string, err error) *Fault {
	if e := (*broker.StoredError)(nil); errors.As(err, &e) {
		return fault(QuotaExceeded, "The user who made %s has as much on disk as a user may have (limits.stored_bytes_per_user: %d bytes), "+
			"so the queue takes no message. Consume what the user's queues and durable subscriptions hold, or ask the operator to raise the limit.", e.Queue, e.Limit)
	}
	e := (*broker.QuotaError)(nil)
	if !errors.As(err, &e) {
		return nil
	}
	what, key := "queues", "limits.queues"
	switch e.Kind {
	case destination.Durable:
		what, key = "durable subscriptions", "limits.durable_subscriptions"
	case destination.TempQueue:
		what, key = "temporary queues", "limits.temporary_queues"
	}
	who := "The broker"
	if e.PerUser {
		who, key = "The user", key+"_per_user"
	}
	return fault(QuotaExceeded, "%s may have %d %s (%s) and has as many, or more from before, so %s was not made. Use or delete those that there are, "+
		"or ask the operator to raise the limit.", who, e.Limit, what, key, name)
}
