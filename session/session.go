package session

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/auth"
	"hoofbeat/auth/acl"
	"hoofbeat/destination"
	"hoofbeat/frames"
	"hoofbeat/internal/memory"
	"hoofbeat/internal/timers"
	"hoofbeat/session/outbox"
)

// A Session serves one connection. [Session.Run] owns all fields below, if
// nothing else is said of them.
type Session struct {
	options *Options // shared, and not changed
	conn    Conn
	info    Info
	id      string
	started time.Time
	out     *outbox.Outbox  // locks for itself
	account *memory.Account // locks for itself
	// senderAccount is the user's, for messages that its queues have in memory only.
	senderAccount *memory.Account
	counts        *Counters

	version   frames.Version // set once, before connected and before anything is delivered
	publisher Publisher
	beat      heartBeat
	timer     *timers.Timer
	// tokenTimer ends the session when its token expires; nil: no token had an expiry.
	// Owned by the reader.
	tokenTimer *timers.Timer
	// silentSince is the time of the last read if that was too long ago at the last
	// tick; lookAt is the time of the second look. Both owned by the timer.
	silentSince, lookAt time.Time
	// stuckBatch was with the writer when the timer looked, first at
	// stuckSince. Both owned by the timer.
	stuckBatch int64
	stuckSince time.Time
	// readsPaused is set while the client has to wait and is not read from; resumed is
	// the end of the last pause.
	readsPaused atomic.Bool
	resumed     atomic.Pointer[time.Time]
	rate        bucket       // of SENDs
	denials     bucket       // of SUBSCRIBEs that were refused and left the connection open
	received    atomic.Int64 // written by Run only

	identity    atomic.Pointer[auth.Identity]   // written with mu held
	permissions atomic.Pointer[acl.Permissions] // nil: everything is allowed; written with mu held, used by Run

	// mu guards subs and byNumber, as a change of rights ends subscriptions
	// on another goroutine than Run's. Deciding about a SUBSCRIBE and adding
	// it is one step.
	mu sync.Mutex

	life lifecycle
	// lastReceipt is the RECEIPT of DISCONNECT; set before the session is leaving.
	lastReceipt []byte
	// flight has the frames that life.unfinished counts; partial is the number of
	// bytes of a frame that the transport has. The reader waits for landed
	// until at most wakeAt frames are unfinished; 0: it does not wait.
	flight     flight
	partial    int
	landed     chan struct{}
	wakeAt     atomic.Int64
	retryAfter atomic.Int64 // the advice of Drain, in seconds
	open       atomic.Int64 // how many txs there are, for Dismiss

	subs      map[string]*subscription // by id, or by destination where 1.0 has no id
	byNumber  map[uint64]*subscription
	durables  map[string]*subscription // by the key of their durable subscription
	numbers   uint64
	readEnded bool // ReadFrame has failed, and is not called again
	temporary temporaries
	secret    string // names its temporary queues; made when needed
	txs       map[string]*transaction
	txBytes   int
	sendTo    sendCache
	ackDone   func(error) // of an ACK or NACK that wants no receipt
	clientID  string      // selects its durable subscriptions, with the user
}

// New makes the session of a connection. id names it in logs, in CONNECTED and
// in message ids, and must be unique as long as any of these is remembered; see
// [IDs].
func New(conn Conn, o *Options, id string) *Session {
	s := &Session{
		options: o, conn: conn, info: conn.Info(), id: id, started: time.Now(),
		publisher: o.Broker.NewPublisher(),
		rate:      newBucket(o.Limits.SendRate, o.Limits.SendRatePer),
		denials:   newBucket(o.Limits.DeniedRate, o.Limits.DeniedRatePer),
	}
	if s.counts = o.Counters; s.counts == nil {
		s.counts = new(Counters)
	}
	s.account = o.Memory.Open(o.Limits.Memory, s)
	s.flight.account = s.account
	s.out = s.newOutbox()
	s.ackDone = s.whenAcked("")
	s.life.begin()
	return s
}

