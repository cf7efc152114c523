// Package acl decides about the rights of identities: may a user SEND to a
// destination, SUBSCRIBE to a pattern, or use the admin API?
//
// [Compile] turns rules into a [List]. [List.For] gives the [Permissions] of one
// [auth.Identity]. [Permissions.Decide] answers for a destination, with the rule
// that decided and the reason.
//
// Actions that no rule allows are denied, and a rule that denies wins over all
// that allow. A pattern is allowed only if a single allowed pattern covers all
// that it can match.
package acl

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"hoofbeat/auth"
)

// An Action is something that a user wants to do with a destination.
type Action uint8

// The actions.
const (
	Send       Action = iota + 1 // SEND, and naming a destination in reply-to
	Subscribe                    // SUBSCRIBE
	AdminRead                    // look at the broker through the admin API
	AdminWrite                   // change it through the admin API, and look
)

const actions = int(AdminWrite) + 1

// String is the action as it stands in a rule.
func (a Action) String() string {
	switch a {
	case Send:
		return "send"
	case Subscribe:
		return "subscribe"
	case AdminRead:
		return "admin:read"
	case AdminWrite:
		return "admin:write"
	}
	return fmt.Sprintf("action %d", uint8(a))
}

// known reports whether there is such an action.
func (a Action) known() bool { return a >= Send && a <= AdminWrite }

// admin reports whether the action belongs to the admin API. There, a
// destination under /user/ need not be the caller's own.
func (a Action) admin() bool { return a == AdminRead || a == AdminWrite }

// ParseAction reads the text of [Action.String].
func ParseAction(s string) (Action, error) {
	for a := Send; a <= AdminWrite; a++ {
		if s == a.String() {
			return a, nil
		}
	}
	return 0, fmt.Errorf("unknown action %q, expected send, subscribe, admin:read or admin:write", s)
}

// A Rule allows or denies actions to users.
//
// Roles, Users and Claims select the users. A rule with several of the three
// applies to users that fit all of them: one of the roles, one of the users,
// and every one of the claims. A rule with none applies to everybody. All
// names are compared exactly.
//
// Destinations are patterns: * is one segment, ** (or # or >) none or more,
// and . and / separate alike. {user} and {claim:NAME} stand for the user's
// name and a claim of the token; a claim that is a list stands for each of
// its elements in turn. Values are filled in as plain text of one segment: a
// separator or wildcard in a value never makes a rule allow more. Separate
// two templates within one segment by a text that occurs in neither, as "a"
// and "bc" give the same text as "ab" and "c".
//
// A rule with only admin:read and admin:write needs no destinations: it
// covers the whole broker, as /** does. See [Permissions.Administer].
//
// If a value is missing, empty, or no text, number or boolean, a template
// matches nothing in a rule that allows, and any one segment in a rule that
// denies. That is the smallest pattern that covers every possible meaning.
type Rule struct {
	Name         string // for logs and messages; need not be unique
	Roles        []string
	Users        []string
	Claims       []ClaimMatch
	Allow        []Action
	Deny         []Action
	Destinations []string
}

// A ClaimMatch is fulfilled by a token in which a claim has one of some values.
type ClaimMatch struct {
	// Name is the claim's own name (https://example.com/roles), or else a path
	// to it with dots (realm_access.roles); see [auth.LookupClaim].
	Name string
	// Values are compared with the claim's text, or with that of each element
	// if it is a list. The text of a number or boolean is that in the token.
	Values []string
}

// A List is a compiled access control list. It is immutable, and any number
// of goroutines may use it. A nil List allows nothing.
type List struct {
	rules     []compiledRule
	variables variables
	trees     [actions]struct{ allow, deny ruleTree }
	selector  selector
	all       bool // allow everything
}

// A compiledRule is a rule that was checked.
type compiledRule struct {
	Rule
	label    string // the name, if that tells the rule from others; or its index
	patterns []*pattern
}

// A ruleTree holds the destinations of all rules for one action.
type ruleTree struct {
	root  *ruleNode
	nodes int
}

// AllowAll returns a List that allows everything to everybody, for brokers
// without authentication.
func AllowAll() *List { return &List{all: true} }

