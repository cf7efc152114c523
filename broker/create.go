package broker

import (
	"context"
	"errors"

	"hoofbeat/destination"
)

// ErrQueueExists: there is a queue of that name already.
var ErrQueueExists = errors.New("there is such a queue already")

// CreateQueue makes a queue that stays while it is empty, until it is deleted;
// a durable one stays when the process ends, too. The destination is of Kind
// Queue. Errors are ErrQueueExists, the context's, and the Store's.
func (b *Broker) CreateQueue(ctx context.Context, d destination.Destination) error {
	done := make(chan error, 1)
	if !b.queues.create(d, func(err error) { done <- err }) {
		return ErrQueueExists
	}
	return await(ctx, done)
}

// create makes a queue that is kept, unless there is one of that name. Then
// done is called when it is as safe as its policy promises.
func (qs *queues) create(d destination.Destination, done func(error)) bool {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	if qs.byKey[d.Key()] != nil {
		return false
	}
	q := qs.make(d)
	q.kept = true
	if qs.store != nil && q.policy.Durable {
		q.describe()
	}
	q.flush(done)
	qs.enter(q)
	return true
}
