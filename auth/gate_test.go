package auth

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Headers of operators, and what becomes of them: who it is, or the audit record and
// the answer.
func TestHeader(t *testing.T) {
	basic := func(name, passcode string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+passcode))
	}
	expired := forge(rsHeader, with("exp", 1000), rs256(testRSA()))
	revoked := forge(rsHeader, with("jti", "gone"), rs256(testRSA()))
	a := start(t, Options{
		JWT: tokenOptions(t), Users: []User{{Name: "relay", Hash: cheapBcrypt("sesame")}}, RevokedFile: write(t, "revoked", "jti:gone\n"),
	})
	for name, tc := range map[string]struct {
		header string
		user   string // of the identity; empty: it is refused
		method string
		reason string
		who    string // in the record
		told   bool
	}{
		"token":                  {header: "Bearer " + goodToken(), user: "anna", method: MethodToken},
		"another case and space": {header: " bearer  " + goodToken() + " ", user: "anna", method: MethodToken},
		"password":               {header: basic("relay", "sesame"), user: "relay", method: MethodPassword},
		"wrong password":         {header: basic("relay", "wrong"), reason: reasonPassword, who: "relay"},
		"unknown user":           {header: basic("nobody", "sesame"), reason: reasonPassword, who: "nobody"},
		"a token as the name":    {header: basic(goodToken(), "x"), reason: reasonLongPassword, who: ""},
		"a name that is none":    {header: basic(strings.Repeat("x", 1000), "x"), reason: reasonLongPassword, who: ""},
		"expired token":          {header: "Bearer " + expired, reason: reasonExpired, who: "anna", told: true},
		"revoked token":          {header: "Bearer " + revoked, reason: reasonTokenGone, who: "anna"},
		"no token":               {header: "Bearer", reason: reasonHTTPHeader},
		"another scheme":         {header: "Digest username=\"relay\"", reason: reasonHTTPHeader},
		"nothing":                {header: "", reason: reasonHTTPHeader},
		"not base64":             {header: "Basic !", reason: reasonHTTPHeader},
		"not a token":            {header: "Bearer x", reason: reasonForm},
	} {
		id, err := a.Header(tc.header, Peer{})
		if tc.user != "" {
			if err != nil || id.User != tc.user || id.Method != tc.method {
				t.Errorf("%s: %v, %v", name, id, err)
			}
			continue
		}
		if err == nil {
			t.Errorf("%s: let in as %v", name, id)
			continue
		}
		record := RefusalOf(err).Record()
		if len(record) < 4 || record[0] != "user" || record[2] != "reason" || record[3] != tc.reason {
			t.Errorf("%s: the record is %q", name, record)
		}
		if who := record[1].(string); who != tc.who {
			t.Errorf("%s: the record names %q", name, who)
		}
		answer, why := RefusalOf(err).Answer()
		if answer != NotAccepted || (why != "") != tc.told || strings.Contains(err.Error(), tc.reason) {
			t.Errorf("%s: answered with %d and %q", name, answer, why)
		}
	}
}

// A caller who has failed often is told so, whatever it offers then; others and time
// are let in again.
func TestHeaderIsThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := braked(t, NewThrottle(3, time.Minute))
		header := func(passcode string) string {
			return "Basic " + base64.StdEncoding.EncodeToString([]byte("relay:"+passcode))
		}
		from := Peer{Remote: "10.0.0.1:1"}
		var answers []Answer
		for range 5 {
			_, err := a.Header(header("wrong"), from)
			answer, _ := RefusalOf(err).Answer()
			answers = append(answers, answer)
		}
		if answers[0] != NotAccepted || answers[4] != TooMany {
			t.Errorf("answered with %v", answers)
		}
		_, err := a.Header(header("sesame"), from)
		if answer, _ := RefusalOf(err).Answer(); err == nil || answer != TooMany {
			t.Errorf("the right passcode is answered with %v", err)
		}
		time.Sleep(time.Hour) // in the bubble
		if _, err := a.Header(header("sesame"), from); err != nil {
			t.Errorf("later: %v", RefusalOf(err).Record())
		}
	})
}

func TestRefusalOf(t *testing.T) {
	plain := errors.New("something else")
	if r := RefusalOf(plain); r.Reason != "something else" || r.Told() != "" {
		t.Errorf("got %+v", r)
	}
	busy := &Refusal{Reason: "keys", Busy: true, Limited: true, Detail: "which"}
	if answer, _ := busy.Answer(); answer != Later || RefusalOf(busy) != busy {
		t.Errorf("answered with %d", answer)
	}
	if record := busy.Record(); !slices.Equal(record, []any{"user", "", "reason", "keys", "detail", "which"}) {
		t.Errorf("the record is %q", record)
	}
}
