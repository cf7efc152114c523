package broker_test

import (
	"errors"
	"slices"
	"testing"

	"hoofbeat/broker"
	"hoofbeat/destination"
)

// A queue that was made stays while it is empty, and after a restart, until it
// is deleted.
func TestCreateQueue(t *testing.T) {
	store := &broker.Memory{}
	policies := broker.Policies{Default: broker.Policy{Durable: true}}
	open := func() *broker.Broker {
		t.Helper()
		b, err := broker.New(broker.Options{Store: store, Policies: policies})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	b := open()
	d, err := destination.DefaultNamespace().ForSend("/queue/a", destination.Owner{})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.CreateQueue(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if err := b.CreateQueue(t.Context(), d); !errors.Is(err, broker.ErrQueueExists) {
		t.Errorf("again: %v", err)
	}
	if _, err := b.Purge(t.Context(), d); err != nil {
		t.Error(err)
	}
	names := func(b *broker.Broker) (all []string) {
		for d := range b.QueueNames() {
			all = append(all, d.String())
		}
		return all
	}
	if got := names(b); !slices.Equal(got, []string{"/queue/a"}) {
		t.Errorf("there are %q", got)
	}
	b.Close()
	b = open()
	if got := names(b); !slices.Equal(got, []string{"/queue/a"}) {
		t.Errorf("after a restart there are %q", got)
	}
	if n, err := b.DeleteQueue(t.Context(), d); err != nil || n != 0 {
		t.Errorf("deleted %d, %v", n, err)
	}
	b.Close()
	b = open()
	defer b.Close()
	if got := names(b); got != nil {
		t.Errorf("after it was deleted there are %q", got)
	}
}
