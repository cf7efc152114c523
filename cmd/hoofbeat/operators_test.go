package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// wantReady expects a response of /readyz.
func (s *serving) wantReady(status int, body string) {
	s.t.Helper()
	s.wantAt("/readyz", status, body)
}

// wantAt expects a response of the admin listener that contains body.
func (s *serving) wantAt(path string, status int, body string) {
	s.t.Helper()
	r, err := http.Get(s.admin + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != status || !strings.Contains(string(text), body) {
		s.t.Errorf("got %d %s, %v", r.StatusCode, text, err)
	}
}

// /readyz reports draining.
func TestReadyWhileDraining(t *testing.T) {
	s := startServe(t, 3, "--listen-tcp-address", "127.0.0.1:0", "--listen-admin-address", "127.0.0.1:0")
	stuck, err := net.Dial("tcp", host(s.urls[1]))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(stuck, "CONNECT\n\n\x00")
	s.log.wait(t, `"connection opened"`, 1)
	s.wantReady(200, `{"ready":true,"reasons":[]}`)
	s.cancel()
	s.log.wait(t, "msg=stopping", 1)
	s.wantReady(503, `{"ready":false,"reasons":[{"check":"draining","message":"the broker stops"}]}`)
	_ = stuck.Close()
	s.stop()
}

// The issuer of tokens may start later than the broker, which reports it in the
// meantime.
func TestStartWithoutIssuer(t *testing.T) {
	i := startIssuer(t)
	i.away.Store(true)
	file := writeConfig(t, "storage: { directory: '' }\nauth: { jwt: { jwks_url: \""+i.url+"\", algorithms: [PS256] } }\n"+
		"acl: [{ allow: [send], destinations: [\"/topic/**\"] }]\n")
	token := signToken(t, "--config", file, "--key", i.keyFile, "--claims", `{"sub":"anna"}`, "--kid", issuerKeyID)
	s := startServe(t, 2, "--config", file, "--listen-admin-address", "127.0.0.1:0")
	s.wantReady(503, `"check":"keys"`)
	s.log.wait(t, "the keys of the JWKS URL could not be fetched", 1)
	i.away.Store(false)
	if r := runProgram(t.Context(), nil, "pub", "/topic/a", "x", "--url", s.urls[0], "--token", token); r.code != 0 {
		t.Errorf("got %+v", r)
	}
	s.wantReady(200, `"ready":true`)
}

// With too little disk space, durable messages are refused and others are
// accepted.
func TestNoRoom(t *testing.T) {
	s := startDurable(t, filepath.Join(t.TempDir(), "data"), "--storage-min-free", "1000000TiB", "--destinations", `[{"match":"/queue/memory","durable":false}]`)
	s.wantReady(503, `"reasons":[{"check":"storage","message":"`)
	r := runProgram(t.Context(), nil, "pub", "/queue/a", "x", "--url", s.urls[0])
	if r.code == 0 || !strings.Contains(r.stderr, "storage-") {
		t.Errorf("got %+v", r)
	}
	s.publish("/queue/memory", "x")
	if got := s.bodies("/queue/memory"); got != "x" {
		t.Errorf("it has %s", got)
	}
}

// On a terminal, purge asks for confirmation and names the queue.
func TestPurgeOnATerminal(t *testing.T) {
	for answer, code := range map[string]int{"y\n": 0, "Yes \n": 0, "\n": 1, "n\n": 1, "purge\n": 1, "": 130} {
		s := startDurable(t, "")
		s.publish("/queue/a", "one", "two")
		terminal, typist := openTerminal(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var printed bytes.Buffer
		said := newOutput()
		cmd := newRootCommand()
		cmd.SetArgs([]string{"queue", "purge", "/queue/a", "--admin", s.admin})
		cmd.SetIn(terminal)
		cmd.SetOut(&printed)
		cmd.SetErr(said)
		ended := make(chan int)
		go func() { ended <- report(said, cmd.ExecuteContext(apart(ctx))) }()
		said.wait(t, "purge /queue/a, with 2 messages? [y/N] ", 1)
		if answer == "" {
			cancel()
		} else if _, err := typist.WriteString(answer); err != nil {
			t.Fatal(err)
		}
		got := <-ended
		left := s.operate("queue", "list") // does not list empty queues that are not stored
		if got != code || strings.Contains(left, "/queue/a") != (code != 0) || (printed.Len() > 0) != (code == 0) {
			t.Errorf("%q: code %d, left %q, %s%s", answer, got, left, &printed, said)
		}
		s.stop()
	}
}
