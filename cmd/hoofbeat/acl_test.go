package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestACLTest(t *testing.T) {
	file := tokenConfig(t)
	token := signToken(t, "--config", file, "--claims", `{"name":"anna","iss":"shop","realm":{"roles":["service"]}}`)
	verified := `user "anna" with roles ["service"], by a token that was verified` + "\n"
	for name, tc := range map[string]struct {
		args []string
		code int
		want string
	}{
		"token": {
			[]string{"--token", token, "--subscribe", "/topic/anna.**", "--send", "/queue/a", "--subscribe", "/temp-queue/x"}, 0,
			verified + "allowed  subscribe /topic/anna.**  by rule \"own\"\nallowed  send /queue/a  by rule \"#1\"\n" +
				"allowed  subscribe /temp-queue/x  temporary queues are their connection's own\n",
		},
		"token file": {
			[]string{"--token-file", tempFile(t, token+"\n"), "--send", "/queue/secret.a", "--send", "/queue/a", "--subscribe", "/topic/**"}, 1,
			verified + "denied   send /queue/secret.a  by rule \"no secrets\"\nallowed  send /queue/a  by rule \"#1\"\n" +
				"denied   subscribe /topic/**  no rule allows all that the pattern matches\n",
		},
		"claims": {
			[]string{"--claims", `{"name":"bob","iss":"other","exp":1}`, "--subscribe", "/topic/bob.x"}, 0,
			"user \"bob\" without roles, by the claims as they were given: no signature, date, issuer or audience was verified\n" +
				"allowed  subscribe /topic/bob.x  by rule \"own\"\n",
		},
		"user": {
			[]string{"--user", "eve", "--role", "service", "--role", "x", "--send", "/queue/a"}, 0,
			"user \"eve\" with roles [\"service\" \"x\"], as named, without a proof\nallowed  send /queue/a  by rule \"#1\"\n",
		},
		"static user": {
			[]string{"--user", "billing", "--send", "/queue/a\x1b"}, 0,
			"user \"billing\" with roles [\"service\"], as named, without a proof, with the roles of the static user\n" +
				"allowed  send \"/queue/a\\x1b\"  by rule \"#1\"\n",
		},
		"static user, other roles": {
			[]string{"--user", "billing", "--role", "x", "--send", "/queue/a"}, 1,
			"user \"billing\" with roles [\"x\"], as named, without a proof\ndenied   send /queue/a  no rule allows it\n",
		},
		"operator": {
			[]string{"--user", "eve", "--role", "operator", "--admin-read", "--admin-write"}, 0,
			"user \"eve\" with roles [\"operator\"], as named, without a proof\n" +
				"allowed  admin:read /**  by rule \"operators\"\nallowed  admin:write /**  by rule \"operators\"\n",
		},
		"no operator": {
			[]string{"--user", "eve", "--role", "service", "--admin-read", "--admin-write"}, 1,
			"user \"eve\" with roles [\"service\"], as named, without a proof\n" +
				"denied   admin:read /**  no rule allows all that the pattern matches\ndenied   admin:write /**  no rule allows all that the pattern matches\n",
		},
		"anonymous": {
			[]string{"--anonymous", "--subscribe", "/topic/news"}, 0,
			"user \"anonymous\" with roles [\"guest\"], without credentials\nallowed  subscribe /topic/news  by rule \"guests read\"\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := runProgram(t.Context(), nil, append([]string{"acl", "test", "--config", file}, tc.args...)...)
			if (r != result{tc.code, tc.want, ""}) {
				t.Errorf("got %+v, want %d and\n%s", r, tc.code, tc.want)
			}
		})
	}
}

func TestACLTestExplain(t *testing.T) {
	args := []string{"acl", "test", "--config", tokenConfig(t), "--user", "anna", "--subscribe", "/queue/**", "--explain"}
	r := runProgram(t.Context(), nil, args...)
	if r.code != 1 || !strings.Contains(r.stdout, "\n      \"no secrets\" denies it: \"/queue/secret.**\"\n") {
		t.Errorf("got %+v", r)
	}
	r = runProgram(t.Context(), nil, append(args, "--json")...)
	var out struct {
		User      string
		Roles     []string
		Verified  bool
		Decisions []decision
	}
	if err := json.Unmarshal([]byte(r.stdout), &out); err != nil || r.code != 1 || r.stderr != "" {
		t.Fatalf("%v: %+v", err, r)
	}
	d := out.Decisions[0]
	if out.User != "anna" || out.Roles == nil || out.Verified || d.Allowed || d.Rule != "no secrets" || d.Action != "subscribe" ||
		d.Destination != "/queue/**" || d.Reason != "a rule denies it" || !strings.HasPrefix(d.Explanation, "denied: ") {
		t.Errorf("got %+v", out)
	}
}

