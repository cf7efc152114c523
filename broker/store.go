package broker

import (
	"cmp"

	"hoofbeat/destination"
)

// A Store keeps the messages of durable queues. All of its methods may be
// called with locks of the broker held, and none waits for the disk, except
// Load. Callbacks run on the store's own goroutine, after the method has
// returned, with no lock of the store held.
type Store interface {
	// Load calls f for every stored queue, until f returns an error, which it
	// returns. It reads no messages. It is called once, before anything else,
	// as it does not wait for earlier batches; next is a QueueID such that
	// neither it nor any above it has ever been used. No Message had such a
	// number as its Shared, either.
	Load(f func(StoredQueue) error) (next QueueID, err error)

	// MaxBatch is how large a batch may be, by Batch.Size: one within it is
	// never refused for its size. It does not change.
	MaxBatch() int

	// OnRefusal is called once, before Load. The Store calls f for each queue
	// of a batch that it has refused, as too large or against the rules
	// below. The caller may have gone on as if the batch was applied, so the
	// Store refuses later batches for these queues as well, except Drops,
	// until it is opened again: it confirms nothing that it would not have. A
	// Store that fails as a whole refuses everything, and does not call f.
	OnRefusal(f func(q QueueID, why error))

	// Apply makes the whole batch permanent or nothing of it, and then calls
	// done, if it is not nil, once: with nil as soon as the batch will
	// survive a crash of the machine (or as little as the Store was told to
	// promise), or with the reason why it may not. Batches take effect, and
	// are done, in the order in which they were applied. The batch is the
	// caller's again when Apply returns; the objects that it points to no
	// longer change. Ops on an unknown queue, such as one that was dropped,
	// do nothing.
	Apply(b Batch, done func(error))

	// Read calls f once with the messages of a range. It sees all batches
	// that were applied before it, and perhaps later ones.
	Read(r Range, f func(Page))

	// Ready returns nil if the Store can keep a Put at present, else the
	// obstacle, such as a disk that is nearly full. A Batch that only forgets
	// may be applied all the same.
	Ready() error
}

// A QueueID names a queue in a Store. No two queues ever have the same one.
type QueueID uint64

// A Batch is a list of steps that a Store makes as one.
type Batch []Op

// Size is the size of a batch in bytes, for Store.MaxBatch: at least its size
// in a Store.
func (b Batch) Size() (n int) {
	var s sizer
	for i := range b {
		n += s.sizeOf(&b[i])
	}
	return n
}

// A sizer adds up steps: a shared message that is put several times in a row
// counts once.
type sizer struct{ shared uint64 }

func (s *sizer) sizeOf(o *Op) int {
	n := o.size()
	if o.Kind == Put && o.Shared != 0 {
		if o.Shared == s.shared {
			n -= o.Message.Size()
		}
		s.shared = o.Shared
	}
	return n
}

// opSize is more than the size of a step beside the message that it points
// to.
const opSize = 128

func (o *Op) size() int {
	n := opSize
	if o.Kind == Put {
		n += o.Message.Size()
	}
	if o.Meta != nil {
		n += len(AppendQueueMeta(nil, *o.Meta))
	}
	return n
}

// OnlyDrops reports whether a batch does nothing but forget queues.
func (b Batch) OnlyDrops() bool {
	for i := range b {
		if b[i].Kind != Drop {
			return false
		}
	}
	return true
}

// An Op is one step of a Batch.
type Op struct {
	Kind  OpKind
	Queue QueueID
	// At is where the message is (Put, Note, Delete), or behind which messages
	// are forgotten (Clear).
	At Position
	// Message is kept by Put.
	Message *Message
	// Size is the message's Size (Put, Delete), or the sum of all that a Clear
	// forgets.
	Size int
	// Shared is the message's Shared (Put, Delete). If it is not 0, the
	// message is kept once, as long as one of its Puts, to any queue, was not
	// undone.
	Shared uint64
	// Count is how many messages a Clear forgets.
	Count int
	// State is kept beside the message (Put, Note).
	State State
	// Meta describes the queue (Describe).
	Meta *QueueMeta
}

