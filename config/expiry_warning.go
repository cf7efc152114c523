package config

import (
	"fmt"
	"slices"
	"strings"

	"hoofbeat/destination"
)

// expiryWarnings names the prefixes of topics whose abandoned durable
// subscriptions may stay forever, because no policy expires them.
func (c *Config) expiryWarnings() []string {
	if c.Storage.Directory == "" {
		return nil
	}
	var all []string
	for _, prefix := range c.Prefixes.Topic {
		if slices.ContainsFunc(c.subscribable(prefix), func(w *destination.Word) bool { return !c.allExpire(w) }) {
			all = append(all, fmt.Sprintf("durable subscriptions to %s** are kept for ever when nobody comes back to them, with their messages: "+
				"destinations[].subscription_expiry ends them", prefix))
		}
	}
	return all
}

// subscribable returns the topics of a prefix that some client may subscribe
// to.
func (c *Config) subscribable(prefix string) []*destination.Word {
	whole := space{prefix: prefix, least: 1}.word()
	if len(c.ACL) == 0 {
		if c.Auth.Anonymous && !c.Auth.CanAuthenticate() {
			return []*destination.Word{whole}
		}
		return nil
	}
	var all []*destination.Word
	for _, r := range c.ACL {
		if !slices.Contains(r.Allow, "subscribe") {
			continue
		}
		for _, d := range r.Destinations {
			p, err := destination.ParseRule(d)
			if err != nil || !p.Overlaps(whole) {
				continue
			}
			w, err := p.Word()
			if err != nil || !strings.HasPrefix(d, prefix) {
				w = whole // it begins with a wildcard, and matches more than topics
			}
			all = append(all, w)
		}
	}
	return all
}

// allExpire reports whether one policy with an expiry applies to all of the
// topics.
func (c *Config) allExpire(topics *destination.Word) bool {
	for _, p := range c.Destinations {
		match, err := destination.ParsePolicy(p.Match)
		switch {
		case err != nil || !match.Overlaps(topics):
		case p.SubscriptionExpiry == 0:
			return false
		case match.Covers(topics):
			return true
		}
	}
	return false
}
