package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
)

// A message that is rejected repeatedly becomes a dead letter with the reason,
// and can be moved back.
func TestDeadLetters(t *testing.T) {
	file := writeConfig(t, policyConfig(filepath.Join(t.TempDir(), "data"),
		"{ match: /queue/dead }, { match: /queue/**, max_deliveries: 2, redelivery_delay: 1ms, dead_letter: /queue/dead }"))
	s := startConfigured(t, file)
	s.publish("/queue/a", "poison")
	sub := runProgram(t.Context(), nil, "sub", "/queue/a", "--url", s.urls[0], "--ack", "client-individual", "--nack", "--count", "2", "--timeout", "10s")
	if sub.code != 0 || sub.stdout != "poison\npoison\n" {
		t.Fatalf("sub: %+v", sub)
	}
	got := s.operate("queue", "browse", "/queue/dead")
	for _, part := range []string{"original-destination: /queue/a\n", "death-reason: max-deliveries\n", "death-count: 1\n", "body of 6 bytes: poison\n"} {
		if !strings.Contains(got, part) {
			t.Errorf("%q is missing:\n%s", part, got)
		}
	}
	if got := s.operate("queue", "move", "/queue/dead", "/queue/a"); got != "1 message moved from /queue/dead to /queue/a\n" {
		t.Errorf("move: %s", got)
	}
	if got := s.bodies("/queue/a"); got != "poison" {
		t.Errorf("moved: %s", got)
	}
}

// Operators see the messages of a durable subscription, and can delete it while
// its subscriber is away.
func TestDurableSubscriptionCommands(t *testing.T) {
	s := startDurable(t, filepath.Join(t.TempDir(), "data"))
	const name = "/subscription/anonymous//morning%2Fnews"
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	said := newOutput()
	cmd := newRootCommand()
	cmd.SetArgs([]string{"sub", "/topic/news.**", "--url", s.urls[0], "--header", "activemq.subscriptionName:morning/news"})
	cmd.SetOut(said)
	cmd.SetErr(said)
	ended := make(chan error)
	go func() { ended <- cmd.ExecuteContext(apart(ctx)) }()
	said.wait(t, "subscribed\n", 1)
	if got := s.operate("queue", "show", name); !strings.Contains(got, "topic      /topic/news.**\n") || !strings.Contains(got, "consumers  1\n") {
		t.Errorf("show:\n%s", got)
	}
	r := runProgram(t.Context(), nil, "queue", "delete", name, "--yes", "--admin", s.admin)
	if r.code != 1 || !strings.Contains(r.stderr, "(queue-in-use)") {
		t.Errorf("delete: %+v", r)
	}
	cancel()
	<-ended
	s.log.wait(t, `"connection closed"`, 1)
	s.publish("/topic/news.sport", "one", "two")
	if got := s.operate("queue", "list"); !strings.Contains(got, name+"  2 ") {
		t.Errorf("list:\n%s", got)
	}
	if got := s.bodies(name); got != "one two" {
		t.Errorf("it has %s", got)
	}
	if got := s.operate("queue", "show", name); !strings.Contains(got, "without subscriber for  ") {
		t.Errorf("show:\n%s", got)
	}
	if got := s.operate("queue", "move", name, "/queue/a", "--limit", "1"); got != "1 message moved from "+name+" to /queue/a\n" {
		t.Errorf("move: %s", got)
	}
	if got := s.operate("queue", "delete", name, "--yes"); got != name+": 1 message dropped\n" {
		t.Errorf("delete: %s", got)
	}
	if got := s.operate("queue", "list"); strings.Contains(got, "/subscription/") {
		t.Errorf("list:\n%s", got)
	}
}
