package main

import (
	"fmt"

	"hoofbeat/broker"
	"hoofbeat/destination"
)

// keepers returns a function that rejects queues that would be in memory only,
// because they would end with the command. It accepts invalid names, which are
// checked elsewhere.
func keepers(n destination.Namespace, policies broker.Policies) func(name string) error {
	return func(name string) error {
		d, err := n.ForSend(name, destination.Owner{})
		if err != nil || d.Kind != destination.Queue || policies.For(d).Durable {
			return nil
		}
		return fmt.Errorf("by its policy %s is in memory only: with --directory, what it is given would be lost at once", d)
	}
}

// keeps rejects a queue that would end with the command.
func (o *operator) keeps(name string) error {
	if o.keeper == nil {
		return nil // the broker is running
	}
	return o.keeper(name)
}
