package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hoofbeat/admin"
)

// operatorConfig has clients, and operators with different rights.
const operatorConfig = `listen: { admin: { address: "127.0.0.1:0" } }
auth:
  jwt: { algorithms: [HS256], secret: ` + reloadSecret + `, required_claims: [exp] }
  revoked_file: REVOKED
acl:
  - { roles: [client], allow: [send, subscribe], destinations: ["/**"] }
  - { roles: [looker], allow: ["admin:read"] }
  - { roles: [changer], allow: ["admin:write"] }
`

// A guarded program requires tokens from operators.
type guarded struct {
	*serving
	config, revoked, audit string
}

func startGuarded(t *testing.T, args ...string) *guarded {
	t.Helper()
	g := &guarded{revoked: tempFile(t, "# nobody yet\n"), audit: filepath.Join(t.TempDir(), "audit")}
	g.config = writeConfig(t, strings.ReplaceAll(operatorConfig, "REVOKED", g.revoked))
	args = append([]string{"serve", "--config", g.config, "--listen-websocket-address", "127.0.0.1:0", "--storage-directory", "", "--log-audit", g.audit}, args...)
	g.serving = startProgram(t, 2, args...)
	return g
}

// tokenOf makes a token with the token command.
func tokenOf(t *testing.T, user, role string) string {
	t.Helper()
	config := writeConfig(t, "auth: { jwt: { algorithms: [HS256], secret: "+reloadSecret+" } }\n")
	return signToken(t, "--config", config, "--claims", fmt.Sprintf(`{"sub":%q,"roles":[%q],"jti":"of-%s"}`, user, role, user))
}

// as runs a command with the token of a user with a role.
func (g *guarded) as(role string, args ...string) result {
	g.t.Helper()
	return runProgram(g.t.Context(), nil, append(args, "--admin", g.admin, "--token-file", tempFile(g.t, tokenOf(g.t, role+"-1", role)+"\n"))...)
}

// want runs a command that must succeed.
func (g *guarded) want(role string, args ...string) string {
	g.t.Helper()
	r := g.as(role, args...)
	if r.code != 0 || r.stderr != "" {
		g.t.Fatalf("%q: %+v", args, r)
	}
	return r.stdout
}

// denied runs a command that must fail because of a missing right.
func (g *guarded) denied(role, right string, args ...string) {
	g.t.Helper()
	if r := g.as(role, args...); r.code != 1 || r.stdout != "" || !strings.Contains(r.stderr, right) {
		g.t.Errorf("%s: %q: %+v", role, args, r)
	}
}

// subscribe runs sub as a user and returns a channel with its result. It
// returns when connection n exists.
func (g *guarded) subscribe(n int, url, user string) <-chan result {
	g.t.Helper()
	ended := make(chan result, 1)
	token := tempFile(g.t, tokenOf(g.t, user, "client"))
	go func() {
		ended <- runProgram(g.t.Context(), nil, "sub", "/topic/"+user, "--url", url, "--token-file", token)
	}()
	g.log.wait(g.t, `"connection opened"`, n)
	return ended
}

// wantEnd expects a subscriber to end with a reason.
func wantEnd(t *testing.T, ended <-chan result, parts ...string) {
	t.Helper()
	select {
	case r := <-ended:
		for _, part := range parts {
			if !strings.Contains(r.stderr, part) {
				t.Errorf("%q is not in %+v", part, r)
			}
		}
	case <-time.After(patience):
		t.Fatal("it goes on")
	}
}

func (g *guarded) connections() []admin.ConnectionInfo {
	g.t.Helper()
	var list admin.ConnectionList
	if err := json.Unmarshal([]byte(g.want("looker", "connection", "list", "--json")), &list); err != nil {
		g.t.Fatal(err)
	}
	return list.Connections
}

