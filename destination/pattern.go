package destination

import "strings"

// Covers reports whether the pattern d matches the destination o. If o is a
// pattern, its wildcards are compared like literal segments, so o may match
// names that d does not.
func (d Destination) Covers(o Destination) bool {
	if d.Kind != o.Kind || d.Space() != o.Space() {
		return false
	}
	if !d.wild {
		return d.Name() == o.Name()
	}
	return covers(strings.Split(d.Name(), "."), strings.Split(o.Name(), "."))
}

// covers matches segments. Its cost is at most the product of the lengths: it
// backtracks only to the last **.
func covers(pattern, name []string) bool {
	p, n := 0, 0
	again, from := -1, 0 // the last **, and the first segment after those that it takes
	for n < len(name) || p < len(pattern) {
		switch {
		case p < len(pattern) && pattern[p] == "**":
			again, from = p, n
			p++
			continue
		case p < len(pattern) && n < len(name) && glob(pattern[p], name[n]):
			p, n = p+1, n+1
			continue
		case again < 0 || from >= len(name):
			return false
		}
		from++
		p, n = again+1, from
	}
	return true
}

// glob matches one segment. A * in the pattern matches any text.
func glob(pattern, text string) bool {
	head, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == text
	}
	if !strings.HasPrefix(text, head) {
		return false
	}
	text = text[len(head):]
	for {
		var part string
		if part, rest, wild = strings.Cut(rest, "*"); !wild {
			return strings.HasSuffix(text, part)
		}
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text = text[i+len(part):]
	}
}
