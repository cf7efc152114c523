package main

import (
	"fmt"

	"hoofbeat/broker"
	"hoofbeat/destination"
)

// keepers tells which queues a broker keeps that exists as long as the
// command: what would be in memory only is refused, as it ends with it. Names
// that are none are for others to judge.
func keepers(n destination.Namespace, policies broker.Policies) func(name string) error {
	return func(name string) error {
		d, err := n.ForSend(name, destination.Owner{})
		if err != nil || d.Kind != destination.Queue || policies.For(d).Durable {
			return nil
		}
		return fmt.Errorf("by its policy %s is in memory only: with --directory, what it is given would be lost at once", d)
	}
}

// keeps refuses a queue that ends with the command.
func (o *operator) keeps(name string) error {
	if o.keeper == nil {
		return nil // the broker runs
	}
	return o.keeper(name)
}
