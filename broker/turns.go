package broker

// turns is the line of a queue's consumers that may have a message, in the order of
// their turns. It does not look at messages. The queue's lock guards it.
type turns struct {
	line deque[*consumer]
	left int // closed consumers that still stand in line
}

// join puts a consumer at the end of the line, unless it stands there or may have
// nothing.
func (t *turns) join(c *consumer) {
	if !c.inLine && c.ready() {
		c.inLine = true
		t.line.pushBack(c)
	}
}

// next takes the consumer whose turn it is out of the line; nil: there is none. The
// consumer may have closed meanwhile.
func (t *turns) next() *consumer {
	if t.line.len() == 0 {
		return nil
	}
	c := t.line.popFront()
	c.inLine = false
	if c.closed {
		t.left--
	}
	return c
}

// empty reports whether nobody stands in line.
func (t *turns) empty() bool { return t.line.len() == 0 }

// leave is called when a consumer closes. Where nothing is delivered, those that
// left would stand in line for ever; they go when they are many, because one
// at a time would take quadratic time for thousands that leave together.
func (t *turns) leave(c *consumer) {
	if !c.inLine {
		return
	}
	const few = 32
	if t.left++; t.left <= few || t.left <= t.line.len()/2 {
		return
	}
	t.line.keep(func(c **consumer) bool { return !(*c).closed })
	t.left = 0
}
