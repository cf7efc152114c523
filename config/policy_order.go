package config

import (
	"fmt"
	"slices"
	"strings"

	"hoofbeat/destination"
)

// destinationsKey is the key of the policies.
const destinationsKey = "destinations"

// checkPolicies checks relations between policies, and with other keys.
func (l *loader) checkPolicies(c *Config) {
	policies, readable := l.values[destinationsKey].value.([]Policy)
	if !readable || !l.sound("prefixes.topic", "prefixes.queue") {
		return
	}
	before := len(l.faults)
	for i, p := range policies { // also the valid parts of a faulty one
		l.checkPlace(i, p, c.Prefixes)
		if l.sound("storage.directory") && c.Storage.Directory == "" && p.Durable != nil && *p.Durable {
			l.blamePart(i, "durable", "true", "expected storage.directory to be set, as there is nowhere to keep anything")
		}
	}
	if len(l.faults) > before || !l.sound(destinationsKey) {
		return // further checks would guess
	}
	for i, p := range c.Destinations {
		if j := shadow(i, c.Destinations); j >= 0 {
			l.blamePart(i, "match", show(p.Match), fmt.Sprintf("expected it before destinations[%d], whose %s matches all of it: "+
				"the first that matches counts, so this one never would", j, c.Destinations[j].Match))
		}
	}
	l.checkDeadLetters(c.Destinations)
}

// blamePart reports a fault of a part of a policy.
func (l *loader) blamePart(i int, name, shown, expected string) {
	l.fault(fmt.Sprintf("%s[%d].%s", destinationsKey, i, name), shown, l.values[destinationsKey].source, expected)
}

// checkPlace checks the prefixes of a policy's destinations.
func (l *loader) checkPlace(i int, p Policy, prefixes Prefixes) {
	if checkMatch(p.Match) != "" {
		p.Match = "" // reported already, like the dead letter queue below
	}
	if checkQueue(p.DeadLetter) != "" {
		p.DeadLetter = ""
	}
	isTopic, isQueue := hasPrefix(p.Match, prefixes.Topic), hasPrefix(p.Match, prefixes.Queue)
	if p.Match != "" && !isTopic && !isQueue {
		l.blamePart(i, "match", show(p.Match), "expected a topic or a queue, and so one of "+
			strings.Join(slices.Concat(prefixes.Topic, prefixes.Queue), ", ")+" at its beginning")
	}
	if p.DeadLetter != "" && !hasPrefix(p.DeadLetter, prefixes.Queue) {
		l.blamePart(i, "dead_letter", show(p.DeadLetter), "expected a queue, and so one of "+strings.Join(prefixes.Queue, ", ")+" at its beginning")
	}
	for name, text := range map[string]string{"match": p.Match, "dead_letter": p.DeadLetter} {
		if len(nameSegments(text, prefixes)) > destination.MaxSegments {
			l.blamePart(i, name, show(text), fmt.Sprintf("expected at most %d segments behind the prefix", destination.MaxSegments))
		}
	}
	if isQueue && p.SubscriptionExpiry > 0 {
		l.blamePart(i, "subscription_expiry", show(formatDuration(p.SubscriptionExpiry)),
			"expected it with a topic only, as it is durable subscriptions that expire")
	}
	if isQueue && p.DurableSharing {
		l.blamePart(i, "durable_sharing", "true", "expected it with a topic only, as a queue's consumers share it anyway")
	}
}

func hasPrefix(text string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(text, p) })
}

func nameSegments(text string, prefixes Prefixes) []string {
	for _, p := range slices.Concat(prefixes.Topic, prefixes.Queue) {
		if name, ok := strings.CutPrefix(text, p); ok {
			return strings.Split(strings.ReplaceAll(name, ".", "/"), "/")
		}
	}
	return nil
}

// shadow returns the first earlier policy that matches everything that policy i
// does, or -1.
func shadow(i int, policies []Policy) int {
	return slices.IndexFunc(policies[:i], func(p Policy) bool { return coversAll(p.Match, policies[i].Match) })
}

// policyOf returns the index of the policy for a destination, or -1.
func policyOf(name string, policies []Policy) int {
	if name == "" {
		return -1
	}
	return slices.IndexFunc(policies, func(p Policy) bool { return coversAll(p.Match, name) })
}

// coversAll reports whether a policy's pattern matches everything that another
// matches.
func coversAll(pattern, other string) bool {
	p, err := destination.ParsePolicy(pattern)
	if err != nil {
		return false
	}
	o, err := destination.ParsePolicy(other)
	if err != nil {
		return false
	}
	w, err := o.Word()
	return err == nil && p.Covers(w)
}

// checkDeadLetters rejects queues whose dead letters return to them.
func (l *loader) checkDeadLetters(policies []Policy) {
	for i := range policies {
		chain := loop(i, policies)
		if chain == nil || slices.Min(chain) != i {
			continue // reported with the first of them
		}
		names := make([]string, 0, len(chain)+1)
		for _, at := range append(chain, i) {
			names = append(names, policies[at].DeadLetter)
		}
		l.blamePart(i, "dead_letter", show(policies[i].DeadLetter), fmt.Sprintf(
			"expected dead letters to come to rest; these go round: %s; an entry before this one that matches %s and has no dead_letter mends it",
			strings.Join(names, " -> "), names[0]))
	}
}

// loop follows the dead letter queues from policy i. It returns the policies on
// the way if they lead back to i, else nil.
func loop(i int, policies []Policy) []int {
	chain := []int{i}
	for {
		next := policyOf(policies[chain[len(chain)-1]].DeadLetter, policies)
		switch {
		case next == i:
			return chain
		case next < 0 || slices.Contains(chain, next):
			return nil
		}
		chain = append(chain, next)
	}
}
