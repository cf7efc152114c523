package config

import (
	"fmt"
	"net"
	"net/netip"
	"path"
	"strconv"
	"strings"
	"time"

	"hoofbeat/destination"
)

// check validates a value that is already of its kind.
type check func(value any) []complaint

// complaint is a fault found by a check.
type complaint struct {
	at       string // position below the key, like [2].name; "" for the key itself
	item     string // the faulty element of a list, like [2], if there is one
	shown    string // the part of the value to show; "" for the whole value
	expected string
}

// below moves complaints to a position below their own.
func below(at string, found []complaint) []complaint {
	for i := range found {
		found[i].at = at + found[i].at
	}
	return found
}

// single makes a check from a function that returns the expected form, or "".
func single(f func(string) string) check {
	return func(value any) []complaint {
		if expected := f(value.(string)); expected != "" {
			return []complaint{{expected: expected}}
		}
		return nil
	}
}

// optional is single for a value that may be empty.
func optional(f func(string) string) check {
	return single(func(s string) string {
		if s == "" {
			return ""
		}
		return f(s)
	})
}

// each is single for every element of a list.
func each(f func(string) string) check {
	return func(value any) []complaint {
		var all []complaint
		for i, item := range value.([]string) {
			if expected := f(item); expected != "" {
				all = append(all, complaint{item: fmt.Sprintf("[%d]", i), shown: show(item), expected: expected})
			}
		}
		return all
	}
}

// eachHidden is each for a list of secrets. It reports a fault once, because
// the faulty element must not be shown.
func eachHidden(f func(string) string) check {
	return func(value any) []complaint {
		for _, item := range value.([]string) {
			if expected := f(item); expected != "" {
				return []complaint{{shown: masked, expected: expected}}
			}
		}
		return nil
	}
}

// enoughMemory rejects a limit below the broker's own needs.
func enoughMemory(value any) []complaint {
	if s := value.(Share); s.Percent == 0 && s.Bytes < 32<<20 {
		return []complaint{{expected: "expected at least 32MiB"}}
	}
	return nil
}

func positive(value any) []complaint {
	if value.(int) < 1 {
		return []complaint{{expected: "expected at least 1"}}
	}
	return nil
}

func atLeast(least time.Duration) check {
	return func(value any) []complaint {
		if value.(time.Duration) < least {
			return []complaint{{expected: "expected at least " + formatDuration(least)}}
		}
		return nil
	}
}

// noneOrAtLeast is atLeast for a time that 0 disables.
func noneOrAtLeast(least time.Duration) check {
	return func(value any) []complaint {
		if d := value.(time.Duration); d != 0 && d < least {
			return []complaint{{expected: "expected 0s for none, or at least " + formatDuration(least)}}
		}
		return nil
	}
}

func within(least, most int) check {
	return func(value any) []complaint {
		if n := value.(int); n < least || n > most {
			return []complaint{{expected: fmt.Sprintf("expected a number from %d to %d", least, most)}}
		}
		return nil
	}
}

func fraction(value any) []complaint {
	if f := value.(float64); f < 0 || f > 1 {
		return []complaint{{expected: "expected a number from 0 to 1"}}
	}
	return nil
}

// checkAddress requires an address to listen on: a host that is an IP address,
// a name or empty, and a numeric port.
func checkAddress(address string) string {
	const expected = "expected host:port with a port from 0 to 65535, such as 127.0.0.1:15674"
	host, port, err := net.SplitHostPort(address)
	if err != nil || !isPort(port) {
		return expected
	}
	if host != "" && !isIP(host) && !isHostName(host, false) {
		return expected
	}
	return ""
}

// checkPath requires a path of a request, without escapes and without
// characters that are special to http.ServeMux.
func checkPath(p string) string {
	special := strings.ContainsFunc(p, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`?#%{}\`, r)
	})
	if special || path.Clean(p) != p || !strings.HasPrefix(p, "/") {
		return "expected a plain path that begins with '/', such as /ws"
	}
	return ""
}

// checkHost requires a host name without a port.
func checkHost(host string) string {
	if !isHostName(host, false) || isIP(host) {
		return "expected the name of a host without a port, such as broker.example.com"
	}
	return ""
}

// checkAnyHost is checkHost for a host that may also be an address.
func checkAnyHost(host string) string {
	if !isIP(host) && !isHostName(host, false) {
		return "expected the name or the address of a host without a port, such as broker.example.com or 192.0.2.1"
	}
	return ""
}

// checkPrefix requires a prefix that does not collide with destinations that
// have a fixed meaning.
func checkPrefix(prefix string) string {
	odd := strings.ContainsFunc(prefix, func(r rune) bool {
		return !strconv.IsPrint(r) || strings.ContainsRune("*>#{}, ", r)
	})
	if odd || len(prefix) < 3 || prefix[0] != '/' || prefix[len(prefix)-1] != '/' || strings.Contains(prefix, "//") {
		return "expected a prefix that begins and ends with '/', without wildcards, such as /topic/"
	}
	if strings.Count(prefix, "/")+strings.Count(prefix, ".")-1 > maxPrefixSegments {
		return fmt.Sprintf("expected at most %d segments", maxPrefixSegments)
	}
	for _, reserved := range reservedPrefixes() {
		if destination.Nested(prefix, reserved) {
			return fmt.Sprintf("expected another prefix, as %s has a meaning of its own", reserved)
		}
	}
	return ""
}

// maxPrefixSegments leaves room for the longest name after a prefix when
// destinations are compared with rules.
const maxPrefixSegments = 16

func reservedPrefixes() []string {
	return []string{destination.UserPrefix, destination.TempPrefix, destination.ReplyPrefix, "/hoofbeat/"}
}

func isPort(port string) bool {
	n, ok := parseDigits(port)
	return ok && n <= 65535
}

func isIP(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// isHostName accepts labels of letters, digits, '-' and '_'. If wild is set, a
// label may also be *.
func isHostName(host string, wild bool) bool {
	if host == "" || len(host) > 253 {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if !isLabel(label) && (!wild || label != "*") {
			return false
		}
	}
	return true
}

func isLabel(label string) bool {
	foreign := strings.ContainsFunc(label, func(r rune) bool {
		return !isAlphanumeric(r) && r != '-' && r != '_'
	})
	return !foreign && label != "" && len(label) <= 63 && label[0] != '-' && label[len(label)-1] != '-'
}
