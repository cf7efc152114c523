// Package broker routes messages: to the subscribers of topics, and through
// queues to one consumer each, with acknowledgement, redelivery and
// transactions. It knows no network, no files and no users; its callers check
// the rights of clients.
//
// A [Broker] is safe for concurrent use. It starts no goroutine: all work
// happens on the callers' goroutines, and nothing in it waits for a
// subscriber.
//
// Lock order, outer first: those of the registries (queues, then topics),
// those of queues in the order of their ids, then the locks of a [Sink]. See
// ARCHITECTURE.md.
package broker
