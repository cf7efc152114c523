//go:build unix

package main

import (
	"net"
	"path/filepath"
	"testing"
	"time"
)

// systemd is the notification socket of systemd.
type systemd struct {
	t    *testing.T
	conn *net.UnixConn
}

func newSystemd(t *testing.T) *systemd {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return &systemd{t, conn}
}

func (s *systemd) want(state string) {
	s.t.Helper()
	if err := s.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		s.t.Fatal(err)
	}
	var told [256]byte
	n, err := s.conn.Read(told[:])
	if err != nil || string(told[:n]) != state {
		s.t.Fatalf("systemd was told %q (%v), want %q", told[:n], err, state)
	}
}

// systemd is notified that the broker is ready once clients can connect, and
// that it stops before it has ended.
func TestSupervisorIsTold(t *testing.T) {
	supervisor := newSystemd(t)
	s := startServe(t, 1)
	supervisor.want("READY=1")
	s.converse(s.urls[0])
	s.cancel()
	supervisor.want("STOPPING=1")
}

// A missing notification socket is logged and has no other effect.
func TestSupervisorIsGone(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "gone"))
	s := startServe(t, 1)
	s.log.wait(t, `msg="systemd could not be told" state="READY=1"`, 1)
	s.converse(s.urls[0])
}
