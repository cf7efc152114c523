package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFailedStartLeavesNothing: all ports are in use. The error names each
// listener, and neither the store nor the audit log is created.
func TestFailedStartLeavesNothing(t *testing.T) {
	used, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer used.Close() //nolint:errcheck // nothing is written to it
	directory := t.TempDir()
	address := used.Addr().String()
	listen := func(key string) []string {
		return []string{"--listen-" + key + "-address", address, "--storage-directory", filepath.Join(directory, "data"), "--log-audit", filepath.Join(directory, "audit.log")}
	}
	for _, key := range []string{"websocket", "tcp", "admin"} {
		r := runProgram(context.Background(), nil, serveArgs(listen(key)...)...)
		if r.code == 0 || !strings.Contains(r.stderr, "listen."+key+": listen tcp "+address) {
			t.Errorf("%s: %+v", key, r)
		}
	}
	if made, err := os.ReadDir(directory); err != nil || len(made) > 0 {
		t.Errorf("made %v, %v", made, err)
	}
}

// TestListenersTogether: the error reports every port in use, not only the
// first.
func TestListenersTogether(t *testing.T) {
	var used []string
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() //nolint:errcheck // nothing is written to it
		used = append(used, l.Addr().String())
	}
	r := runProgram(context.Background(), nil, serveArgs("--listen-websocket-address", used[0], "--listen-tcp-address", used[1])...)
	if !strings.Contains(r.stderr, "listen.websocket: ") || !strings.Contains(r.stderr, "listen.tcp: ") {
		t.Errorf("got %+v", r)
	}
}