// Compile makes a List of rules. Actions that no rule allows are denied, so
// an empty list denies everything. The rules must not be changed afterwards.
// The error joins all faults, each with the index of its rule, counted from
// 0, and the expected value.
func Compile(rules []Rule) (*List, error) {
	a := &List{rules: make([]compiledRule, len(rules))}
	names := make(map[string]int)
	for _, r := range rules {
		names[r.Name]++
	}
	var faults []error
	for i, r := range rules {
		c := compiledRule{Rule: r, label: r.Name}
		switch {
		case r.Name == "":
			c.label = fmt.Sprintf("#%d", i)
		case names[r.Name] > 1:
			c.label = fmt.Sprintf("%s (#%d)", r.Name, i)
		}
		for _, f := range c.compile(&a.variables) {
			faults = append(faults, fmt.Errorf("acl[%d] %q: %w", i, r.Name, f))
		}
		a.rules[i] = c
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	a.plant()
	a.selector = newSelector(a.rules)
	return a, nil
}

// compile checks a rule and reads its destinations.
func (c *compiledRule) compile(vs *variables) []error {
	faults := append(c.checkActions(), c.checkSubjects()...)
	if len(c.Destinations) == 0 && c.administers() {
		c.Destinations = []string{wholeBroker}
	}
	if len(c.Destinations) == 0 {
		faults = append(faults, errors.New("destinations: expected at least one, such as /topic/news.**"))
	}
	for _, d := range c.Destinations {
		p, err := parsePattern(d, vs)
		if err != nil {
			faults = append(faults, fmt.Errorf("destinations: %q: %w", d, err))
			continue
		}
		c.patterns = append(c.patterns, p)
	}
	return faults
}

// administers reports whether a rule is about the admin API only.
func (c *compiledRule) administers() bool {
	all := slices.Concat(c.Allow, c.Deny)
	return len(all) > 0 && !slices.ContainsFunc(all, func(a Action) bool { return !a.admin() })
}

func (c *compiledRule) checkActions() []error {
	var faults []error
	if len(c.Allow)+len(c.Deny) == 0 {
		faults = append(faults, errors.New("expected allow or deny, with send or subscribe"))
	}
	for _, a := range slices.Concat(c.Allow, c.Deny) {
		if !a.known() {
			faults = append(faults, fmt.Errorf("unknown %v, expected send, subscribe, admin:read or admin:write", a))
		}
	}
	for _, a := range c.Allow {
		if slices.Contains(c.Deny, a) {
			faults = append(faults, fmt.Errorf("expected %v to be allowed or denied, not both; deny would win", a))
		}
	}
	return faults
}

// checkSubjects refuses empty names. They would match nobody, or users
// without a name.
func (c *compiledRule) checkSubjects() []error {
	var faults []error
	if slices.Contains(c.Roles, "") {
		faults = append(faults, errors.New("roles: expected no empty name"))
	}
	if slices.Contains(c.Users, "") {
		faults = append(faults, errors.New("users: expected no empty name"))
	}
	for i, m := range c.Claims {
		if strings.TrimSpace(m.Name) == "" {
			faults = append(faults, fmt.Errorf("claims[%d]: expected the name of a claim, such as tenantId or realm_access.roles", i))
		}
		if len(m.Values) == 0 {
			faults = append(faults, fmt.Errorf("claims[%d]: values: expected at least one", i))
		}
	}
	return faults
}

// plant makes the trees.
func (a *List) plant() {
	for i := range a.trees {
		a.trees[i].allow.root = newRuleNode()
		a.trees[i].deny.root = newRuleNode()
	}
	for i, r := range a.rules {
		for _, p := range r.patterns {
			for _, action := range r.Allow {
				a.trees[action].allow.root.insert(int32(i), p)
			}
			for _, action := range r.Deny {
				a.trees[action].deny.root.insert(int32(i), p)
			}
		}
	}
	for i := range a.trees {
		t := &a.trees[i]
		t.allow.root.finish(&t.allow.nodes)
		t.deny.root.finish(&t.deny.nodes)
	}
}

// For returns the permissions of an identity. It is cheap enough to be called
// for every session when the rules change. The identity, nil for nobody, must
// not change afterwards.
func (a *List) For(id *auth.Identity) *Permissions {
	if a == nil {
		a = &List{}
	}
	if id == nil {
		id = &auth.Identity{}
	}
	return &Permissions{acl: a, id: id, concerns: a.selector.concerns(id)}
}
