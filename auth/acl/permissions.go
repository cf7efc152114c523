package acl

import (
	"slices"
	"strings"

	"hoofbeat/auth"
	"hoofbeat/destination"
)

// Permissions are the rights of one identity. Only one goroutine at a time
// may use them, as they cache decisions.
type Permissions struct {
	acl      *List
	id       *auth.Identity
	concerns ruleSet // the rules that concern the identity
	// filled are the values of the variables, by index, looked up when they
	// are needed.
	filled []filling
	// recent are decisions by action and destination.
	recent [actions]map[string]verdict
	// kept and keptBytes count the entries of recent.
	kept, keptBytes int
}

// Bounds of the decisions that are remembered: for each session, so they are
// low; a session rarely sends to many destinations.
const (
	maxKept      = 256
	maxKeptBytes = 16 << 10 // of destinations
)

// A Decision reports whether something is allowed.
type Decision struct {
	Allowed bool
	// Rule is the rule that decided: its name, "#" and its index if it has no
	// name, or both if others have the same name. It is empty if none did. It
	// is for logs, not for clients.
	Rule string
	// Reason is a sentence, one of a fixed set. It names neither rule nor
	// destination nor user, and may be told to clients.
	Reason string
}

// A filling has the values of a template.
type filling struct {
	known  bool
	values []string // none of them empty
	// whole says that values are all that the template could mean: there are
	// some, and nothing was left out.
	whole bool
}

// fill returns the values of a variable.
func (p *Permissions) fill(variable int) filling {
	if p.filled == nil {
		p.filled = make([]filling, len(p.acl.variables))
	}
	f := &p.filled[variable]
	if !f.known {
		*f = p.lookUp(p.acl.variables[variable])
	}
	return *f
}

func (p *Permissions) lookUp(name string) filling {
	f := filling{known: true, whole: true}
	if claim, ok := claimOf(name); ok {
		f.values, f.whole = claimTexts(p.id.Claims, claim)
	} else {
		f.values = []string{p.id.User}
	}
	if slices.Contains(f.values, "") {
		f.whole = false
		f.values = slices.DeleteFunc(slices.Clone(f.values), func(v string) bool { return v == "" })
	}
	f.whole = f.whole && len(f.values) > 0
	return f
}

// A verdict is a decision as it is remembered.
type verdict struct {
	rule   int32 // noRule if none decided
	reason reason
}

// A reason is why something is allowed or denied.
type reason uint8

const (
	undecided reason = iota
	byRule
	byDenyRule
	byDefault
	byDefaultWild
	temporary
	reply
	everything
	unknownAction
	wildSend
	noSlash
	tooLong
	badWildcard
	tooManySteps
)

func (r reason) allows() bool {
	return r == byRule || r == temporary || r == reply || r == everything
}

// String is the sentence of a [Decision].
func (r reason) String() string {
	switch r {
	case byRule:
		return "a rule allows it"
	case byDenyRule:
		return "a rule denies it"
	case byDefault:
		return "no rule allows it"
	case byDefaultWild:
		return "no rule allows all that the pattern matches"
	case temporary:
		return "temporary queues are their connection's own"
	case reply:
		return "every client that received the reply destination may send to it"
	case everything:
		return "everything is allowed, as there are no rules"
	case wildSend:
		return "wildcards are not for SEND"
	case noSlash:
		return "the destination does not begin with a slash"
	case tooLong:
		return "the destination has too many segments"
	case badWildcard:
		return "a wildcard is a part of a segment"
	case tooManySteps:
		return "the user's claims have too many values to decide it"
	}
	return "there is no such action"
}

