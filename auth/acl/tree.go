package acl

import (
	"math"
	"slices"
	"strings"

	"hoofbeat/destination"
)

// A ruleNode is a place in a tree of rules: its rules begin with the segments
// on the way to it. Each action has two trees, one of allowed and one of
// denied destinations. All sessions share the trees, which are immutable: a
// walk looks up on its way whether a rule applies to the user, and fills its
// templates.
type ruleNode struct {
	lowest    int32 // of the rules that end at and below this node
	literal   map[string]*ruleNode
	literals  []edge // the same ones, in the order of the rules
	templates []edge
	one       *ruleNode
	soft      *ruleNode
	many      *ruleNode
	ends      []ending // the rules that end here, in their order
	// below has the rules that end at and below this node, if they are many.
	below ruleSet
}

// An edge leads from a node to another one over a literal or a template.
type edge struct {
	segment segment
	node    *ruleNode
}

// An ending is a destination of a rule.
type ending struct {
	rule    int32
	pattern *pattern
}

const noRule = math.MaxInt32

func newRuleNode() *ruleNode { return &ruleNode{lowest: noRule} }

// insert adds a destination of a rule. Rules come in their order.
func (n *ruleNode) insert(rule int32, p *pattern) {
	n.lowest = min(n.lowest, rule)
	for _, s := range p.segments {
		n = n.child(s)
		n.lowest = min(n.lowest, rule)
	}
	n.ends = append(n.ends, ending{rule, p})
}

// child returns the node behind a segment, made if there is none.
func (n *ruleNode) child(s segment) *ruleNode {
	switch s.Kind {
	case destination.OneSegment:
		return orNew(&n.one)
	case destination.SoftSegment:
		return orNew(&n.soft)
	case destination.ManySegment:
		return orNew(&n.many)
	case destination.TemplateSegment:
		for _, e := range n.templates {
			if e.segment.Text == s.Text {
				return e.node
			}
		}
		c := newRuleNode()
		n.templates = append(n.templates, edge{s, c})
		return c
	}
	c := n.literal[s.Text]
	if c == nil {
		c = newRuleNode()
		if n.literal == nil {
			n.literal = make(map[string]*ruleNode)
		}
		n.literal[s.Text] = c
		n.literals = append(n.literals, edge{s, c})
	}
	return c
}

func orNew(n **ruleNode) *ruleNode {
	if *n == nil {
		*n = newRuleNode()
	}
	return *n
}

// manyRules is how many rules below a node make it worth while to ask whether
// one of them concerns the user before going there.
const manyRules = 16

// finish computes the fields that need all rules: it returns the rules at and
// below the node, and counts the nodes.
func (n *ruleNode) finish(nodes *int) []int32 {
	*nodes++
	var rules []int32
	for _, e := range n.ends {
		rules = append(rules, e.rule)
	}
	for _, e := range slices.Concat(n.literals, n.templates) {
		rules = append(rules, e.node.finish(nodes)...)
	}
	for _, c := range []*ruleNode{n.one, n.soft, n.many} {
		if c != nil {
			rules = append(rules, c.finish(nodes)...)
		}
	}
	slices.Sort(rules)
	rules = slices.Compact(rules)
	if len(rules) >= manyRules {
		n.below = newRuleSet(int(rules[len(rules)-1]) + 1)
		for _, r := range rules {
			n.below.add(r)
		}
	}
	return rules
}

// A walk looks for the rules of a tree that match a destination. It goes down
// the tree with the set of places of the destination that are reached so far,
// so that it visits each node once. Nodes behind a claim that is a list are
// visited once for each element that fits.
type walk struct {
	p    *Permissions
	w    *destination.Word
	best int32 // the first rule that matches so far
	// cover looks for rules that match all of the destination, not just some.
	cover bool
	// denying takes a template that cannot be filled for a *, and not for
	// something that matches nothing.
	denying bool
	// found is where all that match are put; if it is nil, the walk looks for
	// the first rule only.
	found *[]ending
	// bound are the values of the variables on the way here, "" for none.
	bound []string
	left  int // how many steps may be taken
}

