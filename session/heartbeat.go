package session

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/frames"
)

// heartBeat has the negotiated intervals, 0 for none (STOMP 1.2,
// Heart-beating).
type heartBeat struct {
	send    time.Duration // at least this often, something is written
	receive time.Duration // at least this often, something is expected

	offered, wanted time.Duration // the intervals of CONNECTED, from which send and receive follow
}

// negotiate reads the heart-beat header of a CONNECT, and grants the client's
// wish within the bounds. 1.0 has no heart-beats.
func (b HeartBeat) negotiate(h *frame.Header, v frames.Version) (heartBeat, error) {
	header, ok := h.Contains(frame.HeartBeat)
	if !ok || v == frames.V10 {
		return heartBeat{}, nil
	}
	can, wants, ok := strings.Cut(header, ",")
	cx, err1 := milliseconds(can)
	cy, err2 := milliseconds(wants)
	if !ok || err1 != nil || err2 != nil {
		return heartBeat{}, fault(InvalidHeartBeat, "The heart-beat header must be two numbers of milliseconds such as 10000,10000.")
	}
	agreed := heartBeat{offered: b.clamp(cy), wanted: b.clamp(cx)}
	agreed.send = agreed.offered
	if cx > 0 {
		agreed.receive = max(cx, agreed.wanted)
	}
	return agreed, nil
}

// clamp brings an interval that a client named within the bounds; 0, which
// means none, stays.
func (b HeartBeat) clamp(d time.Duration) time.Duration {
	if d == 0 {
		return 0
	}
	return max(b.Min, min(d, b.Server))
}

func milliseconds(s string) (time.Duration, error) {
	n, err := strconv.ParseUint(strings.Trim(s, " "), 10, 31)
	return time.Duration(n) * time.Millisecond, err
}

// header is the heart-beat header of CONNECTED.
func (h heartBeat) header() string {
	return fmt.Sprintf("%d,%d", h.offered.Milliseconds(), h.wanted.Milliseconds())
}

const (
	// Heart-beats are sent when this part of the interval has passed, in
	// tenths: clients measure, and networks delay.
	early = 8
	// A client is given up after this many intervals without a byte from it.
	tolerance = 2
	// secondLook is how much later it is looked again before that is done.
	secondLook = 200 * time.Millisecond
)

// pause is the longest time between two writes.
func (h heartBeat) pause() time.Duration { return h.send * early / 10 }

// first is when to look first after now, zero for never.
func (h heartBeat) first(now time.Time) time.Time {
	return h.next(now, now, now)
}

// next is when to look again, given when something was last written and read.
func (h heartBeat) next(now, written, read time.Time) time.Time {
	var at time.Time
	if h.send > 0 {
		at = written.Add(h.pause())
		if !at.After(now) {
			at = now.Add(h.pause())
		}
	}
	if h.receive > 0 {
		if dead := read.Add(tolerance * h.receive); at.IsZero() || dead.Before(at) {
			at = dead
		}
	}
	return at
}

// tick is the session's timer: first the time limit for CONNECT, then
// heart-beats both ways. It runs on the timers' goroutine.
func (s *Session) tick(now time.Time) time.Time {
	switch state := s.life.state(); {
	case state == connecting:
		s.End(fault(ConnectTimeout, "No CONNECT was accepted within %v (limits.connect_timeout).%s", s.options.ConnectTimeout, s.unfinishedFrame()))
		return time.Time{}
	case state.awaits():
		return s.overdue(now)
	case state == ended:
		return time.Time{} // the deadline of writes bounds the rest
	}
	read := s.lastHeard(now)
	if h := s.beat; h.receive > 0 && now.Sub(read) >= tolerance*h.receive {
		if s.silentSince != read || now.Sub(s.lookAt) > secondLook {
			// If this process itself was held up, frames that the client sent
			// meanwhile are still unread. A late timer means that it was held
			// up again.
			s.silentSince, s.lookAt = read, now.Add(min(secondLook, h.receive/4))
			return s.lookAt
		}
		s.End(fault(HeartBeatTimeout, "Nothing came for more than %v; the client had agreed to send something at least every %v.%s",
			tolerance*h.receive, h.receive, s.unfinishedFrame()))
		return time.Time{}
	}
	if s.beat.receive > 0 && s.isLost(now) {
		s.End(fault(HeartBeatTimeout, "The client waits for room in a queue, and has read nothing for %v.", max(pausedLimit, tolerance*s.beat.receive)))
		return time.Time{}
	}
	written, idle := s.out.IdleSince()
	if h := s.beat; h.send > 0 && idle && now.Sub(written) >= h.pause() {
		s.out.Control([]byte{'\n'})
		written = now
	}
	return s.beat.next(now, written, read)
}

// overdue ends a session that has waited too long for the answers to earlier frames.
func (s *Session) overdue(now time.Time) time.Time {
	at := s.life.deadline.Load()
	switch {
	case at == nil:
		return time.Time{} // await sets it, and then the timer
	case now.Before(*at):
		return *at // it was to run for another reason
	}
	s.End(s.unanswered())
	return time.Time{}
}

// watchToken ends the session at the end of its token, by the time of day: a
// clock that is set and a machine that was suspended do not prolong it.
func (s *Session) watchToken() {
	exp := s.identity.Load().Expires
	switch {
	case s.tokenTimer == nil && !exp.IsZero():
		s.tokenTimer = s.options.Timers.AddWall(exp, s.tokenEnds)
	case s.tokenTimer != nil:
		s.tokenTimer.Reset(exp) // if it does not end any more, tokenEnds sees that
	}
}

// tokenEnds is the timer of the token. It runs on the timers' goroutine.
func (s *Session) tokenEnds(now time.Time) time.Time {
	exp := s.identity.Load().Expires
	switch {
	case exp.IsZero() || s.life.state().closes():
		return time.Time{}
	case now.Before(exp):
		return exp
	}
	s.expire()
	return time.Time{}
}
