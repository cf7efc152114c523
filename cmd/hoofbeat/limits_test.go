package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// policyConfig returns a configuration with policies.
func policyConfig(directory, policies string) string {
	return fmt.Sprintf("auth: { anonymous: true }\nlisten: { admin: { address: \"127.0.0.1:0\", loopback_without_token: true } }\nstorage: { directory: %q }\ndestinations: [%s]\n", directory, policies)
}

// startConfigured runs a broker that takes its configuration from the file, so
// that a reload has an effect.
func startConfigured(t *testing.T, file string) *serving {
	t.Helper()
	return startProgram(t, 2, "serve", "--listen-websocket-address", "127.0.0.1:0", "--config", file)
}

// New policies apply after a reload. Messages beyond a new limit stay.
func TestReloadPolicies(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "data")
	file := writeConfig(t, policyConfig(directory, "{ match: /queue/a, max_messages: 5 }"))
	s := startConfigured(t, file)
	s.publish("/queue/a", "one", "two", "three")
	s.until(reloaded, func(n int) {
		replace(t, file, policyConfig(directory, "{ match: /queue/a, max_messages: 2, overflow: reject }")+fmt.Sprintf("# %d\n", n))
	})
	const over = `msg="a queue is over the limits of its policy: what it holds stays, and overflow applies to what comes" queue=/queue/a messages=3 maxMessages=2`
	if log := s.log.String(); strings.Count(log, over) != 1 || strings.Contains(log, "after a restart") {
		t.Errorf("the log is:\n%s", log)
	}
	if got := s.operate("queue", "show", "/queue/a"); !shows(got, "max_messages", "2") || !strings.Contains(got, "over its limits  yes: what it holds stays\n") {
		t.Errorf("show:\n%s", got)
	}
	if r := runProgram(t.Context(), nil, "pub", "/queue/a", "four", "--url", s.urls[0]); r.code == 0 || !strings.Contains(r.stderr, "queue-full") {
		t.Errorf("pub: %+v", r)
	}
	if got := s.bodies("/queue/a"); got != "one two three" {
		t.Errorf("it has %s", got)
	}
}

// A file with a dead letter loop is rejected.
func TestReloadRefusesPolicies(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "data")
	file := writeConfig(t, policyConfig(directory, "{ match: /queue/a, max_messages: 5 }"))
	s := startConfigured(t, file)
	s.publish("/queue/a", "one")
	s.until(reloaded, func(n int) {
		replace(t, file, policyConfig(directory, "{ match: /queue/a, max_messages: 7 }")+fmt.Sprintf("# %d\n", n))
	})
	replace(t, file, policyConfig(directory, "{ match: /queue/**, dead_letter: /queue/dead }, { match: /queue/b, ttl: 5 }"))
	s.log.wait(t, `msg="the changed configuration is not used" fault="destinations[1].ttl`, 1)
	if got := s.operate("queue", "show", "/queue/a"); !shows(got, "max_messages", "7") {
		t.Errorf("show:\n%s", got)
	}
}

// Changes that need a restart are logged, and durability does not change before
// it.
func TestReloadStorage(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "data")
	file := writeConfig(t, policyConfig(directory, "{ match: /queue/a }"))
	s := startConfigured(t, file)
	s.until(`msg="the new value is in force after a restart" key=storage.directory`, func(n int) {
		replace(t, file, policyConfig("", "{ match: /queue/a, prefetch: 7 }")+fmt.Sprintf("# %d\n", n))
	})
	s.publish("/queue/a", "one")
	if got := s.operate("queue", "show", "/queue/a"); !shows(got, "durable", "true") || !shows(got, "prefetch", "7") {
		t.Errorf("show:\n%s", got)
	}
	s.stop()
	if got := mustRun(t, "queue", "list", "--directory", directory); !strings.Contains(got, "/queue/a  1 ") {
		t.Errorf("list:\n%s", got)
	}
}

// Stored messages are there after a restart, and those of non-durable queues
// are not.
func TestServeKeepsMessages(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "new", "data")
	file := writeConfig(t, policyConfig(directory, "{ match: /queue/memory.**, durable: false }"))
	s := startConfigured(t, file)
	s.publish("/queue/a", "one", "two")
	s.publish("/queue/memory.a", "three")
	s.stop()
	s = startConfigured(t, file)
	if got := s.bodies("/queue/a"); got != "one two" {
		t.Errorf("it has %s", got)
	}
	if got := s.operate("queue", "list"); strings.Contains(got, "memory") {
		t.Errorf("list:\n%s", got)
	}
}

// An unusable directory fails the start with advice.
func TestServeStorageFaults(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "data")
	s := startDurable(t, directory)
	r := runProgram(t.Context(), nil, serveArgs("--storage-directory", directory)...)
	if r.code != 1 || r.stdout != "" || !strings.Contains(r.stderr, "storage.directory: the store in "+directory+" is in use by another hoofbeat") {
		t.Errorf("in use: %+v", r)
	}
	s.stop()
	for _, in := range []string{tempFile(t, "x"), filepath.Join(tempFile(t, "x"), "data")} {
		r := runProgram(t.Context(), nil, serveArgs("--storage-directory", in)...)
		if r.code == 0 || r.stdout != "" || !strings.Contains(r.stderr, "storage.directory: ") {
			t.Errorf("%s: %+v", in, r)
		}
	}
}
