package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-stomp/stomp/v3"

	"hoofbeat/internal/client"
)

const patience = 30 * time.Second

// output is the output of a running command.
type output struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	written chan struct{} // has an element after a write
}

func newOutput() *output { return &output{written: make(chan struct{}, 1)} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.written <- struct{}{}:
	default:
	}
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// wait waits until a text occurs this many times.
func (o *output) wait(t *testing.T, text string, times int) {
	t.Helper()
	late := time.After(patience)
	for strings.Count(o.String(), text) < times {
		select {
		case <-o.written:
		case <-late:
			t.Fatalf("%q has not been written %d times:\n%s", text, times, o)
		}
	}
}

// A serving is a run of `hoofbeat serve`.
type serving struct {
	t      *testing.T
	urls   []string
	admin  string  // the admin URL, if any
	page   string  // the announcement of the example page, if any
	log    *output // its standard error
	cancel context.CancelFunc
	code   chan int
}

// serveArgs returns the arguments of an isolated broker: a free port, no admin
// listener, and no storage, unless args change that.
func serveArgs(args ...string) []string {
	apart := []string{
		"serve", "--listen-websocket-address", "127.0.0.1:0", "--listen-admin-address", "", "--listen-admin-loopback-without-token=true", "--storage-directory", "",
	}
	return append(apart, args...)
}

// startServe runs `hoofbeat serve` on loopback and waits until it has printed
// this many URLs, including the admin URL. It is stopped when the test ends.
func startServe(t *testing.T, urls int, args ...string) *serving {
	t.Helper()
	return startProgram(t, urls, serveArgs(args...)...)
}

// startProgram is startServe without default arguments.
func startProgram(t *testing.T, urls int, args ...string) *serving {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	stdout := newOutput()
	s := &serving{t: t, log: newOutput(), cancel: cancel, code: make(chan int, 1)}
	root := newRootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(s.log)
	go func() { s.code <- report(s.log, root.ExecuteContext(apart(ctx))) }()
	t.Cleanup(func() { s.stop() })
	stdout.wait(t, "\n", urls)
	for line := range strings.Lines(stdout.String()) {
		line = strings.TrimSpace(line)
		if url, ok := strings.CutPrefix(line, "hoofbeat accepts STOMP on "); ok {
			s.urls = append(s.urls, url)
		} else if admin, ok := strings.CutPrefix(line, "hoofbeat answers operators on "); ok {
			s.admin = admin
		} else if s.page, ok = strings.CutPrefix(line, "Open "); !ok {
			t.Fatalf("the output is %q", stdout)
		}
	}
	return s
}

// stop ends the program as a signal does, and expects exit code 0.
func (s *serving) stop() {
	s.t.Helper()
	s.cancel()
	select {
	case code, first := <-s.code:
		if first && code != 0 {
			s.t.Errorf("exit code %d:\n%s", code, s.log)
		}
		if first {
			close(s.code)
		}
	case <-time.After(2 * patience):
		s.t.Fatal("it does not end")
	}
}

// converse sends and receives through the broker with the pub and sub commands.
func (s *serving) converse(url string, args ...string) {
	s.t.Helper()
	args = append([]string{"--url", url}, args...)
	pub := runProgram(s.t.Context(), nil, append([]string{"pub", "/queue/a", "grüße"}, args...)...)
	if (pub != result{}) {
		s.t.Errorf("pub: %+v", pub)
	}
	sub := runProgram(s.t.Context(), nil, append([]string{"sub", "/queue/a", "--count", "1", "--timeout", "10s"}, args...)...)
	if sub.code != 0 || sub.stdout != "grüße\n" {
		s.t.Errorf("sub: %+v", sub)
	}
}

// host returns the address in a URL.
func host(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	address, _, _ := strings.Cut(rest, "/")
	return address
}

// certFiles writes a self-signed certificate for 127.0.0.1 and its key.
func certFiles(t *testing.T) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}, &x509.Certificate{}, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return tempFile(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))),
		tempFile(t, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})))
}

