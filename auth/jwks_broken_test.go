package auth

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestBrokenIssuer(t *testing.T) {
	huge := jwks(rsaJWK("r2", &otherRSA().PublicKey)) + strings.Repeat(" ", 1<<20)
	elsewhere := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(jwks(rsaJWK("r2", &otherRSA().PublicKey))))
	}))
	defer elsewhere.Close()
	gone := make(chan struct{})
	defer close(gone)
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"error":    {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, "status 500"},
		"missing":  {http.NotFound, "status 404"},
		"redirect": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) }, "redirects are not followed"},
		"to http": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusPermanentRedirect)
		}, "redirects are not followed"},
		"HTML": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>log in</html>")) },
			"not a JSON Web Key Set"},
		"no keys":  {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"error":"no"}`)) }, "no list named keys"},
		"empty":    {func(http.ResponseWriter, *http.Request) {}, "not a JSON Web Key Set"},
		"huge":     {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(huge)) }, "larger than 1048576 bytes"},
		"cut off":  {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "9999") }, "unexpected EOF"},
		"hangs up": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
		"slow":     {slow(gone), "deadline exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			i := newIssuer(t)
			o := i.options()
			o.JWT.JWKS.Timeout = time.Minute
			if name == "slow" {
				o.JWT.JWKS.Timeout = 2 * time.Second
			}
			a := start(t, o)
			i.clock.await(1)
			i.behave(tt.answer)
			i.wantRefused(a, token("r2", otherRSA()), reasonKey)
			i.wantAccepted(a, token("r1", testRSA()))
			if s := a.Stats(); s.Failures == 0 || s.Refreshes != 1 || s.Keys != 1 {
				t.Errorf("got %+v", s)
			}
			if !strings.Contains(i.log.String(), "level=WARN") || !strings.Contains(i.log.String(), tt.want) {
				t.Errorf("the log lacks %q: %s", tt.want, i.log.String())
			}
			wantNothingOf(t, i.log.String(), "qqqqqqqqqqqqqqqq")

			// At the start the same is an error.
			_, err := New(context.Background(), o)
			if err == nil || !strings.Contains(err.Error(), "auth.jwt.jwks_url: the keys could not be fetched: ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("at the start: %v", err)
			}
		})
	}
}

// slow begins to answer, and goes on until the client or the test has gone.
func slow(gone <-chan struct{}) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(`{"keys":[`))
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
		case <-gone:
		}
	}
}

func TestUnreachableAtStart(t *testing.T) {
	i := newIssuer(t)
	o := i.options()
	o.JWT.JWKS.Client = nil // which does not trust the certificate
	_, err := New(context.Background(), o)
	if err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v", err)
	}
	i.Close()
	for _, c := range []*http.Client{nil, i.Client()} {
		o.JWT.JWKS.Client = c
		_, err = New(context.Background(), o)
		if err == nil || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("got %v", err)
		}
		wantNothingOf(t, err.Error(), "qqqqqqqqqqqqqqqq")
	}
	o.JWT.JWKS.StartWithout = true
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := New(ctx, o); err == nil {
		t.Error("a start that was broken off succeeded")
	}
	i = newIssuer(t)
	i.publish(map[string]any{"kty": "oct", "k": b64(testSecret)})
	wantFault(t, i.options(), "none of its keys can verify tokens")
	if _, err := New(ctx, i.options()); err == nil || !strings.Contains(err.Error(), "context canceled") {
		t.Errorf("got %v", err)
	}
}

// An Authenticator that may start without keys gets them later; until then no
// token is good, and none is bad. A reload still fails if it cannot fetch.
func TestStartWithoutKeys(t *testing.T) {
	i := newIssuer(t)
	i.fail()
	o := i.options()
	o.JWT.JWKS.StartWithout = true
	a := start(t, o)
	good := token("r1", testRSA())
	i.wantRefused(a, good, reasonStale)
	_, err := a.Verify(good)
	if refusal, ok := errors.AsType[*Refusal](err); !ok || !refusal.Busy {
		t.Errorf("got %v", err)
	}
	if s := a.Stats(); !s.Stale || s.Keys != 0 || s.Failures == 0 {
		t.Errorf("got %+v", s)
	}
	if !strings.Contains(i.log.String(), "level=ERROR") || !strings.Contains(i.log.String(), "status 503") {
		t.Errorf("the log is %s", i.log.String())
	}
	wantNothingOf(t, i.log.String(), "qqqqqqqqqqqqqqqq")

	i.publish(rsaJWK("r1", &testRSA().PublicKey))
	i.after(20 * time.Second) // two have failed
	i.wantAccepted(a, good)
	if s := a.Stats(); s.Stale || s.Keys != 1 {
		t.Errorf("got %+v", s)
	}

	other := newIssuer(t)
	other.fail()
	o.JWT.JWKSURL = other.URL
	if err := a.Reload(context.Background(), o); err == nil {
		t.Error("a reload accepted a URL that cannot be fetched")
	}
	i.wantAccepted(a, good)
}
