package broker

import (
	"fmt"

	"hoofbeat/destination"
)

// Quotas bound the queues that clients can create, in all and for each user,
// and the bytes that the Store keeps for one user. 0: no bound. Queues above
// a quota stay; new ones are refused. Queues that the broker or an operator
// makes count in all and are not refused.
type Quotas struct {
	Queues, QueuesPerUser               int
	Subscriptions, SubscriptionsPerUser int // durable ones
	TempQueues, TempQueuesPerUser       int
	// StoredPerUser bounds the bytes, by Message.Size, in the queues that a user
	// owns. See stored.go.
	StoredPerUser int
}

// A QuotaError refuses a queue that would be beyond a quota.
type QuotaError struct {
	Kind    destination.Kind // Queue, Durable or TempQueue
	PerUser bool             // the quota of one user, else that of all together
	Limit   int
}

// Error implements error.
func (e *QuotaError) Error() string {
	of := "in all"
	if e.PerUser {
		of = "of this user"
	}
	return fmt.Sprintf("there are %d queues of this kind %s, the most allowed", e.Limit, of)
}

// of gives the quotas for a kind of queue.
func (q *Quotas) of(k destination.Kind) (all, perUser int) {
	switch k {
	case destination.Durable:
		return q.Subscriptions, q.SubscriptionsPerUser
	case destination.TempQueue:
		return q.TempQueues, q.TempQueuesPerUser
	}
	return q.Queues, q.QueuesPerUser
}

// A headcount is the number of registered queues of each kind.
type headcount struct{ queues, durable, temporary int }

func (h *headcount) of(k destination.Kind) *int {
	switch k {
	case destination.Durable:
		return &h.durable
	case destination.TempQueue:
		return &h.temporary
	}
	return &h.queues
}

// A quotaBook counts the registered queues. The registry's lock guards it.
type quotaBook struct {
	quotas Quotas
	all    headcount
	users  map[string]*holdings // users that own at least one
}

// admit reports whether a user may have one more queue of a kind.
func (b *quotaBook) admit(k destination.Kind, user string) error {
	most, perUser := b.quotas.of(k)
	if n := *b.all.of(k); most > 0 && n >= most {
		return &QuotaError{Kind: k, Limit: most}
	}
	if h := b.users[user]; h != nil && perUser > 0 && *h.of(k) >= perUser {
		return &QuotaError{Kind: k, PerUser: true, Limit: perUser}
	}
	return nil
}

// add counts a queue of a user, which is "" for queues that nobody owns; n is
// 1 or -1. It returns the user's holdings; nil: nobody owns the queue.
func (b *quotaBook) add(k destination.Kind, user string, n int) *holdings {
	*b.all.of(k) += n
	if user == "" {
		return nil
	}
	h := b.users[user]
	if h == nil {
		if b.users == nil {
			b.users = make(map[string]*holdings)
		}
		h = &holdings{}
		b.users[user] = h
	}
	if *h.of(k) += n; h.headcount == (headcount{}) {
		delete(b.users, user)
	}
	return h
}

// Admit reports whether a user may use the queue of that name, which may have to be
// made. Between this and the making, others may be faster. The error is a QuotaError.
func (b *Broker) Admit(d destination.Destination, user string) error {
	if d.Kind != destination.Queue && d.Kind != destination.TempQueue || user == "" {
		return nil
	}
	qs := b.queues
	qs.mu.RLock()
	defer qs.mu.RUnlock()
	if qs.byKey[d.Key()] != nil {
		return nil
	}
	return qs.book.admit(d.Kind, user)
}

// SetQuotas makes other quotas count from now on.
func (b *Broker) SetQuotas(q Quotas) {
	b.queues.mu.Lock()
	defer b.queues.mu.Unlock()
	b.queues.setQuotas(q)
}

// Quotas returns the quotas in force.
func (b *Broker) Quotas() Quotas {
	b.queues.mu.RLock()
	defer b.queues.mu.RUnlock()
	return b.queues.book.quotas
}

// setQuotas is SetQuotas with the registry's lock held.
func (qs *queues) setQuotas(q Quotas) {
	qs.book.quotas = q
	qs.storedPerUser.Store(int64(q.StoredPerUser))
}

// Owned is how many queues of each kind a user owns, and about how many bytes
// the Store keeps in them.
type Owned struct{ Queues, Subscriptions, TempQueues, Stored int }

// Owned counts the queues of a user.
func (b *Broker) Owned(user string) Owned {
	b.queues.mu.RLock()
	defer b.queues.mu.RUnlock()
	h := b.queues.book.users[user]
	if h == nil {
		return Owned{}
	}
	return Owned{Queues: h.queues, Subscriptions: h.durable, TempQueues: h.temporary, Stored: int(h.stored.Load())}
}