// An undecidable question is reported as neither allowed nor denied.
func TestACLFaults(t *testing.T) {
	file := tokenConfig(t)
	closed := writeConfig(t, "auth: { jwt: { algorithms: [HS256], secret: "+tokenSecret+" } }\n")
	expired := signToken(t, "--config", file, "--claims", `{"name":"anna","iss":"shop","exp":1}`)
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"nobody":       {nil, "expected one of --token"},
		"two":          {[]string{"--user", "a", "--token", expired}, "expected one of --token"},
		"empty claims": {[]string{"--claims", ""}, "more than nothing"},
		"roles":        {[]string{"--role", "a", "--anonymous"}, "--role goes with --user"},
		"expired":      {[]string{"--token", expired}, "the token is refused: the token has expired"},
		"forged":       {[]string{"--token", expired[:len(expired)-6] + "AAAAAA"}, "the token is refused: the signature"},
		"no file":      {[]string{"--token-file", file + ".absent"}, "no such file"},
		"claims":       {[]string{"--claims", `{"sub":"a"}`}, "name is missing"},
		"flag":         {[]string{"--tokn", "s"}, "unknown flag: --tokn"},
		"argument":     {[]string{"anna"}, "anna"},
		"config":       {[]string{"--user", "a", "--auth-anonymous=maybe"}, "auth.anonymous"},
		"closed":       {[]string{"--anonymous", "--config", closed}, "auth.anonymous is false"},
	} {
		for _, command := range [][]string{{"test", "--send", "/queue/a"}, {"list"}} {
			args := append(append([]string{"acl"}, command...), append([]string{"--config", file}, tc.args...)...)
			r := runProgram(t.Context(), nil, args...)
			if r.code != 2 || r.stdout != "" || !strings.Contains(r.stderr, tc.want) || strings.Contains(r.stderr, expired) {
				t.Errorf("%s, %s: got %+v", name, command[0], r)
			}
		}
	}
	if r := runProgram(t.Context(), nil, "acl", "test", "--config", file, "--user", "a"); r.code != 2 || !strings.Contains(r.stderr, "at least one --send") {
		t.Errorf("got %+v", r)
	}
}

// Claims and users can be tested without the keys of tokens.
func TestACLFetchesForTokensOnly(t *testing.T) {
	file := writeConfig(t, "auth: { jwt: { jwks_url: \"http://"+freeAddress(t)+"\" } }\nacl: [{ name: all, allow: [send], destinations: [/queue/a] }]\n")
	args := []string{"acl", "test", "--config", file, "--send", "/queue/a"}
	for _, who := range [][]string{{"--claims", `{"sub":"a"}`}, {"--user", "a"}} {
		if r := runProgram(t.Context(), nil, append(args, who...)...); r.code != 0 {
			t.Errorf("%s: got %+v", who[0], r)
		}
	}
	if r := runProgram(t.Context(), nil, append(args, "--token", "e30.e30.AAAA")...); r.code != 2 || !strings.Contains(r.stderr, "auth.jwt.jwks_url") {
		t.Errorf("got %+v", r)
	}
}

func TestACLList(t *testing.T) {
	file := tokenConfig(t)
	r := runProgram(t.Context(), nil, "acl", "list", "--config", file, "--claims", `{"name":"a.b","realm":{"roles":"service"}}`)
	want := `user "a.b" with roles ["service"], by the claims as they were given: no signature, date, issuer or audience was verified
DECISION  ACTION     PATTERN           RULE
allow     send       /queue/**         #1
deny      send       /queue/secret.**  no secrets
allow     subscribe  /topic/"a.b".**   own
allow     subscribe  /queue/**         #1
deny      subscribe  /queue/secret.**  no secrets
`
	if (r != result{0, want, ""}) {
		t.Errorf("got %+v, want\n%s", r, want)
	}
	r = runProgram(t.Context(), nil, "acl", "list", "--config", file, "--anonymous", "--json")
	var out struct {
		User   string
		Grants []grant
	}
	if err := json.Unmarshal([]byte(r.stdout), &out); err != nil || r.code != 0 || len(out.Grants) != 4 || out.User != "anonymous" {
		t.Errorf("%v: got %+v", err, r)
	}
}

func TestACLListExtremes(t *testing.T) {
	open := writeConfig(t, "auth: { anonymous: true }\n")
	if r := runProgram(t.Context(), nil, "acl", "list", "--config", open, "--user", "a"); r.code != 0 || !strings.Contains(r.stdout, "/**      (there are no rules)\n") {
		t.Errorf("got %+v", r)
	}
	shut := writeConfig(t, "auth: { jwt: { algorithms: [HS256], secret: "+tokenSecret+" } }\n")
	if r := runProgram(t.Context(), nil, "acl", "list", "--config", shut, "--user", "a"); r.code != 0 || !strings.Contains(r.stdout, "nothing is allowed\n") {
		t.Errorf("got %+v", r)
	}
	if r := runProgram(t.Context(), nil, "acl", "list", "--config", shut, "--user", "a", "--json"); r.code != 0 || !strings.Contains(r.stdout, `"grants": []`) {
		t.Errorf("got %+v", r)
	}
}
