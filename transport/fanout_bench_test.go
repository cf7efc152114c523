//go:build unix

package transport_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"hoofbeat/broker"
	"hoofbeat/connections"
	"hoofbeat/internal/servertest"
	"hoofbeat/session"
)

// A stub is a connection without a socket: reads return the strings in in,
// writes are discarded.
type stub struct {
	net.Conn // for the methods that are not called
	in       chan string
	rest     string
	seen     func([]byte) // called with the bytes of each write
	closed   chan struct{}
	gone     atomic.Bool
}

func newStub(seen func([]byte)) *stub {
	return &stub{in: make(chan string), seen: seen, closed: make(chan struct{})}
}

func (s *stub) Read(p []byte) (int, error) {
	if s.rest == "" {
		select {
		case s.rest = <-s.in:
		case <-s.closed:
			return 0, io.EOF
		}
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *stub) Write(p []byte) (int, error) {
	s.seen(p)
	return len(p), nil
}

func (s *stub) Close() error {
	if !s.gone.Swap(true) {
		close(s.closed)
	}
	return nil
}

func (s *stub) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
func (s *stub) SetReadDeadline(time.Time) error  { return nil }
func (s *stub) SetWriteDeadline(time.Time) error { return nil }

// BenchmarkFanOut50 measures the whole way of a topic's message from the bytes
// read to the bytes written, without sockets. It reports processor time per
// delivery, since other processes may be busy.
func BenchmarkFanOut50(b *testing.B) {
	const subscribers, burst = 50, 100
	hub, err := broker.New(broker.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer hub.Close()
	o := session.DefaultOptions(hub)
	server := servertest.New(servertest.Options{Options: connections.Options{Session: o}})
	arrived := make(chan struct{}, subscribers)
	connect := func(seen func([]byte)) *stub {
		connected := make(chan struct{}, 1)
		s := newStub(func(p []byte) {
			if bytes.HasPrefix(p, []byte("CONNECTED")) || bytes.HasPrefix(p, []byte("RECEIPT")) {
				connected <- struct{}{}
				return
			}
			seen(p)
		})
		server.Serve(s, session.Info{Transport: "stub"})
		s.in <- "CONNECT\naccept-version:1.2\n\n\x00"
		<-connected
		s.in <- "SUBSCRIBE\nid:1\ndestination:/topic/" + map[bool]string{true: "a", false: "none"}[seen != nil] + "\nreceipt:1\n\n\x00"
		<-connected
		return s
	}
	all := []*stub{connect(nil)}
	for range subscribers {
		all = append(all, connect(func(p []byte) {
			if bytes.Contains(p[max(0, len(p)-200):], []byte("last")) {
				arrived <- struct{}{}
			}
		}))
	}
	body := strings.Repeat("x", 124)
	one := fmt.Sprintf("SEND\ndestination:/topic/a\ncontent-length:128\n\n%s    \x00", body)
	chunk := strings.Repeat(one, burst-1) + fmt.Sprintf("SEND\ndestination:/topic/a\ncontent-length:128\n\n%slast\x00", body)
	var before, after syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &before); err != nil {
		b.Fatal(err)
	}
	bursts := 0
	for b.Loop() {
		all[0].in <- chunk
		for range subscribers {
			<-arrived
		}
		bursts++
	}
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &after); err != nil {
		b.Fatal(err)
	}
	used := time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano())
	b.ReportMetric(float64(used)/float64(bursts*burst*subscribers), "cpu-ns/delivery")
	for _, s := range all {
		_ = s.Close()
	}
}
