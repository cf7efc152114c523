package session

import (
	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/broker"
	"hoofbeat/destination"
	"hoofbeat/frames"
	"hoofbeat/session/outbox"
)

// A Tracer makes spans of messages. Any goroutine may call its methods and those of
// its Traces, with no lock held that they could need. They must not block.
type Tracer interface {
	// Begin is called for each SEND before any check. It returns nil if the message is
	// not traced. It must not keep its arguments.
	Begin(s Sending) Trace
	// Restored is called when a message that was read from the Store, and so has no
	// Trace, was written to a client. It returns nil if the message is not traced.
	Restored(m *broker.Message) Trace
}

// A Sending is a SEND as a Tracer sees it.
type Sending struct {
	Session     string // its id
	Version     frames.Version
	Header      *frame.Header
	Destination string // as the client wrote it
	Body        int    // bytes
}

// A Trace belongs to one message.
type Trace interface {
	// To is called when the SEND was authorized, with its destination.
	To(d destination.Destination)
	// Offered is called before the message is given to the broker, and again each time
	// a full queue makes it wait.
	Offered()
	// End is called when the SEND is done: with nil when it would get its RECEIPT,
	// else with the reason. Only the first call counts.
	End(f *Fault)
	// Delivered is called when a MESSAGE was written to the socket.
	Delivered(d Delivery)
}

// A Delivery is a MESSAGE that was written.
type Delivery struct {
	Message      *broker.Message
	Session      string // its id
	Subscription string // the client's id of it, as on the wire; may be empty
	Durable      string // the name of the durable subscription; empty: it is none
	Attempt      int    // 1 the first time
}

// TransactionAborted ends the Traces of an aborted transaction. It is never sent to
// clients.
const TransactionAborted = "transaction-aborted"

// sendTraced is send with a Tracer.
func (s *Session) sendTraced(f frames.Inbound) error {
	to := f.Header.Get(frame.Destination)
	if to == TokenDestination { // it is no message, and its body is secret
		return s.sendAs(f, nil)
	}
	t := s.options.Tracer.Begin(Sending{Session: s.id, Version: s.version, Header: f.Header, Destination: to, Body: len(f.Body)})
	err := s.sendAs(f, t)
	if t != nil && err != nil {
		reason, ok := asFault(err)
		if !ok {
			reason = internalError()
		}
		t.End(reason)
	}
	return err
}

// whenTraced ends the trace of a SEND before done is called.
func whenTraced(t Trace, to destination.Destination, done func(error)) func(error) {
	return func(err error) {
		if err != nil {
			t.End(sendFault(to.String(), to.Kind == destination.Queue, err))
		} else {
			t.End(nil)
		}
		done(err)
	}
}

// traceOf returns the message's Trace, or nil.
func traceOf(m *broker.Message) Trace {
	t, _ := m.Trace().(Trace)
	return t
}

// leaveWaiting ends the trace of a message that no queue has taken when its
// session ended.
func leaveWaiting(m *broker.Message) {
	if t := traceOf(m); t != nil {
		t.End(fault(ConnectionLost, "The connection ended while the SEND waited for room in a full queue."))
	}
}

// abort drops the transaction, and ends the traces of its SENDs.
func (tx *transaction) abort() {
	tx.Abort()
	if len(tx.traces) > 0 {
		tx.traced(fault(TransactionAborted, "The transaction was aborted, or its connection ended before COMMIT."))
	}
}

// offered tells the traces that COMMIT gives their messages to the broker.
func (tx *transaction) offered() {
	for _, t := range tx.traces {
		t.Offered()
	}
}

// traced ends the traces.
func (tx *transaction) traced(f *Fault) {
	for _, t := range tx.traces {
		t.End(f)
	}
}

// traceBatch reports the written messages of a batch. It leaves out those of a
// subscription that has ended meanwhile, as they may not have been written.
func (s *Session) traceBatch(batch []outbox.Item) {
	for i := range batch {
		it := &batch[i]
		if it.Message == nil || it.From.Owner.(*subscription).ended.Load() {
			continue
		}
		t := traceOf(it.Message)
		if t == nil && it.Message.Restored() {
			t = s.options.Tracer.Restored(it.Message)
		}
		if t != nil {
			t.Delivered(deliveryOf(it))
		}
	}
}

func deliveryOf(it *outbox.Item) Delivery {
	sub := it.From.Owner.(*subscription)
	d := Delivery{Message: it.Message, Session: sub.session.id, Subscription: sub.wireID, Attempt: it.Attempt}
	if sub.durable.Kind != 0 {
		_, _, d.Durable = sub.durable.Subscriber()
	}
	return d
}