// maxSteps is how many nodes a decision may look at more than once. Only claims
// that are long lists lead to as many.
const maxSteps = 1 << 16

// run walks a tree and reports whether it came to the end.
func (k *walk) run(t *ruleTree) bool {
	k.best, k.left = noRule, t.nodes+maxSteps
	k.visit(t.root, k.w.Start(k.cover))
	return k.left >= 0
}

func (k *walk) visit(n *ruleNode, s destination.Places) {
	if k.left--; k.left < 0 || s == 0 || n == nil {
		return
	}
	if k.found == nil && n.lowest >= k.best || n.below != nil && !n.below.meets(k.p.concerns) {
		return
	}
	if s&k.w.End() != 0 {
		k.ends(n)
	}
	k.literals(n, s)
	for _, e := range n.templates {
		k.template(e, s)
	}
	if n.one != nil {
		k.visit(n.one, k.w.OverOne(s, false, k.cover))
	}
	if n.soft != nil {
		k.visit(n.soft, k.w.OverOne(s, true, k.cover))
	}
	if n.many != nil {
		k.visit(n.many, k.w.OverMany(s))
	}
}

func (k *walk) ends(n *ruleNode) {
	for _, e := range n.ends {
		if !k.p.concerns.has(e.rule) {
			continue
		}
		k.best = min(k.best, e.rule)
		if k.found == nil {
			return
		}
		*k.found = append(*k.found, e)
	}
}

// literals follows the edges with literals that the destination can take.
func (k *walk) literals(n *ruleNode, s destination.Places) {
	if len(n.literals) == 0 {
		return
	}
	if !k.cover && s&k.w.Wildcards() != 0 {
		for _, e := range n.literals {
			k.visit(e.node, k.w.OverLiteral(s, e.segment.Text, k.cover))
		}
		return
	}
	for rest := s & k.w.Literals(); rest != 0; {
		text := k.w.FirstText(rest)
		rest &^= k.w.Same(text)
		if c := n.literal[text]; c != nil {
			k.visit(c, k.w.OverLiteral(s, text, k.cover))
		}
	}
}

// template follows an edge with a template, once for each way to fill it.
func (k *walk) template(e edge, s destination.Places) {
	for _, v := range e.segment.variables {
		if v < 0 || k.p.fill(v).whole {
			continue
		}
		if k.denying {
			k.visit(e.node, k.w.OverOne(s, false, k.cover))
			return
		}
		break
	}
	k.parts(e, 0, "", s)
}

// parts fills the template from part i on; text is the text before it.
func (k *walk) parts(e edge, i int, text string, s destination.Places) {
	if i == len(e.segment.Parts) {
		k.filled(e.node, text, s)
		return
	}
	v := e.segment.variables[i]
	if v < 0 {
		k.parts(e, i+1, text+e.segment.Parts[i].Text, s)
		return
	}
	if k.bound == nil {
		k.bound = make([]string, len(k.p.acl.variables))
	}
	if value := k.bound[v]; value != "" {
		k.parts(e, i+1, text+value, s)
		return
	}
	for _, value := range k.p.fill(v).values {
		if k.left--; k.left < 0 {
			break
		}
		k.bound[v] = value
		k.parts(e, i+1, text+value, s)
	}
	k.bound[v] = ""
}

// filled follows a filled template. It is a literal, whatever characters it
// has. A rule that denies also matches it as several segments, as a publisher
// that makes a destination of a user's name does not look for dots in it.
func (k *walk) filled(n *ruleNode, text string, s destination.Places) {
	k.visit(n, k.w.OverLiteral(s, text, k.cover))
	if !k.denying || !strings.ContainsAny(text, "./") {
		return
	}
	for more := true; more; {
		var t string
		t, text, more = destination.CutSegment(text)
		s = k.w.OverLiteral(s, t, k.cover)
	}
	k.visit(n, s)
}