func TestServe(t *testing.T) {
	s := startServe(t, 2, "--listen-tcp-address", "127.0.0.1:0")
	if ws, tcp := s.urls[0], s.urls[1]; !strings.HasPrefix(ws, "ws://127.0.0.1:") || !strings.HasSuffix(ws, "/ws") || !strings.HasPrefix(tcp, "tcp://127.0.0.1:") {
		t.Errorf("the URLs are %q", s.urls)
	}
	for _, url := range s.urls {
		s.converse(url)
	}
	s.stop()
	for _, url := range s.urls {
		if c, err := net.Dial("tcp", host(url)); err == nil {
			_ = c.Close()
			t.Errorf("%s is open still", url)
		}
	}
	log := s.log.String()
	const alone = "level=WARN msg=\"there is no configuration file: "
	for _, part := range []string{alone + "everybody who can connect", alone + "storage.directory is empty", "msg=stopping", "msg=stopped"} {
		if strings.Count(log, part) != 1 {
			t.Errorf("%q is not in the log once:\n%s", part, log)
		}
	}
}

func TestServeTLS(t *testing.T) {
	cert, key := certFiles(t)
	tls := fmt.Sprintf("tls: { cert: %q, key: %q }", cert, key)
	file := writeConfig(t, "auth: { anonymous: true }\nlisten:\n  websocket: { path: /stomp, "+tls+" }\n  tcp: { address: \"127.0.0.1:0\", "+tls+" }\n")
	s := startServe(t, 2, "--config", file)
	if !strings.HasPrefix(s.urls[0], "wss://") || !strings.HasSuffix(s.urls[0], "/stomp") || !strings.HasPrefix(s.urls[1], "tcps://") {
		t.Errorf("the URLs are %q", s.urls)
	}
	for _, url := range s.urls {
		s.converse(url, "--ca", cert)
		r := runProgram(t.Context(), nil, "pub", "/queue/a", "x", "--url", url)
		if r.code == 0 || !strings.Contains(r.stderr, "certificate") {
			t.Errorf("a certificate of nobody's was trusted: %+v", r)
		}
	}
	if log := s.log.String(); strings.Contains(log, "no configuration file") || strings.Count(log, "everybody who can connect may do everything") != 1 {
		t.Errorf("the log is:\n%s", log)
	}
}

// freeAddress returns an address that was free a moment ago.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestServePortInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	free := freeAddress(t)
	for key, args := range map[string][]string{
		"listen.websocket": {"--listen-websocket-address", taken.Addr().String(), "--listen-tcp-address", free},
		"listen.tcp":       {"--listen-websocket-address", free, "--listen-tcp-address", taken.Addr().String()},
		"listen.admin":     {"--listen-websocket-address", free, "--listen-admin-address", taken.Addr().String()},
	} {
		r := runProgram(t.Context(), nil, serveArgs(args...)...)
		if r.code != 1 || !strings.Contains(r.stderr, key+": listen tcp "+taken.Addr().String()) || !strings.Contains(r.stderr, "address already in use") {
			t.Errorf("%s: got %+v", key, r)
		}
		if r.stdout != "" {
			t.Errorf("%s: it said that it accepts: %q", key, r.stdout)
		}
		l, err := net.Listen("tcp", free)
		if err != nil {
			t.Fatalf("%s: the other listener was left open: %v", key, err)
		}
		_ = l.Close()
	}
}

func TestServeTellsAllFaults(t *testing.T) {
	file := writeConfig(t, "auth: { anonymous: true }\nlimits: { connect_timeout: ten, prefech: 3 }\nlisten: { websocket: { path: ws } }\n")
	r := runProgram(t.Context(), nil, "serve", "--config", file, "--log-level", "loud")
	if r.code != 2 || r.stdout != "" {
		t.Errorf("got %+v", r)
	}
	for _, part := range []string{"limits.connect_timeout", "limits.prefech", "limits.prefetch", "listen.websocket.path", "log.level"} {
		if !strings.Contains(r.stderr, part) {
			t.Errorf("%q is missing in %s", part, r.stderr)
		}
	}
	if n := strings.Count(r.stderr, "\n"); n != 4 {
		t.Errorf("%d lines for 4 faults:\n%s", n, r.stderr)
	}
}

func TestServeAnonymousElsewhere(t *testing.T) {
	for _, flag := range []string{"--listen-websocket-address", "--listen-tcp-address"} {
		r := runProgram(t.Context(), nil, serveArgs(flag, "0.0.0.0:0")...)
		if r.code != 2 || !strings.Contains(r.stderr, "auth.anonymous") || !strings.Contains(r.stderr, "0.0.0.0:0") {
			t.Errorf("%s: got %+v", flag, r)
		}
	}
	s := startServe(t, 2, "--listen-tcp-address", "0.0.0.0:0", "--auth-anonymous")
	_, port, _ := net.SplitHostPort(host(s.urls[1]))
	s.converse("tcp://127.0.0.1:" + port)
}