// Run serves the connection until it has ended and is closed. Nothing of the
// session is left in the broker then: unacknowledged messages are back in
// their queues, open transactions are aborted.
func (s *Session) Run() {
	s.timer = s.options.Timers.Add(s.started.Add(s.options.ConnectTimeout), s.tick)
	s.counts.begin(s.info.Transport)
	if err := s.serve(); err != nil {
		f := s.blame(err)
		s.life.reason.CompareAndSwap(nil, f)
		s.leave(s.wasLost())
		s.End(f)
	}
	s.leave(s.wasLost())
	s.awaitEnd()
	<-s.out.Done // the timer sees to it that this does not last for ever
	s.timer.Stop()
	if s.tokenTimer != nil {
		s.tokenTimer.Stop()
	}
	s.endMemory()
	s.counts.end(s.peer(), s.ending())
	s.logClosed()
}

// serve handles frames until one ends the session. The error is for the
// client; it is nil if the client has gone, or has been told already.
func (s *Session) serve() error {
	for {
		f, err := s.conn.ReadFrame()
		if err != nil {
			s.readEnded = true
			return s.readFailed(err)
		}
		if !s.life.state().handles() {
			continue // it was told already or will be, and may not have read it yet
		}
		s.received.Add(1)
		last, err := s.handleSafely(f)
		s.account.Feed()
		if err != nil {
			return withReceipt(err, f)
		}
		if last {
			return nil
		}
		if s.life.state() == dismissed {
			s.leaveIfFree()
		}
	}
}

// awaitEnd discards frames until the connection is closed or a frame is invalid.
func (s *Session) awaitEnd() {
	for !s.readEnded {
		_, err := s.conn.ReadFrame()
		s.readEnded = err != nil
		if e := (*frames.Error)(nil); err != nil && !errors.As(err, &e) {
			s.out.Gone.Ring()
		}
	}
}

// readFailed handles an error of ReadFrame: an invalid frame, the client's half-close,
// or a lost connection.
func (s *Session) readFailed(err error) error {
	e := (*frames.Error)(nil)
	switch {
	case errors.As(err, &e):
		if !s.life.state().handles() {
			return nil // frames on their way to the client still go there
		}
		return err
	case errors.Is(err, io.EOF):
		if p := s.unfinishedFrame(); p != "" {
			s.fail(fault(frames.InvalidFrame, "The client has closed the connection in the middle of a frame.%s", p), "", err)
		}
		s.hearOut()
	default:
		s.out.Gone.Ring()
		s.Kill()
	}
	return nil
}

// unfinishedFrame describes the part of an incomplete frame that has arrived, with a
// leading space; empty if there is none.
func (s *Session) unfinishedFrame() string {
	if c, ok := s.conn.(Partly); ok {
		if p, ok := c.Partial(); ok {
			return " " + p.String()
		}
	}
	return ""
}

// lastReadTimeout bounds how long queued frames are written to a client that has
// closed its side and expects no answer. Most such clients are gone.
const lastReadTimeout = time.Second

// hearOut ends the session of a client that has closed its side but may still read,
// such as a script that pipes frames into nc -N. RECEIPTs that wait for the disk and
// queued messages are written, within CloseTimeout. Queues deliver nothing more.
func (s *Session) hearOut() {
	s.out.Gone.Ring()
	s.out.Pause()
	if s.underWay() == 0 && !s.life.state().awaits() {
		s.life.on(ending)
		s.closeOutbox(nil, CloseNormal, "", lastReadTimeout)
	} else {
		s.await(inputClosed)
	}
	<-s.out.Done // the timer, and the deadline of writes, see to it that this has an end
}

// withReceipt completes a fault with the receipt that its frame asked for.
func withReceipt(err error, f frames.Inbound) error {
	e, ok := asFault(err)
	if !ok {
		return err
	}
	if e.Receipt == "" {
		e.Receipt = f.Wire(frame.Receipt)
	}
	return e
}

// handleSafely turns a panic into the end of this session, so that no client can end
// the process.
func (s *Session) handleSafely(f frames.Inbound) (last bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic while handling %s: %v\n%s", f.Command, r, debug.Stack())
		}
	}()
	return s.handle(f)
}

