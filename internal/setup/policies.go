// Package setup turns the configuration into the Options of each package.
package setup

import (
	"errors"
	"fmt"

	"hoofbeat/broker"
	"hoofbeat/config"
	"hoofbeat/destination"
)

// Namespace returns the prefixes of destinations.
func Namespace(c *config.Config) destination.Namespace {
	return destination.Namespace{Topics: c.Prefixes.Topic, Queues: c.Prefixes.Queue}
}

// Policies compiles the policies of the configuration. It succeeds for every
// configuration that package config accepts.
func Policies(c *config.Config) (broker.Policies, error) {
	all := broker.Policies{Default: broker.Policy{Durable: c.KeepsOnDisk(config.Policy{})}}
	n := Namespace(c)
	var faults []error
	for i, p := range c.Destinations {
		rule := broker.PolicyRule{Policy: policy(c, p)}
		var err1, err2 error
		if rule.Match, err1 = n.ForPolicy(p.Match); err1 != nil {
			err1 = fmt.Errorf("destinations[%d].match: %w", i, err1)
		}
		if p.DeadLetter != "" {
			if rule.Policy.DeadLetter, err2 = n.ForSend(p.DeadLetter, destination.Owner{}); err2 != nil {
				err2 = fmt.Errorf("destinations[%d].dead_letter: %w", i, err2)
			}
		}
		faults = append(faults, err1, err2)
		all.Rules = append(all.Rules, rule)
	}
	return all, errors.Join(faults...)
}

// policy converts a policy, except for its dead letter queue.
func policy(c *config.Config, p config.Policy) broker.Policy {
	return broker.Policy{
		Durable:            c.KeepsOnDisk(p),
		MaxDeliveries:      p.MaxDeliveries,
		RedeliveryDelay:    broker.Backoff(p.RedeliveryDelay),
		TTL:                p.TTL,
		MaxMessages:        p.MaxMessages,
		MaxBytes:           p.MaxBytes,
		Overflow:           fullPolicy(p.Overflow),
		Prefetch:           p.Prefetch,
		SubscriptionExpiry: p.SubscriptionExpiry,
		DurableSharing:     p.DurableSharing,
	}
}

func fullPolicy(s string) broker.FullPolicy {
	switch s {
	case "drop-oldest":
		return broker.DropHead
	case "block":
		return broker.BlockSender
	}
	return broker.RejectNewest
}
