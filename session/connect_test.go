package session_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"hoofbeat/auth"
	"hoofbeat/frames"
	"hoofbeat/internal/stomptest"
	"hoofbeat/session"
)

func TestVersions(t *testing.T) {
	for name, tc := range map[string]struct {
		subprotocol frames.Version
		headers     []string
		want        string // empty: ERROR
	}{
		"no accept-version":            {0, []string{"host:x"}, "1.0"},
		"nothing at all":               {0, nil, "1.0"},
		"1.0":                          {0, []string{"accept-version:1.0"}, "1.0"},
		"1.1":                          {0, []string{"accept-version:1.1"}, "1.1"},
		"1.2":                          {0, []string{"accept-version:1.2"}, "1.2"},
		"highest":                      {0, []string{"accept-version:1.0,1.1,1.2"}, "1.2"},
		"any order":                    {0, []string{"accept-version:1.2,1.0,1.1"}, "1.2"},
		"spaces":                       {0, []string{"accept-version: 1.0, 1.1"}, "1.1"},
		"unknown ignored":              {0, []string{"accept-version:1.0,1.1,1.3"}, "1.1"},
		"only unknown":                 {0, []string{"accept-version:1.3"}, ""},
		"empty":                        {0, []string{"accept-version:"}, ""},
		"garbage":                      {0, []string{"accept-version:latest"}, ""},
		"subprotocol":                  {frames.V11, []string{"accept-version:1.0,1.1,1.2"}, "1.1"},
		"subprotocol with spaces":      {frames.V10, []string{"accept-version:1.0 , 1.2"}, "1.0"},
		"subprotocol not accepted":     {frames.V11, []string{"accept-version:1.2"}, "1.2"},
		"subprotocol, no accept":       {frames.V12, nil, "1.0"},
		"subprotocol, unknown version": {frames.V12, []string{"accept-version:2.0"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			converse(t, func(t *testing.T, w *world) {
				c := w.dialInfo(session.Info{Transport: "ws", Version: tc.subprotocol})
				c.Send("CONNECT", tc.headers...)
				if tc.want == "" {
					c.WantError("unsupported-version", "", "accept-version", "1.0, 1.1 and 1.2")
					c.WantClosed()
					return
				}
				c.Want("CONNECTED", "version:"+tc.want)
			})
		})
	}
}

func TestConnectFrame(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c := w.dial()
		c.Send("STOMP", "accept-version:1.2", "host:x", "unknown:header")
		f := c.Want("CONNECTED", "version:1.2", "heart-beat:0,0", "server:hoofbeat", "user-name:anonymous", "", "")
		if f.Get("session") == "" {
			t.Error("no session header")
		}
		other := w.connect()
		other.Barrier()
		second := w.dial().Connect("1.2")
		if second.Get("session") == f.Get("session") {
			t.Error("two sessions of one name")
		}
	})
}

func TestConnectBytes(t *testing.T) {
	for name, raw := range map[string]string{
		"as in the specification": "CONNECT\naccept-version:1.2\nhost:x\n\n\x00",
		"CR LF":                   "CONNECT\r\naccept-version:1.2\r\nhost:x\r\n\r\n\x00\r\n",
		"line ends before":        "\n\r\n\nCONNECT\naccept-version:1.2\n\n\x00\n\n",
		"unescaped colons":        "CONNECT\naccept-version:1.2\nhost:x:61613\nlogin:a:b\n\n\x00",
		"undefined escapes":       "CONNECT\naccept-version:1.2\npasscode:a\\tb\\\n\n\x00",
		"receipt is ignored":      "CONNECT\naccept-version:1.2\nreceipt:1\n\n\x00",
	} {
		t.Run(name, func(t *testing.T) {
			converse(t, func(t *testing.T, w *world) {
				c := w.dial()
				c.Write(raw)
				c.Want("CONNECTED", "version:1.2")
				c.WantNothing()
			})
		})
	}
}

// TestConnectByteByByte sends a conversation in the smallest pieces there are.
func TestConnectByteByByte(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		c := w.dial()
		for _, b := range []byte("CONNECT\r\naccept-version:1.2\r\n\r\n\x00\r\nSEND\r\ndestination:/queue/a\r\nreceipt:r\r\n\r\nbo\r\ndy\x00") {
			c.Write(string(b))
		}
		c.Want("CONNECTED")
		c.WantReceipt("r")
		c.Send("SUBSCRIBE", "id:1", "destination:/queue/a")
		c.Want("MESSAGE", "content-length:6", "", "bo\r\ndy")
	})
}

