package broker

import (
	"slices"
	"strings"
)

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

// match appends the topics whose patterns match a name, each once.
func (n *node) match(name string, found []*topic) []*topic {
	var m matcher
	m.add(n)
	for segment := range strings.SplitSeq(name, ".") {
		m.step(segment)
	}
	for _, n := range m.places {
		if n.topic != nil {
			found = append(found, n.topic)
		}
	}
	for _, n := range m.depths {
		if n.topic != nil {
			found = append(found, n.topic)
		}
	}
	return found
}

// A matcher follows a name down the tree on all ways at once: it knows the
// places that the segments so far lead to. The cost of a segment is bounded by
// the number of nodes, whatever the patterns are.
type matcher struct {
	// places are nodes not behind a **. Each has one parent and so is reached
	// once in a step.
	places []*node
	// depths are nodes right behind a **, which take any segment and stay.
	depths []*node
	known  map[*node]struct{} // of depths; nil while there are few

	steps int // how many nodes were looked at, for tests
}

// add enters a node, and what a ** behind it leads to without a segment.
func (m *matcher) add(n *node) {
	m.places = append(m.places, n)
	if n.anyDepth != nil {
		m.addDepth(n.anyDepth)
	}
}

func (m *matcher) addDepth(n *node) {
	for ; n != nil && !m.knows(n); n = n.anyDepth {
		m.depths = append(m.depths, n)
	}
}

func (m *matcher) knows(n *node) bool {
	const few = 8
	if m.known == nil {
		if len(m.depths) < few {
			return slices.Contains(m.depths, n)
		}
		m.known = make(map[*node]struct{})
		for _, d := range m.depths {
			m.known[d] = struct{}{}
		}
	}
	_, known := m.known[n]
	if !known {
		m.known[n] = struct{}{}
	}
	return known
}

// step takes one segment of the name.
func (m *matcher) step(segment string) {
	from, depths := m.places, m.depths
	m.places = nil
	for _, n := range from {
		m.follow(n, segment)
	}
	for _, n := range depths {
		m.follow(n, segment)
	}
}

func (m *matcher) follow(n *node, segment string) {
	m.steps++
	if c := n.literal[segment]; c != nil {
		m.add(c)
	}
	if n.any != nil {
		m.add(n.any)
	}
}
