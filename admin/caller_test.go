package admin

import (
	"errors"
	"net/http"
	"testing"

	"hoofbeat/auth"
)

// refusing is an Access that refuses all credentials.
type refusing struct {
	Access
	err error
}

func (a refusing) Header(string, auth.Peer) (*auth.Identity, error) { return nil, a.err }

// Each refusal of credentials has its response and its audit record. A record without
// a user has no attribute for it.
func TestRefusedCredentials(t *testing.T) {
	for name, tc := range map[string]struct {
		err    error
		status int
		word   string
		record string
	}{
		"passcode":    {&auth.Refusal{User: "relay", Reason: "wrong"}, 401, "unauthenticated", "user=relay reason=wrong"},
		"no user":     {&auth.Refusal{Reason: "wrong"}, 401, "unauthenticated", "reason=wrong"},
		"detail":      {&auth.Refusal{User: "anna", Reason: "wrong", Detail: "exp"}, 401, "unauthenticated", "user=anna reason=wrong detail=exp"},
		"throttled":   {&auth.Refusal{Reason: "wrong", Limited: true}, 429, "rate-limited", "reason=wrong"},
		"busy":        {&auth.Refusal{Reason: "wrong", Busy: true}, 503, "busy", "reason=wrong"},
		"other error": {errors.New("wrong"), 401, "unauthenticated", "reason=wrong"},
	} {
		d := newDesk()
		d.options.Access = refusing{err: tc.err}
		r := d.do(t, "GET", "/api/v1/overview", "", func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") })
		wantRefusal(t, r, tc.status, tc.word)
		want := "msg=\"operator refused\" " + tc.record + " path=/api/v1/overview remote=" + here + "\n"
		if got := d.audit.String(); got != want {
			t.Errorf("%s: recorded %s", name, got)
		}
	}
}