// CONNECTED is not escaped, and some clients split its headers at spaces or
// fail on empty values.
func TestUserNameBreaksNothing(t *testing.T) {
	for login, want := range map[string]string{
		"anna":         "anna",
		"":             "anonymous",
		" two  words ": "%20two%20%20words%20",
		"a:b":          "a%3Ab",
		`dom\user`:     `dom%5Cuser`,
		`dom\nuser`:    `dom%5Cnuser`,
		"100%":         "100%25",
		"tab\there":    "tab%09here",
		"Änne@例え":      "Änne@例え",
		"del\x7f":      "del%7F",
	} {
		t.Run(login, func(t *testing.T) {
			converse(t, func(t *testing.T, w *world) {
				f := w.dial().Connect("1.2", "login:"+login)
				if got := f.Wire("user-name"); got != want {
					t.Errorf("user-name is %q, want %q", got, want)
				}
				wantPlain(t, f)
			})
		})
	}
}

func wantPlain(t *testing.T, f stomptest.Frame) {
	t.Helper()
	for _, l := range f.Lines() {
		name, value, _ := strings.Cut(l, ":")
		if name == "" || value == "" || strings.ContainsAny(l, " \t\r\\") {
			t.Errorf("CONNECTED has the line %q", l)
		}
	}
}

// A guard is an Authenticator of one function.
type guard func(auth.Request) (*auth.Identity, error)

// Authenticate implements session.Authenticator.
func (g guard) Authenticate(r auth.Request) (*auth.Identity, error) { return g(r) }

func TestAuthenticationFails(t *testing.T) {
	refuse := guard(func(r auth.Request) (*auth.Identity, error) {
		return nil, errors.New("no user " + r.Login + " in table users_v2")
	})
	converse(t, func(t *testing.T, w *world) {
		c := w.dial()
		c.Send("CONNECT", "accept-version:1.2", "login:eve", "passcode:secret")
		f := c.WantError("authentication-failed", "", "credentials")
		if strings.Contains(f.Raw, "users_v2") || strings.Contains(f.Raw, "secret") {
			t.Errorf("the ERROR tells too much: %q", f.Raw)
		}
		c.WantClosed()
	}, func(o *session.Options) { o.Authenticator = refuse })
}

func TestConnectTimeout(t *testing.T) {
	for name, say := range map[string]string{
		"silence":      "",
		"heart-beats":  "\n\n\n",
		"part":         "CONNECT\naccept-ver",
		"body missing": "CONNECT\naccept-version:1.2\n\n",
	} {
		t.Run(name, func(t *testing.T) {
			converse(t, func(t *testing.T, w *world) {
				start := time.Now()
				c := w.dial()
				c.Limit = time.Minute
				if say != "" {
					c.Write(say)
				}
				c.WantError("connect-timeout", "", "CONNECT", "limits.connect_timeout", "7s")
				c.WantClosed()
				if took := time.Since(start); took != 7*time.Second {
					t.Errorf("it took %v", took)
				}
			}, func(o *session.Options) { o.ConnectTimeout = 7 * time.Second })
		})
	}
}

// Authentication may take longer than the time limit for CONNECT; whichever
// comes first counts, and the other does no harm.
func TestConnectTimeoutWhileAuthenticating(t *testing.T) {
	for name, takes := range map[string]time.Duration{"longer": 8 * time.Second, "just as long": 7 * time.Second} {
		t.Run(name, func(t *testing.T) {
			slow := guard(func(auth.Request) (*auth.Identity, error) {
				time.Sleep(takes)
				return &auth.Identity{User: "anna"}, nil
			})
			converse(t, func(t *testing.T, w *world) {
				c := w.dial()
				c.Limit = time.Minute
				c.Send("CONNECT", "accept-version:1.2")
				f := c.Next()
				if f.Command == "CONNECTED" && takes == w.options.ConnectTimeout {
					// The time limit may still strike just now, but no later.
					_ = c.TryWrite("SEND\ndestination:/topic/x\nreceipt:r\n\n\x00")
					f, err := c.TryNext()
					if err == nil && f.Get("receipt-id") != "r" && f.Get("message") != "connect-timeout" {
						t.Errorf("got %q", f.Raw)
					}
					return
				}
				if f.Command != "ERROR" || f.Get("message") != "connect-timeout" {
					t.Errorf("got %q", f.Raw)
				}
				c.WantClosed()
			}, func(o *session.Options) { o.ConnectTimeout, o.Authenticator = 7*time.Second, slow })
		})
	}
}

// A panic of the Authenticator ends one session.
func TestAuthenticatorPanics(t *testing.T) {
	converse(t, func(t *testing.T, w *world) {
		other := w.connect()
		c := w.dial()
		c.Send("CONNECT", "accept-version:1.2", "login:bomb")
		f := c.WantError("internal-error", "")
		if strings.Contains(f.Raw, "secret detail") {
			t.Errorf("the ERROR tells too much: %q", f.Raw)
		}
		c.WantClosed()
		other.WantNothing()
	}, func(o *session.Options) {
		o.Authenticator = guard(func(r auth.Request) (*auth.Identity, error) {
			if r.Login == "bomb" {
				panic("secret detail")
			}
			return &auth.Identity{User: "anna"}, nil
		})
	})
}
