package setup

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"hoofbeat/broker"
	"hoofbeat/config"
	"hoofbeat/destination"
)

func loadText(t *testing.T, text string) *config.Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "hoofbeat.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(config.Options{File: file})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCompilePolicies(t *testing.T) {
	n := destination.DefaultNamespace()
	read := func(text string) destination.Destination {
		d, err := n.ForPolicy(text)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	got, err := Policies(loadText(t, `
auth: { anonymous: true }
destinations:
  - { match: /queue/dead, durable: false, max_bytes: 1KiB, overflow: drop-oldest }
  - match: /queue/orders.**
    max_deliveries: 5
    redelivery_delay: { initial: 1s, multiplier: 2, max: 1m }
    dead_letter: /queue/dead
    ttl: 24h
    max_messages: 7
    overflow: block
    prefetch: 9
  - { match: /topic/a, redelivery_delay: 2s, subscription_expiry: 1h, durable_sharing: true, max_messages: 1, overflow: reject }
`))
	want := broker.Policies{
		Default: broker.Policy{Durable: true},
		Rules: []broker.PolicyRule{
			{Match: read("/queue/dead"), Policy: broker.Policy{MaxBytes: 1024, Overflow: broker.DropHead}},
			{Match: read("/queue/orders.**"), Policy: broker.Policy{
				Durable: true, MaxDeliveries: 5, RedeliveryDelay: broker.Backoff{Initial: time.Second, Multiplier: 2, Max: time.Minute},
				DeadLetter: read("/queue/dead"), TTL: 24 * time.Hour, MaxMessages: 7, Overflow: broker.BlockSender, Prefetch: 9,
			}},
			{Match: read("/topic/a"), Policy: broker.Policy{
				Durable: true, RedeliveryDelay: broker.Backoff{Initial: 2 * time.Second, Multiplier: 1}, MaxMessages: 1, SubscriptionExpiry: time.Hour, DurableSharing: true,
			}},
		},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v: got\n%+v\nwant\n%+v", err, got, want)
	}
}

func TestNothingIsDurableWithoutADirectory(t *testing.T) {
	got, err := Policies(loadText(t, "auth: { anonymous: true }\nstorage: { directory: '' }\ndestinations: [{ match: /queue/a }]\n"))
	if err != nil || got.Default.Durable || got.Rules[0].Policy.Durable {
		t.Errorf("got %+v, %v", got, err)
	}
}
