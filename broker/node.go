package broker

import "strings"

// A node is a place in the tree of patterns: the topics whose patterns begin
// with the segments on the way to it. The segments of a name are followed down
// it, so that the cost of a match depends on the name and not on the number of
// patterns.
type node struct {
	topic    *topic           // of the pattern that ends here
	literal  map[string]*node // by segment
	any      *node            // behind *
	anyDepth *node            // behind **
}

// next returns the child for one segment of a pattern, nil if there is none.
func (n *node) next(segment string) *node {
	switch segment {
	case "*":
		return n.any
	case "**":
		return n.anyDepth
	}
	return n.literal[segment]
}

// set puts a child in its place, or takes it away if c is nil.
func (n *node) set(segment string, c *node) {
	switch {
	case segment == "*":
		n.any = c
	case segment == "**":
		n.anyDepth = c
	case c == nil:
		delete(n.literal, segment)
	default:
		if n.literal == nil {
			n.literal = make(map[string]*node)
		}
		n.literal[segment] = c
	}
}

func (n *node) empty() bool {
	return n.topic == nil && len(n.literal) == 0 && n.any == nil && n.anyDepth == nil
}

func (n *node) find(pattern string) *topic {
	for segment := range strings.SplitSeq(pattern, ".") {
		if n = n.next(segment); n == nil {
			return nil
		}
	}
	return n.topic
}

func (n *node) insert(pattern string, t *topic) {
	for segment := range strings.SplitSeq(pattern, ".") {
		c := n.next(segment)
		if c == nil {
			c = &node{}
			n.set(segment, c)
		}
		n = c
	}
	n.topic = t
}

// remove takes the topic of a pattern out, with the nodes that only it needed.
func (n *node) remove(pattern string) {
	segment, rest, more := strings.Cut(pattern, ".")
	c := n.next(segment)
	if more {
		c.remove(rest)
	} else {
		c.topic = nil
	}
	if c.empty() {
		n.set(segment, nil)
	}
}

// len is how many topics are at and below n.
func (n *node) len() int {
	total := 0
	if n.topic != nil {
		total++
	}
	for _, c := range n.literal {
		total += c.len()
	}
	for _, c := range []*node{n.any, n.anyDepth} {
		if c != nil {
			total += c.len()
		}
	}
	return total
}

// match appends the topics whose patterns match a name, each once.
func (n *node) match(name string, found []*topic) []*topic {
	m := matcher{found: found}
	m.walk(n, name, true)
	return m.found
}

// A matcher collects topics. Patterns with several ** can be reached on
// several ways and in exponentially many steps, so each state is visited once
// if the tree below a ** is entered at all.
type matcher struct {
	found []*topic
	seen  map[state]struct{} // nil until the first **
}

type state struct {
	n    *node
	rest int // length of what is left of the name, -1: nothing
}

// walk matches what is left of a name; more says that there is at least one
// more segment. It returns false if that was done before.
func (m *matcher) walk(n *node, rest string, more bool) bool {
	if m.seen != nil && !m.visit(n, rest, more) {
		return false
	}
	if n.anyDepth != nil {
		m.deep(n.anyDepth, rest, more)
	}
	if !more {
		if n.topic != nil {
			m.found = append(m.found, n.topic)
		}
		return true
	}
	segment, rest, more := strings.Cut(rest, ".")
	if c := n.literal[segment]; c != nil {
		m.walk(c, rest, more)
	}
	if n.any != nil {
		m.walk(n.any, rest, more)
	}
	return true
}

// deep matches behind a **, which takes none or more segments. Where it was
// before with as much of the name, it was with all that is shorter.
func (m *matcher) deep(n *node, rest string, more bool) {
	if m.seen == nil {
		m.seen = make(map[state]struct{})
	}
	if len(n.literal) == 0 && n.any == nil && n.anyDepth == nil {
		m.walk(n, "", false) // ** at the end takes all
		return
	}
	for m.walk(n, rest, more) && more {
		_, rest, more = strings.Cut(rest, ".")
	}
}

func (m *matcher) visit(n *node, rest string, more bool) bool {
	s := state{n, len(rest)}
	if !more {
		s.rest = -1
	}
	if _, again := m.seen[s]; again {
		return false
	}
	m.seen[s] = struct{}{}
	return true
}
