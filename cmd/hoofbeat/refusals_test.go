package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A client that is refused repeatedly, with its token in all wrong places, does
// not flood the logs, and its token is masked.
func TestRefusalsInLogs(t *testing.T) {
	const token = "IHsiYWxnIjoiSFMyNTYifQ.eyJzdWIiOiJhbm5hIiwiZXhwIjoxfQ.c2VjcmV0LXNpZ25hdHVyZQ" // the header begins with a space
	audit := filepath.Join(t.TempDir(), "audit")
	file := writeConfig(t, reloadConfig("", "/topic/a"))
	s := startServe(t, 2, "--config", file, "--log-audit", audit, "--limits-failed-connects", "0/m")
	address := host(s.urls[1])
	for i := range 30 {
		for _, headers := range []string{"login:Bearer " + token, "login:" + token, "Authorization:Bearer " + token} {
			answer, err := say(address, "CONNECT\naccept-version:1.2\nhost:h\n"+headers+"\n\n\x00")
			if err != nil || !strings.HasPrefix(answer, "ERROR\nmessage:authentication-failed\n") {
				t.Fatalf("%d: got %q, %v", i, answer, err)
			}
		}
	}
	anna := gather(t, address, 1)[0]
	if err := errors.Join(anna.say("SUBSCRIBE\nid:1\ndestination:/topic/"+token+"\n\n\x00"), anna.want("ERROR\n", "message:access-denied")); err != nil {
		t.Error(err)
	}
	s.stop()
	record, err := os.ReadFile(audit)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"log": s.log.String(), "audit": string(record)} {
		if n := strings.Count(text, "connect refused"); n < 10 || n > 30 {
			t.Errorf("%s: %d lines of 90 refusals", name, n)
		}
		if !strings.Contains(text, "repeated") || !strings.Contains(text, "access denied") {
			t.Errorf("%s: it lacks the count, or the last refusal:\n%s", name, text)
		}
		for _, part := range strings.Split(token, ".") {
			if strings.Contains(text, part) {
				t.Errorf("%s: a part of the token is in it: %s", name, part)
			}
		}
	}
}

// say writes a frame on a new connection and returns everything that it
// receives.
func say(address, frame string) (string, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return "", err
	}
	defer conn.Close() //nolint:errcheck // the broker has closed it
	if _, err := fmt.Fprint(conn, frame); err != nil {
		return "", err
	}
	var answer strings.Builder
	buffer := make([]byte, 4096)
	for {
		n, err := conn.Read(buffer)
		answer.Write(buffer[:n])
		if err != nil {
			return answer.String(), nil //nolint:nilerr // the connection has ended
		}
	}
}
