package session

import (
	"sync/atomic"
	"time"
)

// A state is a phase of a session's life. ARCHITECTURE.md has the diagram.
type state uint8

const (
	_          state = iota
	connecting       // no CONNECT was accepted yet
	serving          // frames are handled
	dismissed        // as serving, until the client has nothing to finish
	leaving          // DISCONNECT was read; earlier frames are answered first, then its RECEIPT comes
	halfClosed       // the client has closed its side; earlier frames are answered first
	failing          // a frame has failed; earlier frames are answered first, then comes the ERROR
	ended            // the outbox has the last frame, or the connection is gone
	states
)

// An event may change the state.
type event uint8

const (
	connectAccepted event = iota
	dismissal             // Dismiss
	disconnectRead        // DISCONNECT
	inputClosed           // the client has closed its side
	frameFailed           // the broker could not carry out a frame
	allAnswered           // the broker is done with all frames
	ending                // an ERROR, a shutdown, or a lost connection
	events
)

// transitions has the state after an event. Without an entry, the event changes
// nothing.
var transitions = [states][events]state{
	connecting: {connectAccepted: serving, dismissal: ended, inputClosed: halfClosed, frameFailed: failing, ending: ended},
	serving:    {dismissal: dismissed, disconnectRead: leaving, inputClosed: halfClosed, frameFailed: failing, ending: ended},
	dismissed:  {disconnectRead: leaving, inputClosed: halfClosed, frameFailed: failing, ending: ended},
	leaving:    {frameFailed: failing, allAnswered: ended, ending: ended},
	halfClosed: {frameFailed: failing, allAnswered: ended, ending: ended},
	failing:    {allAnswered: ended, ending: ended},
	ended:      {},
}

// next returns the state after an event.
func (s state) next(e event) state {
	if to := transitions[s][e]; to != 0 {
		return to
	}
	return s
}

// handles reports whether frames that are read are handled.
func (s state) handles() bool { return s < failing }

// closes reports whether the session is on its way out.
func (s state) closes() bool { return s >= leaving }

// awaits reports whether the session only waits for the answers to earlier frames.
func (s state) awaits() bool { return s == leaving || s == halfClosed || s == failing }

// A lifecycle has the state of a session and the reasons for its end. Any goroutine
// may use it.
type lifecycle struct {
	word atomic.Uint32 // the state, with the marks of history

	// unfinished counts the frames that the broker is not done with, and 1 for the
	// session until it awaits the others.
	unfinished atomic.Int64
	// deadline is how long a session awaits answers; nil: it does not.
	deadline atomic.Pointer[time.Time]
	// failure is why a session is failing, and reason why it has ended. The first
	// reason counts.
	failure, reason atomic.Pointer[Fault]
}

// Marks in the word, which stay once they are set.
const (
	wasConnected    = 1 << 7 // CONNECT was accepted
	wasDisconnected = 1 << 6 // DISCONNECT was read
	history         = wasConnected | wasDisconnected
)

// begin makes a new session connecting.
func (l *lifecycle) begin() {
	l.word.Store(uint32(connecting))
	l.unfinished.Store(1)
}

// state returns the present state.
func (l *lifecycle) state() state { return state(l.word.Load() &^ history) }

// connected reports whether CONNECT was accepted, in whatever state the session is
// now.
func (l *lifecycle) connected() bool { return l.word.Load()&wasConnected != 0 }

// disconnected reports whether DISCONNECT was read, in whatever state the session is
// now.
func (l *lifecycle) disconnected() bool { return l.word.Load()&wasDisconnected != 0 }

// on changes the state by an event. It returns the states before and after it,
// which are equal if the event changed nothing.
func (l *lifecycle) on(e event) (from, to state) {
	for {
		word := l.word.Load()
		from = state(word &^ history)
		if to = from.next(e); to == from {
			return from, to
		}
		changed := word&history | uint32(to)
		switch e {
		case connectAccepted:
			changed |= wasConnected
		case disconnectRead:
			changed |= wasDisconnected
		}
		if l.word.CompareAndSwap(word, changed) {
			return from, to
		}
	}
}

// end ends the session, for a reason if f is not nil. The first reason counts.
func (l *lifecycle) end(f *Fault) {
	if f != nil {
		l.reason.CompareAndSwap(nil, f)
	}
	l.on(ending)
}
