package main

import (
	"hoofbeat/internal/setup"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"hoofbeat/broker"
	"hoofbeat/config"
	"hoofbeat/destination"
)

// TestQueueExamples checks the effect of the example's policies.
func TestQueueExamples(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "examples", "queues", "*"))
	if err != nil || len(files) != 1 || filepath.Base(files[0]) != "shop.yaml" {
		t.Fatalf("the examples are %q, %v; there is a test for shop.yaml", files, err)
	}
	c, err := config.Load(config.Options{File: files[0], Environ: os.Environ()})
	if err != nil {
		t.Fatal(err)
	}
	if warnings := c.Warnings(); len(warnings) != 2 { // everybody may do everything, and durable subscriptions may stay
		t.Errorf("warnings: %q", warnings)
	}
	policies, err := setup.Policies(c)
	if err != nil {
		t.Fatal(err)
	}
	queue := func(name string) destination.Destination {
		d, err := setup.Namespace(c).ForSend(name, destination.Owner{})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for name, want := range map[string]broker.Policy{
		"/queue/orders.new": {
			Durable: true, MaxDeliveries: 5, RedeliveryDelay: broker.Backoff{Initial: time.Second, Multiplier: 3, Max: 5 * time.Minute},
			DeadLetter: queue("/queue/dead.orders"), MaxMessages: 1000000, Prefetch: 20,
		},
		"/queue/dead.orders": {Durable: true, TTL: 720 * time.Hour, MaxBytes: 1 << 30, Overflow: broker.DropHead},
		"/queue/mail": {
			Durable: true, MaxDeliveries: 10, RedeliveryDelay: broker.Backoff{Initial: time.Minute, Multiplier: 1}, DeadLetter: queue("/queue/dead.mail"),
			TTL: 24 * time.Hour, MaxMessages: 100000, Overflow: broker.BlockSender,
		},
		"/queue/thumbnails": {MaxBytes: 256 << 20, Overflow: broker.DropHead},
		"/topic/news.sport": {
			Durable: true, DeadLetter: queue("/queue/dead.news"), TTL: 168 * time.Hour, MaxMessages: 100000, Overflow: broker.DropHead, SubscriptionExpiry: 336 * time.Hour,
		},
		"/queue/other": {Durable: true},
	} {
		if got := *policies.For(queue(name)); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
}

// The YAML blocks of docs/queues.md can be loaded, and its commands exist with
// their flags.
func TestQueuesDocument(t *testing.T) {
	const name = "docs/queues.md"
	for _, block := range documentBlocks(t, name, "yaml") {
		if _, err := config.Load(config.Options{File: writeConfig(t, block)}); err != nil {
			t.Errorf("%v\n%s", err, block)
		}
	}
	commands := 0
	for _, block := range documentBlocks(t, name, "console") {
		for line := range strings.Lines(block) {
			words := strings.Fields(line)
			if len(words) < 3 || words[0] != "$" || words[1] != "hoofbeat" {
				continue
			}
			commands++
			c, rest, err := newRootCommand().Find(words[2:])
			if err == nil {
				err = c.ParseFlags(rest)
			}
			if err == nil {
				err = c.ValidateArgs(c.Flags().Args())
			}
			if err != nil || c.HasSubCommands() {
				t.Errorf("%s: %v", line, err)
			}
		}
	}
	if commands < 8 {
		t.Errorf("only %d commands were found", commands)
	}
}
