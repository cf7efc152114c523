package destination

import (
	"slices"
	"strings"
)

// A Tree maps patterns to values and finds the patterns that match a name. The
// cost of a match depends on the name and the depth of the tree, not on the
// number of patterns. The zero value is an empty tree. Callers must synchronise
// access.
//
// Patterns and names have the canonical form that [Destination.Name] returns:
// dots between segments, and ** as the only spelling.
type Tree[T any] struct {
	root node[T]
}

// Insert sets the value of a pattern.
func (t *Tree[T]) Insert(pattern string, value T) { t.root.insert(pattern, value) }

// Find returns the value of a pattern.
func (t *Tree[T]) Find(pattern string) (value T, ok bool) { return t.root.find(pattern) }

// Remove deletes a pattern. The pattern must be in the tree.
func (t *Tree[T]) Remove(pattern string) { t.root.remove(pattern) }

// Empty reports whether the tree has no patterns.
func (t *Tree[T]) Empty() bool { return t.root.empty() }

// Match appends to found the value of each pattern that matches a name, once.
func (t *Tree[T]) Match(name string, found []T) []T { return t.root.match(name, found) }

// All appends all values to all.
func (t *Tree[T]) All(all []T) []T { return t.root.gather(all) }

// A node stands for the first segments of some patterns.
type node[T any] struct {
	value    T
	ends     bool                // a pattern ends here, with this value
	literal  map[string]*node[T] // by segment
	any      *node[T]            // after *
	anyDepth *node[T]            // after **
}

// next returns the child for one segment of a pattern, or nil.
func (n *node[T]) next(segment string) *node[T] {
	switch segment {
	case "*":
		return n.any
	case "**":
		return n.anyDepth
	}
	return n.literal[segment]
}

// set adds or replaces a child, or removes it if c is nil.
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

// remove deletes a pattern, and the nodes that only this pattern needed.
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

// match implements [Tree.Match].
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

// A matcher follows a name down all branches of the tree at once: it holds the
// nodes reached by the segments so far. The cost of a segment is bounded by the
// number of nodes, for any patterns.
type matcher[T any] struct {
	// places are the reached nodes that do not follow a **. Each has one
	// parent, so a step reaches it once.
	places []*node[T]
	// depths are the nodes right after a **; they take any segment and stay.
	depths []*node[T]
	known  map[*node[T]]struct{} // the elements of depths; nil while there are few

	steps int // nodes visited; for tests
}

// add adds a node, and the nodes that a ** after it reaches without a segment.
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

// step consumes one segment of the name.
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