func TestServeLogsConnections(t *testing.T) {
	const secret = "correct-horse-battery-staple"
	s := startServe(t, 2, "--listen-tcp-address", "127.0.0.1:0", "--log-format", "json", "--log-level", "debug")
	for i, url := range s.urls {
		c, err := client.Dial(t.Context(), url, client.Options{Login: "ann", Passcode: secret, Token: secret})
		if err != nil {
			t.Fatal(err)
		}
		sub, err := c.Subscribe("/topic/a", stomp.AckAuto)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Send("/topic/a", "", []byte(secret)); err != nil {
			t.Fatal(err)
		}
		<-sub.C
		if err := c.Disconnect(); err != nil {
			t.Fatal(err)
		}
		s.log.wait(t, `"connection closed"`, i+1)
	}
	bad, err := net.Dial("tcp", host(s.urls[1]))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(bad, "CONNECT\npasscode:%s\nlogin:%s\\q\naccept-version:1.2\nbroken\n\n\x00", secret, secret)
	_, _ = io.Copy(io.Discard, bad)
	_ = bad.Close()
	s.log.wait(t, `"connection closed"`, 3)
	if strings.Contains(s.log.String(), secret) {
		t.Errorf("a secret is in the log:\n%s", s.log)
	}
	wantRecords(t, s)
}

// wantRecords expects two audit records for each of ann's connections.
func wantRecords(t *testing.T, s *serving) {
	t.Helper()
	found := map[string]int{}
	for line := range strings.Lines(s.log.String()) {
		var r struct {
			Msg, User, Remote, Transport, Reason       string
			FramesIn, FramesOut, MessagesOut, BytesOut int
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if r.User != "ann" {
			continue
		}
		found[r.Msg+" "+r.Transport]++
		if !strings.HasPrefix(r.Remote, "127.0.0.1:") {
			t.Errorf("no remote address: %s", line)
		}
		if r.Msg == "connection closed" &&
			(r.Reason != "client disconnected" || r.FramesIn != 4 || r.FramesOut != 3 || r.MessagesOut != 1 || r.BytesOut < 100) {
			t.Errorf("the record is %s", line)
		}
	}
	for _, what := range []string{"connection opened ws", "connection closed ws", "connection opened tcp", "connection closed tcp"} {
		if found[what] != 1 {
			t.Errorf("%s: %d records", what, found[what])
		}
	}
}

// When the broker stops, clients are disconnected and their unacknowledged
// messages requeued. Clients that do not disconnect are cut off after the drain
// timeout.
func TestServeDrains(t *testing.T) {
	t.Setenv("HOOFBEAT_LIMITS_DRAIN_TIMEOUT", "400ms")
	s := startServe(t, 2, "--listen-tcp-address", "127.0.0.1:0")
	ended := make(chan error, 2)
	for _, url := range s.urls {
		c, err := client.Dial(t.Context(), url, client.Options{})
		if err != nil {
			t.Fatal(err)
		}
		sub, err := c.Subscribe("/topic/a", stomp.AckAuto)
		if err != nil {
			t.Fatal(err)
		}
		go func() { ended <- (<-sub.C).Err }()
	}
	stuck, err := net.Dial("tcp", host(s.urls[1]))
	if err != nil {
		t.Fatal(err)
	}
	defer stuck.Close()
	fmt.Fprint(stuck, "CONNECT\n\n\x00")
	s.log.wait(t, `"connection opened"`, 3)
	start := time.Now()
	s.stop()
	if took := time.Since(start); took > 8*time.Second { // less than without the setting
		t.Errorf("it took %v to stop", took)
	}
	for range s.urls {
		if err := <-ended; err == nil {
			t.Error("a client was not told")
		}
	}
	if log := s.log.String(); strings.Count(log, "reason=going-away") != 3 || !strings.Contains(log, "limits.drain_timeout has passed") {
		t.Errorf("the log is:\n%s", log)
	}
}

// A signal before the listeners are open is no error.
func TestServeIsStoppedAtOnce(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for range 20 {
		r := runProgram(ctx, nil, serveArgs("--listen-tcp-address", "127.0.0.1:0")...)
		if r.code != 0 {
			t.Fatalf("got %+v", r)
		}
	}
}
