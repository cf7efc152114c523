// Package patterntest is a model of patterns, for tests: the plainest code that
// decides about them.
//
// It keeps patterns and names as lists of segments and matches them by
// recursion. A segment of a pattern is "*", "**" or a literal; a literal that
// looks like a wildcard has a backslash in front.
package patterntest

import "strings"

// Match reports whether a pattern matches a name.
func Match(pattern, name []string) bool {
	switch {
	case len(pattern) == 0:
		return len(name) == 0
	case pattern[0] == "**":
		return Match(pattern[1:], name) || len(name) > 0 && Match(pattern, name[1:])
	case len(name) == 0:
		return false
	}
	return (pattern[0] == "*" || strings.TrimPrefix(pattern[0], `\`) == name[0]) && Match(pattern[1:], name[1:])
}

// Overlap reports whether some name matches both patterns.
func Overlap(p, q []string) bool {
	switch {
	case len(p) == 0 && len(q) == 0:
		return true
	case len(p) > 0 && p[0] == "**":
		return Overlap(p[1:], q) || len(q) > 0 && Overlap(p, q[1:])
	case len(q) > 0 && q[0] == "**":
		return Overlap(q, p)
	case len(p) == 0 || len(q) == 0:
		return false
	}
	same := strings.TrimPrefix(p[0], `\`) == strings.TrimPrefix(q[0], `\`)
	return (p[0] == "*" || q[0] == "*" || same) && Overlap(p[1:], q[1:])
}

// Fresh is a segment that occurs in no pattern of these tests.
const Fresh = "fresh"

// Cover reports whether q matches every name that p matches. It tries only
// some names of p. Each wildcard is replaced by fresh segments: a pattern that
// matches a fresh segment matches any other in its place. Each ** is replaced
// by 0 to len(q)+1 of them: every further fresh segment changes the positions
// that q may have reached, until only its ** are left, and that takes at most
// len(q) segments.
func Cover(q, p []string) bool {
	return coverFrom(q, p, nil)
}

func coverFrom(q, p, name []string) bool {
	name = name[:len(name):len(name)]
	switch {
	case len(p) == 0:
		return Match(q, name)
	case p[0] == "*":
		return coverFrom(q, p[1:], append(name, Fresh))
	case p[0] != "**":
		return coverFrom(q, p[1:], append(name, strings.TrimPrefix(p[0], `\`)))
	}
	for range len(q) + 2 {
		if !coverFrom(q, p[1:], name) {
			return false
		}
		name = append(name, Fresh)
	}
	return true
}

// Patterns returns all patterns of at most size segments.
func Patterns(size int, alphabet ...string) [][]string {
	all := [][]string{nil}
	for from := 0; size > 0; size-- {
		until := len(all)
		for _, p := range all[from:until] {
			for _, s := range alphabet {
				all = append(all, append(p[:len(p):len(p)], s))
			}
		}
		from = until
	}
	return all
}

// Destination writes segments as a destination, with alternating separators.
func Destination(segments []string) string {
	var b strings.Builder
	b.WriteString("/t")
	for i, s := range segments {
		b.WriteByte("/."[i%2])
		b.WriteString(s)
	}
	return b.String()
}
