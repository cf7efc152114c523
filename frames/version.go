package frames

import "strings"

// Version is a version of STOMP. The zero value means that no version has been
// negotiated: only CONNECT or STOMP is accepted.
type Version uint8

// The versions, in ascending order.
const (
	V10 Version = iota + 1
	V11
	V12
)

// String returns the version as accept-version has it: 1.0, 1.1 or 1.2, or the
// empty string for the zero value.
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

// ParseVersion returns the version that String writes as s. ok is false for any
// other text.
func ParseVersion(s string) (v Version, ok bool) {
	for v := V10; v <= V12; v++ {
		if s == v.String() {
			return v, true
		}
	}
	return 0, false
}

// Negotiate returns the highest version in an accept-version header. It ignores
// unknown versions and spaces (STOMP 1.2, Protocol Negotiation). ok is false if
// the header names no known version.
func Negotiate(acceptVersion string) (best Version, ok bool) {
	for _, s := range strings.Split(acceptVersion, ",") {
		if v, known := ParseVersion(strings.TrimSpace(s)); known && v > best {
			best = v
		}
	}
	return best, best != 0
}