// A reader sees everything and changes nothing; an operator with more rights
// does both.
func TestOperatorsWithTokens(t *testing.T) {
	g := startGuarded(t)
	anna := g.subscribe(1, g.urls[0], "anna")
	ws := strings.Replace(g.admin, "http://", "ws://", 1) + "/ws"
	bert := g.subscribe(2, ws, "bert") // through the admin listener
	all := g.connections()
	if len(all) != 2 || all[0].User != "anna" || all[1].User != "bert" || all[1].Transport != "ws" {
		t.Fatalf("got %+v", all)
	}
	for _, args := range [][]string{
		{"connection", "list"}, {"connection", "show", all[0].ID}, {"subscription", "list"}, {"topic", "list"}, {"user", "list"},
	} {
		if out := g.want("looker", args...); !strings.Contains(out, "anna") {
			t.Errorf("%q: %s", args, out)
		}
	}
	if out := g.want("looker", "user", "list", "--filter", "er"); strings.Contains(out, "anna") || !strings.Contains(out, "bert") {
		t.Errorf("got %s", out)
	}
	for _, args := range [][]string{
		{"connection", "close", all[0].ID}, {"queue", "create", "/queue/a"}, {"revocation", "add", "user:anna"}, {"log-level", "debug"}, {"drain", "--yes"},
	} {
		g.denied("looker", "admin:write", args...)
		g.denied("client", "admin:write", args...)
	}
	g.denied("client", "admin:read", "overview")
	if out := g.want("changer", "connection", "close", all[0].ID, "--reason", "back at noon"); out != all[0].ID+": closed\n" {
		t.Errorf("got %s", out)
	}
	wantEnd(t, anna, "closed-by-operator", "back at noon")
	if out := g.want("changer", "revocation", "add", "jti:of-bert"); out != "jti:of-bert: revoked\n" {
		t.Errorf("got %s", out)
	}
	wantEnd(t, bert, "token-revoked")
	if text, err := os.ReadFile(g.revoked); err != nil || string(text) != "# nobody yet\njti:of-bert\n" {
		t.Errorf("the file has %q, %v", text, err)
	}
	g.wantRecords(`"connection close"`, `"revocation add"`, `"operator denied"`, `"by":"changer-1"`, `"user":"looker-1"`)
}

func (g *guarded) wantRecords(parts ...string) {
	g.t.Helper()
	text, err := os.ReadFile(g.audit)
	if err != nil {
		g.t.Fatal(err)
	}
	for _, part := range append(parts, "") {
		if !strings.Contains(string(text), part) {
			g.t.Errorf("%s is not recorded: %s", part, text)
		}
	}
	if strings.Contains(string(text), "eyJ") {
		g.t.Error("a token is recorded")
	}
}

