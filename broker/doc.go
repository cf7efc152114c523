// Package broker routes messages: to the subscribers of topics, and through
// queues to one consumer each, with acknowledgement, redelivery and
// transactions. It knows no network, no files and no users; whoever calls it
// has checked what the client may do.
//
// A [Broker] is safe for concurrent use. It starts no goroutine: everything
// happens on the caller's, and nothing in it waits for a subscriber.
//
// Lock order, outer first: those of the registries (queues, then topics), those
// of queues in the order of their ids, then whatever a [Sink] locks. See
// ARCHITECTURE.md.
package broker
