package frames

import "strings"

// Version is a version of STOMP. The zero value means that none has been
// negotiated yet: only CONNECT or STOMP may come.
type Version uint8

// The versions there are, in ascending order.
const (
	V10 Version = iota + 1
	V11
	V12
)

// String gives the version as it stands in accept-version: 1.0, 1.1 or 1.2,
// and the empty string for the zero value.
func (v Version) String() string {
	switch v {
	case V10:
		return "1.0"
	case V11:
		return "1.1"
	case V12:
		return "1.2"
	}
	return ""
}

// ParseVersion is the inverse of String; ok is false for anything else.
func ParseVersion(s string) (v Version, ok bool) {
	for v := V10; v <= V12; v++ {
		if s == v.String() {
			return v, true
		}
	}
	return 0, false
}

// Negotiate picks the highest version that an accept-version header names,
// ignoring versions and spaces it does not know (STOMP 1.2, Protocol
// Negotiation). ok is false when the header names none that is known.
func Negotiate(acceptVersion string) (best Version, ok bool) {
	for _, s := range strings.Split(acceptVersion, ",") {
		if v, known := ParseVersion(strings.TrimSpace(s)); known && v > best {
			best = v
		}
	}
	return best, best != 0
}
