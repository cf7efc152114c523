package transport_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hoofbeat/auth"
	"hoofbeat/internal/servertest"
	"hoofbeat/transport"
)

// sockRequest sends a request to the SockJS endpoint from a remote address, and
// returns the status.
func sockRequest(h http.Handler, at, body, remote string, headers ...string) int {
	r := httptest.NewRequest(http.MethodPost, path+at, strings.NewReader(body))
	r.RemoteAddr = remote
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

// TestGuessesAreSlow: one network guesses session ids, one after the other and
// many at a time. Another network is not affected.
func TestGuessesAreSlow(t *testing.T) {
	inBubble(t, func(w *world) {
		h := w.server.SockJSHandler(path)
		guess := func(i int, remote string) int {
			return sockRequest(h, "/a/g"+strconv.Itoa(i)+"/xhr_send", "[]", remote)
		}
		start := time.Now()
		for i := range 1000 {
			if got := guess(i, "192.0.2.9:1"); got != http.StatusNotFound {
				w.t.Fatalf("answered %d", got)
			}
		}
		if took := time.Since(start); took < 30*time.Second {
			w.t.Errorf("1000 guesses took %v", took)
		}
		var late atomic.Int64
		var all sync.WaitGroup
		for i := range 1000 {
			all.Go(func() {
				if guess(i, "192.0.2.77:1") == http.StatusTooManyRequests { // of the same network
					late.Add(1)
				}
			})
		}
		synctest.Wait()
		if late.Load() < 800 {
			w.t.Errorf("of 1000 at a time, %d were refused", late.Load())
		}
		before := time.Now()
		if got := guess(0, "192.0.3.9:1"); got != http.StatusNotFound || time.Since(before) > 0 {
			w.t.Errorf("another network: %d after %v", got, time.Since(before))
		}
		all.Wait()
		time.Sleep(2 * time.Minute)
		before = time.Now()
		if got := guess(0, "192.0.2.9:1"); got != http.StatusNotFound || time.Since(before) > 0 {
			w.t.Errorf("later: %d after %v", got, time.Since(before))
		}
	}, func(o *servertest.Options) { o.SockJS.Enabled = true })
}

// TestSessionsOpenedAreNoGuesses: more clients connect from one network than it
// has guesses.
func TestSessionsOpenedAreNoGuesses(t *testing.T) {
	inBubble(t, func(w *world) {
		h := w.server.SockJSHandler(path)
		start := time.Now()
		for i := range 500 {
			at := "/a/s" + strconv.Itoa(i)
			if got := sockRequest(h, at+"/xhr", "", "192.0.2.9:1"); got != http.StatusOK {
				w.t.Fatalf("opening: %d", got)
			}
			if got := sockRequest(h, at+"/xhr_send", inMessages(connectFrame), "192.0.2.9:1"); got != http.StatusNoContent {
				w.t.Fatalf("sending: %d", got)
			}
			if got := sockRequest(h, at+"/xhr", "", "192.0.2.9:1"); got != http.StatusOK {
				w.t.Fatalf("receiving: %d", got)
			}
			if got := sockRequest(h, at+"/xhr_send", inMessages("DISCONNECT\n\n\x00"), "192.0.2.9:1"); got != http.StatusNoContent {
				w.t.Fatalf("leaving: %d", got)
			}
			synctest.Wait()
		}
		if took := time.Since(start); took > time.Second {
			w.t.Errorf("they were held up for %v", took)
		}
	}, func(o *servertest.Options) { o.SockJS.Enabled = true })
}

// A registry accepts tokens of the form user.number, unless number is
// "expired".
func registry(token string, _ auth.Peer) (*auth.Identity, error) {
	user, number, ok := strings.Cut(token, ".")
	if !ok || number == "expired" {
		return nil, errors.New("not a token")
	}
	return &auth.Identity{User: user}, nil
}

// TestRenewedCredentials: a newer token of the same user is accepted, any other
// is not.
func TestRenewedCredentials(t *testing.T) {
	inBubble(t, func(w *world) {
		h := w.server.SockJSHandler(path)
		const from = "192.0.2.9:1"
		send := func(cookie string) int { return sockRequest(h, "/a/s/xhr_send", "[]", from, "Cookie: c="+cookie) }
		if got := sockRequest(h, "/a/s/xhr", "", from, "Cookie: c=ada.1"); got != http.StatusOK {
			w.t.Fatalf("opening: %d", got)
		}
		for _, step := range []struct {
			cookie string
			want   int
		}{
			{"ada.1", 204}, {"bob.1", 404}, {"ada.expired", 404}, {"ada", 404}, {"ada.2", 204}, {"ada.2", 204}, {"ada.3", 204}, {"bob.3", 404},
		} {
			if got := send(step.cookie); got != step.want {
				w.t.Errorf("%s: %d, want %d", step.cookie, got, step.want)
			}
		}
	}, func(o *servertest.Options) {
		o.SockJS.Enabled, o.Credentials.Cookie, o.Session.Verify = true, "c", registry
	})
}

// TestSessionWantsItsCredentials: a session's id alone, without the credentials
// that opened the session, allows neither reading nor writing.
func TestSessionWantsItsCredentials(t *testing.T) {
	for name, with := range map[string][2]string{ // the URL's query and the header
		"header": {"", "Authorization: Bearer a"},
		"query":  {"?access_token=a", "X: y"},
		"cookie": {"", "Cookie: c=a"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				h := w.server.SockJSHandler(path)
				const from = "192.0.2.9:1"
				if got := sockRequest(h, "/a/s/xhr"+with[0], "", from, with[1]); got != http.StatusOK {
					w.t.Fatalf("opening: %d", got)
				}
				for _, other := range [][2]string{{"", "X: y"}, {"?access_token=b", "X: y"}, {"", "Authorization: Bearer b"}, {"", "Cookie: c=b"}} {
					for _, at := range []string{"/xhr", "/xhr_streaming", "/xhr_send"} {
						if got := sockRequest(h, "/a/s"+at+other[0], inMessages("")[:0], from, other[1]); got != http.StatusNotFound {
							w.t.Errorf("%s with %q: %d", at, other, got)
						}
					}
				}
				if got := sockRequest(h, "/a/s/xhr_send"+with[0], inMessages(connectFrame), from, with[1]); got != http.StatusNoContent {
					w.t.Errorf("sending: %d", got)
				}
				if got := sockRequest(h, "/a/s/xhr"+with[0], "", from, with[1]); got != http.StatusOK {
					w.t.Errorf("receiving: %d", got)
				}
			}, func(o *servertest.Options) {
				o.SockJS.Enabled = true
				o.Credentials = transport.Credentials{HTTPAuthorization: true, QueryParameter: "access_token", Cookie: "c"}
			})
		})
	}
}
