package session

import (
	"errors"
	"slices"
	"strings"

	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/auth/acl"
	"hoofbeat/broker"
	"hoofbeat/destination"
	"hoofbeat/frames"
)

// A transaction is one between BEGIN and COMMIT or ABORT.
type transaction struct {
	Transaction
	frames, bytes int
	// receipts are the RECEIPTs that its frames asked for, encoded. They are
	// sent after COMMIT: before, nothing is done.
	receipts [][]byte
	// destinations are the first few that it sends to, for a text; more says
	// that there are others.
	destinations []string
	more         bool
	traces       []Trace // of the messages in it that are traced

	// permissions allowed the frames in it so far. COMMIT compares: if they
	// have changed, it checks the rights again.
	permissions *acl.Permissions
	rights      []right
}

// A right is the right that a SEND in a transaction needs: to its
// destination, and to that of replies.
type right struct {
	to      string
	replies replyTos
}

// begin handles BEGIN (STOMP 1.2, BEGIN).
func (s *Session) begin(f frames.Inbound) error {
	id := f.Header.Get(frame.Transaction)
	limit := s.options.Limits.Transactions
	switch {
	case id == "":
		return missing(frame.Transaction, f.Command)
	case s.txs[id] != nil:
		return fault(DuplicateTransaction, "A transaction of that name is open already.")
	case len(s.txs) >= limit:
		return fault(TooManyTransactions, "The connection has %d open transactions, which is the most it may have (limits.transactions_per_connection).", limit)
	}
	if s.txs == nil {
		s.txs = make(map[string]*transaction)
	}
	if err := s.afford(len(id) + frameOverhead); err != nil {
		return err
	}
	s.account.Add(len(id) + frameOverhead)
	s.txs[strings.Clone(id)] = &transaction{Transaction: s.publisher.Begin(), permissions: s.permissions.Load(), bytes: len(id) + frameOverhead}
	s.txBytes += len(id) + frameOverhead
	s.open.Add(1)
	s.receipt(f)
	return nil
}

// commit handles COMMIT (STOMP 1.2, COMMIT).
func (s *Session) commit(f frames.Inbound) error {
	tx, err := s.named(f)
	if err != nil {
		return err
	}
	if err := s.mayCommit(tx); err != nil {
		return err // it is aborted when the session leaves
	}
	receipt := f.Wire(frame.Receipt)
	done := s.whenCommitted(tx, receipt)
	s.begun(tx.bytes + receiptSize(receipt))
	tx.offered()
	for wait := tx.Commit(done); wait != nil; wait = tx.Commit(done) {
		if !s.waitFor(wait) {
			s.finish()
			return nil
		}
		if err := s.mayCommit(tx); err != nil {
			s.finish()
			return err
		}
		tx.offered()
	}
	s.forget(tx, f)
	return nil
}

// mayCommit checks all SENDs of a transaction again if the client's rights
// have changed since BEGIN. A SEND that is no longer allowed does not happen.
func (s *Session) mayCommit(tx *transaction) error {
	p := s.permissions.Load()
	if p == tx.permissions {
		return nil
	}
	for _, r := range tx.rights {
		if err := s.may(acl.Send, r.to); err != nil {
			return err
		}
		if err := s.mayReplyTos(r.replies); err != nil {
			return err
		}
	}
	tx.permissions = p
	return nil
}

// whenCommitted returns a callback, which any goroutine may call, for the
// moment when the broker has finished a COMMIT. The receipt, in its form on
// the wire, may be empty.
func (s *Session) whenCommitted(tx *transaction, receipt string) func(error) {
	return func(err error) {
		if err != nil {
			f := tx.fault(err)
			tx.traced(f)
			s.fail(f, receipt, err)
		} else {
			tx.traced(nil)
			for _, r := range tx.receipts {
				s.out.Control(r)
			}
			s.done(receipt)
		}
		s.finish()
	}
}

// fault is why a transaction was not committed.
func (tx *transaction) fault(err error) *Fault {
	if f := quotaFault(tx.sends(), err); f != nil {
		f.Text = "The transaction was rolled back. " + f.Text
		return f
	}
	if errors.Is(err, broker.ErrTooLarge) {
		return fault(TransactionTooLarge, "The transaction was rolled back: it is larger than the storage can write at a time. Send it in parts.")
	}
	if errors.Is(err, broker.ErrNoMemory) {
		return fault(OutOfMemory, "The transaction was rolled back: this user's messages in memory already use as much as limits.memory allows. "+
			"Try again later, or send to queues that are on disk.")
	}
	if !errors.Is(err, broker.ErrQueueFull) {
		return fault(StorageFailed, "The transaction could not be stored, and may have had no effect. Try again later; "+
			"the broker's log has the cause.")
	}
	return fault(QueueFull, "The transaction was rolled back, because a queue has no room for it "+
		"(destinations[].max_messages, destinations[].max_bytes). It sends to %s. Try again later; destinations[].overflow chooses another behaviour.", tx.sends())
}

