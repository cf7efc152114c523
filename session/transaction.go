package session

import (
	"errors"
	"strings"

	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/broker"
	"hoofbeat/frames"
)

// A transaction is one between BEGIN and COMMIT or ABORT.
type transaction struct {
	*broker.Transaction
	bytes int
	// receipts are those that its frames asked for, as on the wire. They are
	// answered after COMMIT: before, nothing is done.
	receipts []string
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
	s.txs[strings.Clone(id)] = &transaction{Transaction: s.publisher.Begin()}
	s.receipt(f)
	return nil
}

// commit handles COMMIT (STOMP 1.2, COMMIT).
func (s *Session) commit(f frames.Inbound) error {
	tx, err := s.endTransaction(f)
	if err != nil {
		return err
	}
	receipts := tx.receipts
	if f.Header.Get(frame.Receipt) != "" {
		receipts = append(receipts, f.Wire(frame.Receipt))
	}
	s.unfinished.Add(1)
	tx.Commit(func(err error) {
		defer s.finish()
		if err != nil {
			s.storageFailed(f.Wire(frame.Receipt), err)
			return
		}
		for _, r := range receipts {
			s.out.control(receiptFrame(r))
		}
	})
	return nil
}

// abort handles ABORT (STOMP 1.2, ABORT).
func (s *Session) abort(f frames.Inbound) error {
	tx, err := s.endTransaction(f)
	if err != nil {
		return err
	}
	tx.Abort()
	s.receipt(f)
	return nil
}

// endTransaction takes out the transaction that a frame names.
func (s *Session) endTransaction(f frames.Inbound) (*transaction, error) {
	if f.Header.Get(frame.Transaction) == "" {
		return nil, missing(frame.Transaction, f.Command)
	}
	tx, err := s.transactionOf(f)
	if err == nil {
		delete(s.txs, f.Header.Get(frame.Transaction))
		s.txBytes -= tx.bytes
	}
	return tx, err
}

// transactionOf finds the open transaction that a frame belongs to, nil if to
// none.
func (s *Session) transactionOf(f frames.Inbound) (*transaction, error) {
	id, ok := f.Header.Contains(frame.Transaction)
	if !ok {
		return nil, nil
	}
	if tx := s.txs[id]; tx != nil {
		return tx, nil
	}
	return nil, fault(UnknownTransaction, "%s names a transaction that is not open; BEGIN comes first.", f.Command)
}

func (s *Session) sendInTransaction(m *broker.Message, f frames.Inbound) error {
	tx, err := s.transactionOf(f)
	if err != nil {
		return err
	}
	if err := s.grow(tx, m.Size(), f); err != nil {
		return err
	}
	tx.Send(m)
	return nil
}

func (s *Session) ackInTransaction(tx *transaction, f frames.Inbound, sub *subscription, tag uint64) error {
	// What it holds on to beside the message, which the queue counts.
	const claimSize = 128
	if err := s.grow(tx, claimSize, f); err != nil {
		return err
	}
	var err error
	if f.Command == frame.ACK {
		err = tx.Ack(sub.handle, tag)
	} else {
		err = tx.Nack(sub.handle, tag, requeues(f))
	}
	if errors.Is(err, broker.ErrUnknownDelivery) {
		return unknownAck(f.Command)
	}
	return err
}

// grow counts one more frame of a transaction against its limits, and keeps
// the receipt that it asks for.
func (s *Session) grow(tx *transaction, size int, f frames.Inbound) error {
	l := s.options.Limits
	switch {
	case tx.Len() >= l.TransactionFrames:
		return fault(TransactionTooLarge, "The transaction has more than %d frames (limits.frames_per_transaction).", l.TransactionFrames)
	case s.txBytes+size > l.TransactionBytes:
		return fault(TransactionTooLarge, "The open transactions of the connection take more than %d bytes (limits.transaction_bytes_per_connection).", l.TransactionBytes)
	}
	tx.bytes += size
	s.txBytes += size
	if r := f.Wire(frame.Receipt); r != "" {
		tx.receipts = append(tx.receipts, strings.Clone(r))
	}
	return nil
}
