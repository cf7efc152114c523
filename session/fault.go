package session

import (
	"errors"
	"fmt"

	"hoofbeat/broker"
	"hoofbeat/destination"
	"hoofbeat/frames"
)

// The words that a session puts into an ERROR's message header, besides those
// of package frames. docs/protocol.md explains each.
const (
	NotConnected          = "not-connected"
	AlreadyConnected      = "already-connected"
	UnsupportedVersion    = "unsupported-version"
	AuthenticationFailed  = "authentication-failed"
	AccessDenied          = "access-denied"
	TokenExpired          = "token-expired"
	TokenRevoked          = "token-revoked"
	ConnectTimeout        = "connect-timeout"
	InvalidHeartBeat      = "invalid-heart-beat"
	HeartBeatTimeout      = "heart-beat-timeout"
	MissingHeader         = "missing-header"
	InvalidHeader         = "invalid-header"
	NotSupported          = "not-supported"
	UnknownDestination    = "unknown-destination"
	InvalidDestination    = "invalid-destination"
	DuplicateSubscription = "duplicate-subscription"
	UnknownSubscription   = "unknown-subscription"
	UnknownAck            = "unknown-ack-id"
	UnknownTransaction    = "unknown-transaction"
	DuplicateTransaction  = "duplicate-transaction"
	TransactionTooLarge   = "transaction-too-large"
	TooManySubscriptions  = "too-many-subscriptions"
	TooManyTransactions   = "too-many-transactions"
	RateLimited           = "rate-limited"
	TryLater              = "try-later"
	OutOfMemory           = "out-of-memory-budget"
	SlowConsumer          = "slow-consumer"
	QueueFull             = "queue-full"
	QuotaExceeded         = "quota-exceeded"
	SubscriptionInUse     = "subscription-in-use"
	TakenOver             = "taken-over"
	StorageFailed         = "storage-failed"
	GoingAway             = "going-away"
	InternalError         = "internal-error"
	ClosedByOperator      = "closed-by-operator"
)

// A Fault is the reason for the end of a session, as the client is told.
type Fault struct {
	Word    string // the ERROR's message header
	Text    string // its body
	Receipt string // its receipt-id, as on the wire; empty: none
	// Subscription is the id of the subscription that is concerned, as on the
	// wire; empty: none.
	Subscription string
	// RetryAfter is when to come back, in seconds; empty: it is not said.
	RetryAfter string
}

// Error implements error.
func (f *Fault) Error() string { return f.Word + ": " + f.Text }

func fault(word, format string, a ...any) *Fault {
	return &Fault{Word: word, Text: fmt.Sprintf(format, a...)}
}

// internalError is the fault for errors that are not the client's.
func internalError() *Fault {
	return fault(InternalError, "The broker failed to handle the frame; its log says why.")
}

// closeCode is the WebSocket close code that goes with a fault.
func (f *Fault) closeCode() CloseCode {
	switch f.Word {
	case frames.InvalidText:
		return CloseInvalid
	case frames.FrameTooLarge, TransactionTooLarge:
		return CloseTooBig
	case StorageFailed, TryLater, OutOfMemory, QueueFull, QuotaExceeded, SubscriptionInUse:
		return CloseTryLater
	case InternalError:
		return CloseInternal
	case GoingAway:
		return CloseGoingAway
	case AuthenticationFailed, AccessDenied, TokenExpired, TokenRevoked, ConnectTimeout, HeartBeatTimeout, RateLimited, SlowConsumer, ClosedByOperator, TakenOver,
		TooManySubscriptions, TooManyTransactions:
		return ClosePolicy
	}
	return CloseProtocol
}

// asFault makes a Fault of an error of the packages below. ok is false if the
// client is not to blame, and so not to be told.
func asFault(err error) (f *Fault, ok bool) {
	if errors.As(err, &f) {
		return f, true
	}
	if e := (*frames.Error)(nil); errors.As(err, &e) {
		return &Fault{Word: e.Word, Text: e.Text, Receipt: e.Receipt}, true
	}
	if e := (*destination.Error)(nil); errors.As(err, &e) {
		if e.Unknown {
			return &Fault{Word: UnknownDestination, Text: e.Text}, true
		}
		return &Fault{Word: InvalidDestination, Text: e.Text}, true
	}
	if errors.Is(err, broker.ErrQueueFailed) {
		return fault(StorageFailed, "The storage of this queue has refused a change; nothing was done. It is in order again when the broker is started again; its log says more."), true
	}
	return nil, false
}
