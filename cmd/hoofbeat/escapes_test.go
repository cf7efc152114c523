package main

import (
	"bufio"
	"encoding/base64"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/go-stomp/stomp/v3"

	"hoofbeat/auth"
)

// go-stomp escapes the headers of CONNECT, against the specification. Passcodes
// and logins are accepted in both readings.
func TestEscapedCredentials(t *testing.T) {
	var users strings.Builder
	logins := [][2]string{{"plain", "plain"}, {"colon", "a:b"}, {"back", `a\b`}, {"both", `\:\c:`}, {`dom\ain`, "x"}, {"literal", `a\cb`}, {"n", `a\nb`}}
	for _, l := range logins {
		hash, err := auth.HashPassword(auth.Argon2id, l[1])
		if err != nil {
			t.Fatal(err)
		}
		users.WriteString(l[0] + ":" + hash + "\n")
	}
	file := filepath.Join(t.TempDir(), "users")
	replace(t, file, users.String())
	s := startServe(t, 2, "--listen-tcp-address", "127.0.0.1:0", "--auth-users-file", file, "--auth-anonymous=false", "--limits-failed-connects", "1/h")
	address := host(s.urls[1])
	for _, l := range logins {
		conn, err := stomp.Dial("tcp", address, stomp.ConnOpt.Login(l[0], l[1]))
		if err != nil {
			t.Errorf("go-stomp, %q: %v", l, err)
			continue
		}
		if err := conn.Disconnect(); err != nil {
			t.Error(err)
		}
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		m := member{user: l[0], conn: c, in: bufio.NewReader(c)}
		if err := m.say("CONNECT\naccept-version:1.2\nhost:h\nlogin:" + l[0] + "\npasscode:" + l[1] + "\n\n\x00"); err != nil {
			t.Error(err)
		}
		if err := m.want("CONNECTED\n"); err != nil {
			t.Errorf("as it is, %q: %v", l, err)
		}
		_ = c.Close()
	}
	for _, wrong := range [][2]string{{"colon", `a\cb\`}, {"back", "b"}} {
		if _, err := stomp.Dial("tcp", address, stomp.ConnOpt.Login(wrong[0], wrong[1])); err == nil || !strings.Contains(err.Error(), "authentication-failed") {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

// Static users may also send Basic credentials in the upgrade if no keys for
// tokens are configured.
func TestBasicCredentials(t *testing.T) {
	const sesame = "$2a$04$DENGnxhW7tB0tl29bs3fkOBBeLi9h2mK7TAtnSEd3GOMGy8ULB2Ka"
	users := filepath.Join(t.TempDir(), "users")
	replace(t, users, "otto:"+sesame+"\n")
	s := startServe(t, 1, "--auth-users-file", users, "--auth-anonymous=false")
	for passcode, want := range map[string]string{"sesame": "CONNECTED\n", "Sesame": "ERROR\nmessage:authentication-failed\n"} {
		header := http.Header{}
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("otto:"+passcode)))
		conn, r, err := websocket.Dial(t.Context(), s.urls[0], &websocket.DialOptions{HTTPHeader: header})
		if err != nil {
			t.Fatal(err)
		}
		if r.Body != nil {
			_ = r.Body.Close()
		}
		if err := conn.Write(t.Context(), websocket.MessageText, []byte("CONNECT\naccept-version:1.2\nhost:h\n\n\x00")); err != nil {
			t.Fatal(err)
		}
		_, frame, err := conn.Read(t.Context())
		if err != nil || !strings.HasPrefix(string(frame), want) || passcode == "sesame" && !strings.Contains(string(frame), "\nuser-name:otto\n") {
			t.Errorf("%s: got %q, %v", passcode, frame, err)
		}
		_ = conn.CloseNow()
	}
}
