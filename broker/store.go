package broker

// A Store keeps the messages of durable queues.
type Store interface {
	// Apply makes the whole batch permanent or nothing of it, and then calls
	// done, if it is not nil, once: with nil as soon as the batch will survive
	// a crash of the machine, or with the reason why it may not. It may do so
	// before it returns, or later from another goroutine; batches are done in
	// the order in which they were applied.
	//
	// Apply does not wait for the disk: it is called with locks of the broker
	// held. done may take such locks as a Sink may.
	Apply(b Batch, done func(error))

	// Load calls f for every message that is kept, those of one queue in the
	// order of their numbers, until f returns an error, which it returns.
	// It is called once, before anything is applied.
	Load(f func(Stored) error) error
}

// A Batch is what a Store does as one. It is not changed after it was applied.
type Batch []Op

// An Op is one step of a Batch.
type Op struct {
	Kind    OpKind
	Queue   string // the key of the queue
	Seq     uint64 // the number of the message in its queue; never used twice
	Message *Message
}

// OpKind is what an Op does.
type OpKind uint8

// The kinds of Op.
const (
	Put    OpKind = iota + 1 // keep Message
	Delete                   // forget the message of that number, which was Put once
)

// Stored is a message that a Store kept.
type Stored struct {
	Queue   string
	Seq     uint64
	Message *Message
}
