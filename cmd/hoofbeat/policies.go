package main

import (
	"errors"
	"fmt"
	"log/slog"

	"hoofbeat/admin"
	"hoofbeat/broker"
	"hoofbeat/config"
	"hoofbeat/destination"
)

func namespace(c *config.Config) destination.Namespace {
	return destination.Namespace{Topics: c.Prefixes.Topic, Queues: c.Prefixes.Queue}
}

// compilePolicies makes the broker's policies of the configuration's. What
// config lets pass can be compiled.
func compilePolicies(c *config.Config) (broker.Policies, error) {
	all := broker.Policies{Default: broker.Policy{Durable: c.KeepsOnDisk(config.Policy{})}}
	n := namespace(c)
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

// policy is all of a policy but its dead letter queue.
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

// mostWarnings bounds how many queues are named in warnings.
const mostWarnings = 20

// warnOfLimits warns of queues that hold more than their policy would let in,
// as it may be newer than what they hold.
func warnOfLimits(b *broker.Broker, log *slog.Logger) {
	found := 0
	for _, q := range b.OverLimits() {
		if found++; found <= mostWarnings {
			log.Warn("a queue is over the limits of its policy: what it holds stays, and overflow applies to what comes", "queue", admin.Name(q.Destination),
				"messages", q.Ready+q.Unacked+q.Delayed, "maxMessages", q.Policy.MaxMessages, "bytes", q.Bytes, "maxBytes", q.Policy.MaxBytes)
		}
	}
	if found > mostWarnings {
		log.Warn("more queues are over the limits of their policies", "queues", found-mostWarnings)
	}
}