// Decide reports whether the identity may do something with a destination,
// given in the client's spelling. SUBSCRIBE and the admin actions may have
// wildcards; then a single rule must allow all that they match, and no rule
// may deny any of it.
//
// Without a rule that denies it, a connection's own /temp-queue/ destinations
// are allowed, and so is SEND to /reply-queue/, as only clients that may
// answer learn those names. Rules with and without the user's name deny
// destinations under /user/: /user/queue/x and /user/bob/queue/x.
//
// The first call for a destination searches the rules, which takes about a
// microsecond; the answer is cached.
func (p *Permissions) Decide(action Action, destination string) Decision {
	if p.acl.all {
		return Decision{Allowed: true, Reason: everything.String()}
	}
	if !action.known() {
		return p.decision(verdict{noRule, unknownAction})
	}
	v, ok := p.recent[action][destination]
	if !ok {
		v = p.decide(action, destination)
		p.keep(action, destination, v)
	}
	return p.decision(v)
}

// wholeBroker is the destination of admin actions.
const wholeBroker = "/**"

// Administer reports whether the identity may do something through the admin
// API, which covers the whole broker: a rule that allows it for some
// destinations allows nothing here, and a rule that denies it for any
// destination denies it. The right to change includes the right to look,
// unless a rule denies that.
func (p *Permissions) Administer(action Action) Decision {
	d := p.Decide(action, wholeBroker)
	if d.Allowed || action != AdminRead || d.Rule != "" {
		return d
	}
	if write := p.Decide(AdminWrite, wholeBroker); write.Allowed {
		return write
	}
	return d
}

func (p *Permissions) decision(v verdict) Decision {
	d := Decision{Allowed: v.reason.allows(), Reason: v.reason.String()}
	if v.rule != noRule {
		d.Rule = p.acl.rules[v.rule].label
	}
	return d
}

// keep remembers a decision, and forgets all others when they are too many. It
// copies the destination, which may be a part of something long.
func (p *Permissions) keep(action Action, destination string, v verdict) {
	if len(destination) > maxKeptBytes {
		return
	}
	if p.kept == maxKept || p.keptBytes+len(destination) > maxKeptBytes {
		for _, m := range p.recent {
			clear(m)
		}
		p.kept, p.keptBytes = 0, 0
	}
	if p.recent[action] == nil {
		p.recent[action] = make(map[string]verdict)
	}
	p.recent[action][strings.Clone(destination)] = v
	p.kept++
	p.keptBytes += len(destination)
}

func (p *Permissions) decide(action Action, destination string) verdict {
	var r reading
	if why := r.read(action, destination, p.id.User); why != undecided {
		return verdict{noRule, why}
	}
	if action == Send && r.wild() {
		return verdict{noRule, wildSend}
	}
	words := r.names()
	for i := range words {
		k := walk{p: p, w: &words[i], denying: true}
		whole := k.run(&p.acl.trees[action].deny)
		switch {
		case k.best != noRule:
			return verdict{k.best, byDenyRule}
		case !whole:
			return verdict{noRule, tooManySteps}
		}
	}
	if why, ok := ownerless(action, destination); ok {
		return verdict{noRule, why}
	}
	return p.allowed(action, &r)
}

// ownerless reports whether a destination is one that needs no rule.
func ownerless(action Action, text string) (reason, bool) {
	switch {
	case strings.HasPrefix(text, destination.TempPrefix):
		return temporary, action == Send || action == Subscribe
	case strings.HasPrefix(text, destination.ReplyPrefix):
		return reply, action == Send
	}
	return undecided, false
}

// allowed looks for a rule that allows the destination.
func (p *Permissions) allowed(action Action, r *reading) verdict {
	best, whole := int32(noRule), true
	words := r.granting(action)
	for i := range words {
		k := walk{p: p, w: &words[i], cover: true}
		whole = k.run(&p.acl.trees[action].allow) && whole
		best = min(best, k.best)
	}
	switch {
	case best != noRule:
		return verdict{best, byRule}
	case !whole:
		return verdict{noRule, tooManySteps}
	case r.wild():
		return verdict{noRule, byDefaultWild}
	}
	return verdict{noRule, byDefault}
}