// sends lists where the transaction sends to.
func (tx *transaction) sends() string {
	to := strings.Join(tx.destinations, ", ")
	if tx.more {
		to += " and others"
	}
	return to
}

// abort handles ABORT (STOMP 1.2, ABORT).
func (s *Session) abort(f frames.Inbound) error {
	tx, err := s.named(f)
	if err != nil {
		return err
	}
	s.forget(tx, f)
	tx.abort()
	s.receipt(f)
	return nil
}

// named finds the transaction that a COMMIT or ABORT names.
func (s *Session) named(f frames.Inbound) (*transaction, error) {
	if f.Header.Get(frame.Transaction) == "" {
		return nil, missing(frame.Transaction, f.Command)
	}
	return s.transactionOf(f)
}

// forget takes out a transaction that has ended.
func (s *Session) forget(tx *transaction, f frames.Inbound) {
	delete(s.txs, f.Header.Get(frame.Transaction))
	s.open.Add(-1)
	s.txBytes -= tx.bytes
	s.account.Add(-tx.bytes)
}

// transactionOf finds the open transaction that a frame belongs to, nil if to
// none.
func (s *Session) transactionOf(f frames.Inbound) (*transaction, error) {
	id := f.Header.Get(frame.Transaction)
	if id == "" { // there are clients that write the header into every ACK
		return nil, nil
	}
	if tx := s.txs[id]; tx != nil {
		return tx, nil
	}
	return nil, fault(UnknownTransaction, "%s names a transaction that is not open; BEGIN comes first.", f.Command)
}

func (s *Session) sendInTransaction(m *broker.Message, to destination.Destination, replies replyTos, f frames.Inbound) error {
	tx, err := s.transactionOf(f)
	if err != nil {
		return err
	}
	if err := s.grow(tx, m.Size()+replies.size()+receiptSize(f.Wire(frame.Receipt))); err != nil {
		return err
	}
	s.receiptIn(tx, f, receiptFrame)
	tx.Send(m)
	if t := traceOf(m); t != nil {
		tx.traces = append(tx.traces, t)
	}
	tx.sendsTo(to.String())
	tx.needs(to.String(), replies)
	return nil
}

// needs keeps the right that a SEND needs; its texts stay in memory with the
// message. Most transactions send to few destinations, often in a row.
func (tx *transaction) needs(to string, replies replyTos) {
	n := len(tx.rights)
	if n > 0 && tx.rights[n-1].to == to && tx.rights[n-1].replies.equal(replies) {
		return
	}
	tx.rights = append(tx.rights, right{to: to, replies: replies.clone()})
}

func (tx *transaction) sendsTo(destination string) {
	const few = 3
	switch {
	case slices.Contains(tx.destinations, destination):
	case len(tx.destinations) == few:
		tx.more = true
	default:
		tx.destinations = append(tx.destinations, destination)
	}
}

// ackInTransaction adds an ACK or NACK to a transaction; err is why its delivery
// was not found, if it was not. A late one counts as one of its frames, and has
// its RECEIPT when those of the others come.
func (s *Session) ackInTransaction(tx *transaction, f frames.Inbound, sub *subscription, tag uint64, requeue bool, err error) error {
	// The memory that it takes beside the message, which the queue counts.
	const claimSize = 128
	if err := s.grow(tx, claimSize+receiptSize(f.Wire(frame.Receipt))); err != nil {
		return err
	}
	switch {
	case err != nil:
	case f.Command == frame.ACK:
		err = tx.Ack(sub.handle, tag)
	default:
		err = tx.Nack(sub.handle, tag, requeue)
	}
	if errors.Is(err, broker.ErrLateDelivery) {
		s.counts.countLate(f.Command)
		s.receiptIn(tx, f, lateReceiptFrame)
		return nil
	}
	if err == nil {
		s.receiptIn(tx, f, receiptFrame)
	}
	return ackFault(err, f.Command)
}

// grow counts one more frame of a transaction against its limits.
func (s *Session) grow(tx *transaction, size int) error {
	l := s.options.Limits
	switch {
	case tx.frames >= l.TransactionFrames:
		return fault(TransactionTooLarge, "The transaction has more than %d frames (limits.frames_per_transaction).", l.TransactionFrames)
	case s.txBytes+size > l.TransactionBytes:
		return fault(TransactionTooLarge, "The open transactions of the connection take more than %d bytes (limits.transaction_bytes_per_connection).", l.TransactionBytes)
	}
	if err := s.afford(size); err != nil {
		return err
	}
	tx.frames++
	tx.bytes += size
	s.txBytes += size
	s.account.Add(size)
	return nil
}

// receiptIn keeps the RECEIPT that a frame within a transaction asks for until
// COMMIT, unless the configuration wants it at once.
func (s *Session) receiptIn(tx *transaction, f frames.Inbound, encode func(id string) []byte) {
	switch id := f.Wire(frame.Receipt); {
	case id == "":
	case s.options.ReceiptsOnRead:
		s.out.Control(encode(id))
	default:
		tx.receipts = append(tx.receipts, encode(id))
	}
}
