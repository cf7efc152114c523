package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// request sends a request on a connection and returns the status of the
// response. The connection stays open.
func request(t *testing.T, c net.Conn, path string) int {
	t.Helper()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		t.Fatal(err)
	}
	return r.StatusCode
}

func dialAdmin(t *testing.T, s *serving) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.admin, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestAdminConnections opens as many connections as allowed, all
// unauthenticated. An operator still gets in and stays, and the oldest of the
// others is closed.
func TestAdminConnections(t *testing.T) {
	s := startServe(t, 2, "--listen-admin-address", "127.0.0.1:0", "--listen-admin-connections", "3")
	operator := dialAdmin(t, s)
	if status := request(t, operator, "/api/v1/me"); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	var silent []net.Conn
	for range 6 {
		silent = append(silent, dialAdmin(t, s))
	}
	second := dialAdmin(t, s)
	for _, c := range []net.Conn{second, operator} {
		if status := request(t, c, "/api/v1/me"); status != http.StatusOK {
			t.Errorf("status %d", status)
		}
	}
	for _, c := range silent[:5] { // the sixth is the third open connection
		if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1)); err == nil || isTimeout(err) {
			t.Errorf("a silent connection is open: %v", err)
		}
	}
	if status := request(t, dialAdmin(t, s), "/healthz"); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	s.log.wait(t, "listen.admin.connections", 1)
}

func isTimeout(err error) bool {
	timeout, ok := err.(net.Error)
	return ok && timeout.Timeout()
}

// TestAdminConnectionsOfOperators: a further connection is refused if all
// others are authenticated.
func TestAdminConnectionsOfOperators(t *testing.T) {
	s := startServe(t, 2, "--listen-admin-address", "127.0.0.1:0", "--listen-admin-connections", "1")
	operator := dialAdmin(t, s)
	if status := request(t, operator, "/api/v1/me"); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	other := dialAdmin(t, s)
	if err := other.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Read(make([]byte, 1)); err == nil || isTimeout(err) {
		t.Errorf("it was let in: %v", err)
	}
	if status := request(t, operator, "/api/v1/me"); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
}
