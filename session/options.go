package session

import (
	"log/slog"
	"time"

	"hoofbeat/auth"
	"hoofbeat/auth/acl"
	"hoofbeat/broker"
	"hoofbeat/destination"
	"hoofbeat/frames"
	"hoofbeat/internal/memory"
	"hoofbeat/internal/timers"
	"hoofbeat/session/outbox"
)

// An Authenticator identifies clients. An error refuses the client, which
// learns only that it was refused.
type Authenticator interface {
	Authenticate(r auth.Request) (*auth.Identity, error)
}

// An Authorizer knows the rights of identities. For is called at CONNECT, and
// again when the token or the rules have changed, by any goroutine.
type Authorizer interface {
	For(id *auth.Identity) *acl.Permissions
}

// Options are common to all sessions of a server. [DefaultOptions] fills in
// everything but the broker.
type Options struct {
	Broker        Broker
	Namespace     destination.Namespace
	Authenticator Authenticator
	// Authorizer decides about clients' rights; nil: everything is allowed.
	Authorizer Authorizer
	// Verify identifies the owner of a token that a client sends to replace
	// its own; nil: there are no tokens.
	Verify func(token string, from auth.Peer) (*auth.Identity, error)
	// Revoked reports whether a session of that identity must end; nil: never.
	Revoked func(*auth.Identity) bool
	// KeepAfterDenied leaves the connection open after a SUBSCRIBE that is
	// refused, and after the end of a subscription that is no longer allowed.
	KeepAfterDenied bool
	// ReceiptsOnRead answers frames within a transaction when they are read, not
	// after COMMIT: such a RECEIPT promises nothing.
	ReceiptsOnRead bool
	// Audit gets a record of everything that concerns access.
	Audit  *slog.Logger
	Timers *timers.Queue // runs heart-beats and time limits
	Log    *slog.Logger
	Server string // of CONNECTED: name/version

	// Tracer makes spans of messages; nil: there are none.
	Tracer Tracer
	// Memory bounds the memory that all sessions make the process hold; nil:
	// no bound.
	Memory *memory.Budget
	// Counters count the frames of sessions; nil: each session has its own.
	Counters *Counters

	ConnectTimeout time.Duration // from the start until CONNECT was accepted
	CloseTimeout   time.Duration // for the last frames of a session, such as ERROR
	// CloseGrace is the time in which a client may close the connection
	// itself after a last frame, such as a RECEIPT or an ERROR. Then the
	// session closes it: some clients lose frames that come together with the
	// end.
	CloseGrace time.Duration
	Limits     Limits
	HeartBeat  HeartBeat
}

// Limits bound the cost of one session.
type Limits struct {
	Subscriptions     int           // at a time
	Transactions      int           // open ones
	TransactionFrames int           // in one transaction
	TransactionBytes  int           // in all open ones together
	Outbound          int           // bytes that wait to be written
	Memory            int           // bytes that all of its things take together; 0: no limit
	SlowConsumer      outbox.Policy // the policy for topic messages beyond it
	Prefetch          int           // of a queue subscription that asks for none
	SendRate          int           // SEND frames in SendRatePer; 0: no limit
	SendRatePer       time.Duration
	DeniedRate        int // SUBSCRIBE frames that are refused and leave the connection open, in DeniedRatePer; 0: no limit
	DeniedRatePer     time.Duration
	frames.Limits     // of the frames that are read
}

// HeartBeat bounds the intervals of heart-beats, which clients ask for.
type HeartBeat struct {
	Min    time.Duration // a client that asks for a shorter one gets this
	Server time.Duration // a client that asks for a longer one gets this
}

// DefaultOptions are those of a configuration that says nothing.
func DefaultOptions(b *broker.Broker) Options {
	return Options{
		Broker:         Local(b),
		Namespace:      destination.DefaultNamespace(),
		Authenticator:  auth.Anonymous{},
		Timers:         timers.New(),
		Log:            slog.New(slog.DiscardHandler),
		Audit:          slog.New(slog.DiscardHandler),
		Server:         "hoofbeat",
		Counters:       new(Counters),
		ConnectTimeout: 10 * time.Second,
		CloseTimeout:   5 * time.Second,
		CloseGrace:     200 * time.Millisecond,
		HeartBeat:      HeartBeat{Min: time.Second, Server: 10 * time.Second},
		Limits: Limits{
			Subscriptions:     1000,
			Transactions:      16,
			TransactionFrames: 10_000,
			TransactionBytes:  64 << 20,
			Outbound:          8 << 20,
			Memory:            128 << 20,
			Prefetch:          100,
			DeniedRate:        100,
			DeniedRatePer:     time.Minute,
			Limits:            frames.DefaultLimits(),
		},
	}
}

// UserOf identifies the owner of a token, for transports that see one again
// after CONNECT. gone is closed when nobody waits for the answer any more.
func (o *Options) UserOf(token, remote string, gone <-chan struct{}) (user string, ok bool) {
	if o.Verify == nil {
		return "", false
	}
	id, err := o.Verify(token, auth.Peer{Remote: remote, Gone: gone})
	if err != nil {
		return "", false
	}
	return id.User, true
}
