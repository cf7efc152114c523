package destination

import (
	"slices"
	"strings"
)

// A Tree maps patterns to values, and finds those that match a name. The cost
// of a match depends on the name and the depth of the tree, and not on the
// number of patterns. The zero value is empty. It locks nothing.
//
// Patterns and names have dots between their segments, and ** in its one
// spelling, as [Destination.Name] returns them.
type Tree[T any] struct {
	root node[T]
}

// Insert sets the value of a pattern.
func (t *Tree[T]) Insert(pattern string, value T) { t.root.insert(pattern, value) }

// Find returns the value of a pattern.
func (t *Tree[T]) Find(pattern string) (value T, ok bool) { return t.root.find(pattern) }

// Remove takes out a pattern, which must be there.
func (t *Tree[T]) Remove(pattern string) { t.root.remove(pattern) }

// Empty reports whether the tree has no pattern.
func (t *Tree[T]) Empty() bool { return t.root.empty() }

// Match appends the values of all patterns that match a name, each once.
func (t *Tree[T]) Match(name string, found []T) []T { return t.root.match(name, found) }

// All appends all values.
func (t *Tree[T]) All(all []T) []T { return t.root.gather(all) }

// A node is a place in the tree, behind the first segments of patterns.
type node[T any] struct {
	value    T
	ends     bool                // a pattern ends here, and value is its
	literal  map[string]*node[T] // by segment
	any      *node[T]            // behind *
	anyDepth *node[T]            // behind **
}

// next returns the child for one segment of a pattern, nil if there is none.
func (n *node[T]) next(segment string) *node[T] {
	switch segment {
	case "*":
		return n.any
	case "**":
		return n.anyDepth
	}
	return n.literal[segment]
}

// set puts a child in its place, or takes it away if c is nil.
func (n *node[T]) set(segment string, c *node[T]) {
	switch {
	case segment == "*":
		n.any = c
	case segment == "**":
		n.anyDepth = c
	case c == nil:
		delete(n.literal, segment)
	default:
		if n.literal == nil {
			n.literal = make(map[string]*node[T])
		}
		n.literal[segment] = c
	}
}

func (n *node[T]) empty() bool {
	return !n.ends && len(n.literal) == 0 && n.any == nil && n.anyDepth == nil
}

func (n *node[T]) find(pattern string) (value T, ok bool) {
	for segment := range strings.SplitSeq(pattern, ".") {
		if n = n.next(segment); n == nil {
			return value, false
		}
	}
	return n.value, n.ends
}

func (n *node[T]) insert(pattern string, value T) {
	for segment := range strings.SplitSeq(pattern, ".") {
		c := n.next(segment)
		if c == nil {
			c = &node[T]{}
			n.set(segment, c)
		}
		n = c
	}
	n.value, n.ends = value, true
}

// remove takes out a pattern, with the nodes that only it needed.
func (n *node[T]) remove(pattern string) {
	segment, rest, more := strings.Cut(pattern, ".")
	c := n.next(segment)
	if more {
		c.remove(rest)
	} else {
		var none T
		c.value, c.ends = none, false
	}
	if c.empty() {
		n.set(segment, nil)
	}
}

// gather appends the values at and below n.
func (n *node[T]) gather(all []T) []T {
	if n.ends {
		all = append(all, n.value)
	}
	for _, c := range n.literal {
		all = c.gather(all)
	}
	for _, c := range []*node[T]{n.any, n.anyDepth} {
		if c != nil {
			all = c.gather(all)
		}
	}
	return all
}

// match is [Tree.Match].
func (n *node[T]) match(name string, found []T) []T {
	var m matcher[T]
	m.add(n)
	for segment := range strings.SplitSeq(name, ".") {
		m.step(segment)
	}
	for _, n := range m.places {
		if n.ends {
			found = append(found, n.value)
		}
	}
	for _, n := range m.depths {
		if n.ends {
			found = append(found, n.value)
		}
	}
	return found
}

// A matcher follows a name down the tree on all ways at once: it holds the
// nodes that the segments so far lead to. The cost of a segment is bounded by
// the number of nodes, whatever the patterns are.
type matcher[T any] struct {
	// places are nodes not behind a **. Each has one parent and so is reached
	// once in a step.
	places []*node[T]
	// depths are nodes right behind a **, which take any segment and stay.
	depths []*node[T]
	known  map[*node[T]]struct{} // of depths; nil while there are few

	steps int // nodes visited, for tests
}

// add enters a node, and the nodes that a ** behind it leads to without a
// segment.
func (m *matcher[T]) add(n *node[T]) {
	m.places = append(m.places, n)
	if n.anyDepth != nil {
		m.addDepth(n.anyDepth)
	}
}

func (m *matcher[T]) addDepth(n *node[T]) {
	for ; n != nil && !m.knows(n); n = n.anyDepth {
		m.depths = append(m.depths, n)
	}
}

func (m *matcher[T]) knows(n *node[T]) bool {
	const few = 8
	if m.known == nil {
		if len(m.depths) < few {
			return slices.Contains(m.depths, n)
		}
		m.known = make(map[*node[T]]struct{})
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
func (m *matcher[T]) step(segment string) {
	from, depths := m.places, m.depths
	m.places = nil
	for _, n := range from {
		m.follow(n, segment)
	}
	for _, n := range depths {
		m.follow(n, segment)
	}
}

func (m *matcher[T]) follow(n *node[T], segment string) {
	m.steps++
	if c := n.literal[segment]; c != nil {
		m.add(c)
	}
	if n.any != nil {
		m.add(n.any)
	}
}
