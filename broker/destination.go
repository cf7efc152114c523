package broker

import "hoofbeat/destination"

// The names under which this package's users know destinations.
type (
	Destination      = destination.Destination
	DestinationError = destination.Error
	Kind             = destination.Kind
	Namespace        = destination.Namespace
	Owner            = destination.Owner
)

// The kinds of destination.
const (
	Topic     = destination.Topic
	Queue     = destination.Queue
	TempQueue = destination.TempQueue
	User      = destination.User
	Durable   = destination.Durable
)

// The prefixes that mean the same in every broker.
const (
	TempPrefix  = destination.TempPrefix
	ReplyPrefix = destination.ReplyPrefix
	UserPrefix  = destination.UserPrefix
)

// DefaultNamespace is that of package destination.
func DefaultNamespace() Namespace { return destination.DefaultNamespace() }

// DurableSubscription is that of package destination.
func DurableSubscription(user, clientID, name string) Destination {
	return destination.DurableSubscription(user, clientID, name)
}

// ReplyTo is that of package destination.
func ReplyTo(d Destination) string { return destination.ReplyTo(d) }
