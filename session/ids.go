package session

import (
	"crypto/rand"
	"math/bits"
	"strconv"
	"strings"
	"sync/atomic"
)

// A delivery is named SESSION-SUBSCRIPTION-DELIVERY: the id of the session, the
// number of its subscription and the broker's tag of the delivery, both
// numbers from 1 on in base 36. It tells an id that some broker has made from
// one that none can have made.

// IDs makes the ids of a server's sessions. It may be used by any goroutine.
type IDs struct {
	prefix string
	last   atomic.Uint64
}

// prefixLetters are consonants, so that no session's id is a word. Each id
// begins with prefixLength of them.
const (
	prefixLetters = "bcdfghjkmnpqrstvwxyz"
	prefixLength  = 4
)

// NewIDs returns IDs that differ from those of other runs of the program, some
// of which a log or a client may still hold.
func NewIDs() *IDs {
	var b [prefixLength]byte
	rand.Read(b[:]) // never fails, see its documentation
	for i := range b {
		b[i] = prefixLetters[int(b[i])%len(prefixLetters)]
	}
	return &IDs{prefix: string(b[:])}
}

// Next is the id of one more session.
func (i *IDs) Next() string { return i.prefix + strconv.FormatUint(i.last.Add(1), 36) }

// isSessionID reports whether IDs can have made an id, here or elsewhere.
func isSessionID(id string) bool {
	if len(id) <= prefixLength || strings.Trim(id[:prefixLength], prefixLetters) != "" {
		return false
	}
	_, ok := parseNumber(id[prefixLength:])
	return ok
}

// messageID is the part of message ids that one subscription's have in common.
func (s *Session) messageID(number uint64) string {
	return s.id + "-" + strconv.FormatUint(number, 36) + "-"
}

// parseMessageID takes a message id apart; ok is false if no broker can have
// made it.
func (s *Session) parseMessageID(id string) (session string, number, tag uint64, ok bool) {
	session, rest, _ := strings.Cut(id, "-")
	n, t, _ := strings.Cut(rest, "-")
	number, ok1 := parseNumber(n)
	tag, ok2 := parseNumber(t)
	return session, number, tag, ok1 && ok2 && (session == s.id || isSessionID(session))
}

// parseNumber reads a number as strconv.FormatUint writes it in base 36; there
// is no 0, and no other spelling. Each ACK comes here, so the digits are looked
// at once.
func parseNumber(s string) (n uint64, ok bool) {
	if s == "" || s[0] == '0' {
		return 0, false
	}
	for i := range len(s) {
		digit := uint64(s[i])
		switch {
		case digit >= '0' && digit <= '9':
			digit -= '0'
		case digit >= 'a' && digit <= 'z':
			digit -= 'a' - 10
		default:
			return 0, false
		}
		high, low := bits.Mul64(n, 36)
		if n = low + digit; high != 0 || n < low {
			return 0, false
		}
	}
	return n, true
}
