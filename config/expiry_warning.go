package config

import (
	"fmt"
	"slices"
	"strings"
)

// expiryWarnings names the prefixes of topics whose durable subscriptions may
// stay for ever, as no policy ends those that nobody comes back to.
func (c *Config) expiryWarnings() []string {
	if c.Storage.Directory == "" {
		return nil
	}
	var all []string
	for _, prefix := range c.Prefixes.Topic {
		if c.maySubscribe(prefix) && !c.allExpire(prefix) {
			all = append(all, fmt.Sprintf("durable subscriptions to %s** are kept for ever when nobody comes back to them, with their messages: "+
				"destinations[].subscription_expiry ends them", prefix))
		}
	}
	return all
}

// maySubscribe tells whether somebody may subscribe to a topic of a prefix.
func (c *Config) maySubscribe(prefix string) bool {
	if len(c.ACL) == 0 {
		return c.Auth.Anonymous && !c.Auth.CanAuthenticate()
	}
	return slices.ContainsFunc(c.ACL, func(r Rule) bool {
		return slices.Contains(r.Allow, "subscribe") && slices.ContainsFunc(r.Destinations, func(d string) bool {
			return strings.HasPrefix(d, prefix) || strings.HasPrefix(d, "/*")
		})
	})
}

// allExpire tells whether a policy with an expiry counts for each topic of a
// prefix.
func (c *Config) allExpire(prefix string) bool {
	for _, p := range c.Destinations {
		switch {
		case !hasPrefix(p.Match, []string{prefix}):
		case p.SubscriptionExpiry == 0:
			return false
		case slices.Contains([]string{prefix + "**", prefix + "#", prefix + ">"}, p.Match):
			return true
		}
	}
	return false
}