// handle handles one frame; last reports that it was DISCONNECT.
func (s *Session) handle(f frames.Inbound) (last bool, err error) {
	if s.version == 0 {
		return false, s.connect(f)
	}
	switch f.Command {
	case frame.SEND:
		return false, s.send(f)
	case frame.ACK, frame.NACK:
		return false, s.ack(f)
	case frame.SUBSCRIBE:
		return false, s.subscribe(f)
	case frame.UNSUBSCRIBE:
		return false, s.unsubscribe(f)
	case frame.BEGIN:
		return false, s.begin(f)
	case frame.COMMIT:
		return false, s.commit(f)
	case frame.ABORT:
		return false, s.abort(f)
	case frame.DISCONNECT:
		s.disconnect(f)
		return true, nil
	}
	return false, fault(AlreadyConnected, "%s came after the session was connected; it may come once.", f.Command)
}

// disconnect ends the session (STOMP 1.2, DISCONNECT) when everything that the client
// sent is done, which the RECEIPT confirms.
func (s *Session) disconnect(f frames.Inbound) {
	s.conn.SetWriteDeadline(time.Now().Add(s.options.CloseTimeout))
	s.awaitSettled(2 * s.options.CloseTimeout) // the deadline ends it before
	s.leave(false)
	if receipt := f.Wire(frame.Receipt); receipt != "" {
		s.lastReceipt = receiptFrame(receipt)
	}
	s.await(disconnectRead)
}

// done sends the RECEIPT of a frame that has succeeded, if it asked for one.
func (s *Session) done(receipt string) {
	if receipt != "" {
		s.out.Control(receiptFrame(receipt))
	}
}

// blame returns the fault for an error, which the client is told.
func (s *Session) blame(err error) *Fault {
	f, ok := asFault(err)
	if !ok {
		f = internalError()
		s.options.Log.Error("session failed", "session", s.id, "error", err)
	}
	return f
}

// receipt sends the RECEIPT of a frame that has succeeded, if it asked for
// one.
func (s *Session) receipt(f frames.Inbound) {
	if id := f.Wire(frame.Receipt); id != "" {
		s.out.Control(receiptFrame(id))
	}
}

// owner returns the owner of the session's own destinations.
func (s *Session) owner() destination.Owner {
	return destination.Owner{User: s.user(), Connection: s.secret}
}

// ownerOf is owner for a text that may need the secret.
func (s *Session) ownerOf(name string) destination.Owner {
	if s.secret == "" && strings.HasPrefix(name, destination.TempPrefix) {
		s.secret = newSecret()
	}
	return s.owner()
}

// newSecret returns an unguessable text for the reply destinations that clients hand
// out.
func newSecret() string {
	var b [15]byte
	rand.Read(b[:]) // never fails, see its documentation
	return strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
}

// peer is how the client is connected, for counters.
func (s *Session) peer() Peer {
	p := Peer{Transport: s.info.Transport}
	if s.life.connected() {
		p.Version = s.version.String()
	}
	return p
}

// The reasons of sessions that end without a Fault, for counters.
const (
	Disconnected   = "disconnected"    // by DISCONNECT
	ConnectionLost = "connection-lost" // the client is gone
)

// ending returns the reason of the end as one dashed word.
func (s *Session) ending() string {
	switch f := s.life.reason.Load(); {
	case f != nil:
		return f.Word
	case s.life.disconnected():
		return Disconnected
	}
	return ConnectionLost
}

func (s *Session) logClosed() {
	reason, level := "client disconnected", slog.LevelInfo
	detail := ""
	if f := s.life.reason.Load(); f != nil {
		reason, detail = f.Word, f.Text
	} else if !s.life.connected() {
		reason = "client left before CONNECT"
		if s.received.Load() == 0 {
			level = slog.LevelDebug // health checks of load balancers come every few seconds
		}
	}
	w := s.out.Stats()
	s.options.Log.Log(context.Background(), level, "connection closed", "session", s.id, "user", s.user(), "remote", s.info.Remote,
		"transport", s.info.Transport, "reason", reason, "detail", detail, "duration", time.Since(s.started).Round(time.Millisecond),
		"framesIn", s.received.Load(), "framesOut", w.Frames, "messagesOut", w.Messages, "bytesOut", w.Bytes, "dropped", w.Dropped)
}

func (s *Session) user() string {
	if id := s.identity.Load(); id != nil {
		return id.User
	}
	return ""
}