func TestOperatorCommands(t *testing.T) {
	g := startGuarded(t)
	if out := g.want("looker", "overview"); !strings.Contains(out, "ready             yes\n") || !strings.Contains(out, g.urls[0]) || !strings.Contains(out, g.admin) {
		t.Errorf("got %s", out)
	}
	if out := g.want("looker", "status", "--json"); !strings.Contains(out, `"stomp_path": "/ws"`) {
		t.Errorf("got %s", out)
	}
	for _, what := range []string{"connection", "subscription", "topic", "user", "revocation", "queue"} {
		if out := g.want("looker", what, "list"); out != "there are no "+what+"s\n" {
			t.Errorf("got %s", out)
		}
	}
	for _, name := range []string{"/queue/a", "/queue/b", "/queue/c"} {
		if out := g.want("changer", "queue", "create", name); out != name+": created\n" {
			t.Errorf("got %s", out)
		}
	}
	if out := g.want("looker", "queue", "list", "--order", "desc", "--limit", "2"); !strings.Contains(out, "/queue/c") || !strings.HasSuffix(out, "no\n2 of 3\n") {
		t.Errorf("got %s", out)
	}
	if out := g.want("looker", "queue", "list", "--filter", "b"); !strings.Contains(out, "/queue/b") || strings.Contains(out, "/queue/a") {
		t.Errorf("got %s", out)
	}
	if out := g.want("looker", "log-level"); out != "info\n" {
		t.Errorf("got %s", out)
	}
	if out := g.want("changer", "log-level", "warn"); out != "warn\n" {
		t.Errorf("got %s", out)
	}
	if out := g.want("changer", "revocation", "remove", "user:x"); out != "user:x: it was not revoked\n" {
		t.Errorf("got %s", out)
	}
	for _, tt := range []struct {
		want string
		args []string
	}{
		{"unknown-connection", []string{"connection", "close", "x"}}, {"unknown-connection", []string{"connection", "show", "x"}},
		{"queue-exists", []string{"queue", "create", "/queue/a"}}, {"expected jti:ID or user:NAME", []string{"revocation", "add", "x"}},
		{"expected kind to be", []string{"revocation", "add", "role:x"}}, {"expected level", []string{"log-level", "loud"}}, {"expected --yes", []string{"drain"}},
		{"expected sort", []string{"queue", "list", "--sort", "x"}}, {"expected --limit", []string{"topic", "list", "--limit", "-1"}},
	} {
		g.denied("changer", tt.want, tt.args...)
	}
	if r := runProgram(t.Context(), nil, "queue", "list", "--admin", g.admin); r.code != 1 || !strings.Contains(r.stderr, "--token-file or HOOFBEAT_ADMIN_TOKEN") {
		t.Errorf("without a token: %+v", r)
	}
	if r := runProgram(t.Context(), nil, "queue", "list", "--admin", g.admin, "--token", "x"); r.code != 1 || !strings.Contains(r.stderr, "(unauthenticated)") {
		t.Errorf("with another token: %+v", r)
	}
}

// The token may be in an environment variable, which is no configuration key.
func TestOperatorTokenFromTheEnvironment(t *testing.T) {
	g := startGuarded(t)
	t.Setenv(tokenVariable, tokenOf(t, "ada", "looker"))
	if out := mustRun(t, "overview", "--admin", g.admin); !strings.Contains(out, "connections") {
		t.Errorf("got %s", out)
	}
	if r := runProgram(t.Context(), nil, "config", "check", g.config); r.code != 0 || strings.Contains(r.stderr, tokenVariable) {
		t.Errorf("the check says %+v", r)
	}
}

// An operator's drain has the effect of a signal.
func TestDrainByAnOperator(t *testing.T) {
	g := startGuarded(t)
	anna := g.subscribe(1, g.urls[0], "anna")
	if out := g.want("changer", "drain", "--yes"); out != "the broker stops\n" {
		t.Errorf("got %s", out)
	}
	select {
	case code := <-g.code:
		if code != 0 {
			t.Errorf("exit code %d: %s", code, g.log)
		}
		close(g.code)
	case <-time.After(2 * patience):
		t.Fatal("it goes on")
	}
	<-anna
	g.wantRecords(`"msg":"drain"`)
}

// The admin listener supports TLS, addresses beyond loopback, and host names.
func TestOperatorsOverTLS(t *testing.T) {
	cert, key := certFiles(t)
	g := startGuarded(t, "--listen-admin-tls-cert", cert, "--listen-admin-tls-key", key)
	if !strings.HasPrefix(g.admin, "https://") {
		t.Fatalf("it is at %s", g.admin)
	}
	token := tempFile(t, tokenOf(t, "ada", "looker"))
	for name, args := range map[string][]string{"trusted": {"--ca", cert}, "not looked at": {"--insecure"}} {
		out := mustRun(t, append([]string{"queue", "list", "--admin", g.admin, "--token-file", token}, args...)...)
		if out != "there are no queues\n" {
			t.Errorf("%s: %s", name, out)
		}
	}
	if r := runProgram(t.Context(), nil, "queue", "list", "--admin", g.admin, "--token-file", token); r.code != 1 || !strings.Contains(r.stderr, "certificate") {
		t.Errorf("a certificate of nobody: %+v", r)
	}
}