// OpKind is the kind of an Op.
type OpKind uint8

// The kinds of Op.
const (
	// Describe makes a queue known, or replaces its description, but for its
	// Destination. It comes before the queue's first Put.
	Describe OpKind = iota + 1
	// Drop forgets a queue, with all that it holds.
	Drop
	// Put keeps a message at a position that holds none.
	Put
	// Note replaces the state of the message at a position.
	Note
	// Delete forgets the message at a position, which was Put there, and its
	// state. The Op's State is zero only if no Note of it was made.
	Delete
	// Clear forgets all messages of a lane behind a position, as if each was
	// deleted.
	Clear
	// Vanish forgets a queue that holds nothing. If messages are in it, their
	// count was wrong: they stay, the Store logs it, and Load gives the queue
	// again.
	Vanish
)

// A Position is a message's place in its queue: a queue consists of lanes,
// and a lane is ordered by At and then by Seq. A position may be used again
// after its message was deleted.
type Position struct {
	Lane Lane
	At   int64 // when it becomes visible, in ms since the epoch; 0 but in lane Delayed
	Seq  uint64
}

// Compare orders positions as a Store keeps them.
func (p Position) Compare(o Position) int {
	return cmp.Or(cmp.Compare(p.Lane, o.Lane), cmp.Compare(p.At, o.At), cmp.Compare(p.Seq, o.Seq))
}

// A Lane is the messages of one priority, or those that are not visible yet.
type Lane uint8

// Delayed is the lane of messages that wait for their time, whatever their
// priority. The lane of a priority is LaneOf it.
const (
	Delayed Lane = MaxPriority + 1
	// Lanes is how many there are.
	Lanes = int(Delayed) + 1
)

// LaneOf is the lane of a priority: the most urgent one is the first.
func LaneOf(priority uint8) Lane { return MaxPriority - Lane(priority) }

// A State is a queue's record of a message beside its content.
type State struct {
	Attempts uint16 // deliveries so far
	Failures uint16 // those of them that count towards max_deliveries
	// Shift is by how much Seq is above the one that the message had first in the
	// queue, which stays its number for clients. It is below 1<<30.
	Shift uint32
}

// A QueueMeta describes a queue.
type QueueMeta struct {
	Destination destination.Destination
	// Topic is the topic of a durable subscription (Kind Durable).
	Topic destination.Destination
	// Abandoned is since when a durable subscription has no subscriber, in ms
	// since the epoch; 0: it has one.
	Abandoned int64
	// Expiring says that a message with an expiry of its own was put into it.
	Expiring bool
	// Kept says that the queue was made by an operator, and stays while it is
	// empty.
	Kept bool
	// Owner is the user that made the queue first and has it in its quota;
	// "": nobody. Durable subscriptions have it in their Destination.
	Owner string
}

// A StoredQueue is a queue that a Store kept.
type StoredQueue struct {
	ID    QueueID
	Meta  QueueMeta
	Lanes [Lanes]Extent
	// LastSeq is at least the highest Seq in the queue.
	LastSeq uint64
}

// An Extent is how much there is.
type Extent struct {
	Count int
	Size  int // the sum of Message.Size
}

// A Range is a part of a lane.
type Range struct {
	Queue QueueID
	// After is the position behind which the range begins, in its lane: numbers
	// of messages begin with 1.
	After Position
	// Messages and Size, of Message.Size, bound the result; one message is
	// read whatever its size. Both are at least 1.
	Messages, Size int
}

// A Page is the content of a Range.
type Page struct {
	Messages []Stored // in their order
	// End says that the lane holds nothing behind them. It is exact, but false
	// if Err is set.
	End bool
	// Err is why the page ends where it does, if that is for a fault.
	Err error
}

// Stored is a message that a Store kept.
type Stored struct {
	At      Position
	Message *Message
	State   State
}
