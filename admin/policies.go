package admin

import (
	"strings"

	"hoofbeat/broker"
	"hoofbeat/destination"
)

// A PolicyRule is a policy of the configuration. The first that matches
// applies.
type PolicyRule struct {
	Match string `json:"match"`
	*Policy
}

// PolicyList is the response of /api/v1/policies.
type PolicyList struct {
	Policies []PolicyRule `json:"policies"`
	// Default applies where no policy matches.
	Default *Policy `json:"default"`
	Page
}

// PolicyInForce is the response of /api/v1/policy.
type PolicyInForce struct {
	Destination string  `json:"destination"`
	Match       string  `json:"match"` // empty: the default
	Policy      *Policy `json:"policy"`
}

func (s *server) policies(c *call) error {
	given, p, err := listParameters(c, "policies")
	if err != nil {
		return err
	}
	if err := p.from(given); err != nil {
		return err
	}
	all := s.o.Queues.Policies()
	items, next, total := pick(&p, func(yield func(place, *broker.PolicyRule) bool) {
		for i := range all.Rules {
			if !yield(place{number: int64(i)}, &all.Rules[i]) {
				return
			}
		}
	})
	describe := func(r *broker.PolicyRule) (PolicyRule, bool) {
		return PolicyRule{r.Match.String(), describePolicy(r.Policy)}, true
	}
	return answer(c.w, PolicyList{described(items, describe), describePolicy(all.Default), Page{next, total}})
}

func (s *server) policy(c *call) error {
	given, err := parameters(c.r, "destination")
	if err != nil {
		return err
	}
	name := given["destination"]
	d, err := s.governed(name)
	if err != nil {
		return err
	}
	all := s.o.Queues.Policies()
	out := PolicyInForce{Destination: name, Policy: describePolicy(*all.For(d))}
	for i := range all.Rules {
		if all.Rules[i].Match.Covers(d) {
			out.Match = all.Rules[i].Match.String()
			break
		}
	}
	return answer(c.w, out)
}

// governed returns the destination that determines the policy of a queue, a
// topic or a durable subscription.
func (s *server) governed(name string) (destination.Destination, error) {
	if strings.HasPrefix(name, subscriptionPrefix) {
		d, err := s.queueNamed(name)
		if err != nil {
			return d, err
		}
		q, there := s.o.Queues.Queue(d)
		if !there {
			return d, broker.ErrUnknownQueue
		}
		return q.Topic, nil
	}
	d, err := s.o.Namespace.ForSend(name, destination.Owner{})
	if err != nil {
		return d, badRequest("%v", err)
	}
	if d.Kind != destination.Queue && d.Kind != destination.Topic {
		return d, badRequest("%q is the name of no topic and no queue, which policies are for", name)
	}
	return d, nil
}
