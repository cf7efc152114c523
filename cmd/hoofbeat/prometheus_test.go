package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-stomp/stomp/v3"

	"hoofbeat/internal/client"
	"hoofbeat/internal/proctest"
)

const deployed = "../../deploy/"

// requirePrograms skips a test if a program is missing. scripts/test.sh
// installs them, and reports those that it could not install.
func requirePrograms(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			t.Skip("Debian's package prometheus is not installed: ", err)
		}
	}
}

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// prometheusFiles creates a directory with the files of deploy/prometheus, for
// a broker at target and with a short scrape interval.
func prometheusFiles(t *testing.T, target, token string) (dir, config string) {
	t.Helper()
	dir = t.TempDir()
	text := readText(t, deployed+"prometheus/prometheus.yml")
	for old, now := range map[string]string{"127.0.0.1:15680": target, "_interval: 15s": "_interval: 1s"} {
		if !strings.Contains(text, old) {
			t.Fatalf("prometheus.yml has no %q", old)
		}
		text = strings.ReplaceAll(text, old, now)
	}
	for name, content := range map[string]string{
		"prometheus.yml": text, "hoofbeat.rules.yml": readText(t, deployed+"prometheus/hoofbeat.rules.yml"), "hoofbeat.token": token + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, filepath.Join(dir, "prometheus.yml")
}

// A monitor is Debian's Prometheus.
type monitor struct {
	t    *testing.T
	base string
}

func startPrometheus(t *testing.T, dir, config string) *monitor {
	t.Helper()
	address := freeAddress(t)
	p, err := proctest.Start("prometheus", "--config.file", config, "--storage.tsdb.path", filepath.Join(dir, "data"), "--web.listen-address", address,
		"--log.level", "warn")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.End(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
	})
	if err := p.WaitFor(address); err != nil {
		t.Fatal(err)
	}
	return &monitor{t, "http://" + address}
}

// get queries the API and decodes the data of the response into into.
func (m *monitor) get(path string, query url.Values, into any) error {
	r, err := http.Get(m.base + path + "?" + query.Encode())
	if err != nil {
		return err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	var answer struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("%s: %w", body, err)
	}
	if answer.Status != "success" {
		return fmt.Errorf("%s", answer.Error)
	}
	return json.Unmarshal(answer.Data, into)
}

// values evaluates an expression. An error ends the test.
func (m *monitor) values(expression string) (values []string) {
	var data struct {
		Result []struct{ Value [2]any }
	}
	err := m.get("/api/v1/query", url.Values{"query": {expression}}, &data)
	if err != nil {
		if strings.Contains(err.Error(), "Service Unavailable") {
			return nil // it is starting
		}
		m.t.Fatalf("%s: %v", expression, err)
	}
	for _, r := range data.Result {
		values = append(values, r.Value[1].(string))
	}
	return values
}

// hasData reports whether an expression has a numeric value.
func (m *monitor) hasData(expression string) bool {
	for _, v := range m.values(expression) {
		if v != "NaN" {
			return true
		}
	}
	return false
}

// wantData waits until all expressions have data.
func (m *monitor) wantData(expressions []string) {
	m.t.Helper()
	late := time.Now().Add(30 * time.Second)
	missing := expressions
	for {
		var still []string
		for _, e := range missing {
			if !m.hasData(e) {
				still = append(still, e)
			}
		}
		if missing = still; len(missing) == 0 {
			return
		}
		if time.Now().After(late) {
			break
		}
		select {
		case <-time.After(500 * time.Millisecond): // between two scrapes
		case <-m.t.Context().Done():
		}
	}
	for _, e := range missing {
		m.t.Errorf("this has no data: %s", e)
	}
}

// wantHealthy expects every rule to be evaluated without an error.
func (m *monitor) wantHealthy(rules int) {
	m.t.Helper()
	var data struct {
		Groups []struct {
			Rules []struct{ Name, Health, LastError string }
		}
	}
	if err := m.get("/api/v1/rules", nil, &data); err != nil {
		m.t.Fatal(err)
	}
	n := 0
	for _, g := range data.Groups {
		for _, r := range g.Rules {
			n++
			if r.Health != "ok" {
				m.t.Errorf("%s is %s: %s", r.Name, r.Health, r.LastError)
			}
		}
	}
	if n != rules {
		m.t.Errorf("%d rules are loaded, want %d", n, rules)
	}
}

// alertExpressions returns the expressions in the rules.
func alertExpressions(t *testing.T) (all []string) {
	t.Helper()
	expression := regexp.MustCompile(`(?m)^        expr: (?:\|\n((?:          .*\n)+)|(.*)\n)`)
	for _, m := range expression.FindAllStringSubmatch(readText(t, deployed+"prometheus/hoofbeat.rules.yml"), -1) {
		all = append(all, strings.Join(strings.Fields(m[1]+m[2]), " "))
	}
	return all
}

// withoutComparisons changes an alert's expression so that it has data whenever
// its operands have: with bool, each comparison gives 0 or 1.
func withoutComparisons(expression string) string {
	var b strings.Builder
	var quote byte
	inBraces := false
	for i := 0; i < len(expression); i++ {
		c := expression[i]
		b.WriteByte(c)
		switch {
		case quote != 0:
			if c == '\\' && i+1 < len(expression) {
				i++
				b.WriteByte(expression[i])
			} else if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'' || c == '`':
			quote = c
		case c == '{' || c == '}':
			inBraces = c == '{'
		case inBraces:
		case strings.IndexByte("<>=!", c) >= 0:
			if i+1 < len(expression) && expression[i+1] == '=' {
				i++
				b.WriteByte('=')
			}
			b.WriteString(" bool")
		}
	}
	return b.String()
}

func TestWithoutComparisons(t *testing.T) {
	for in, want := range map[string]string{
		`up{job="x"} == 0`: `up{job="x"} == bool 0`,
		`a{b!="<", c=~"}>"} >= 1 and max(d) < 2 * e[5m]`: `a{b!="<", c=~"}>"} >= bool 1 and max(d) < bool 2 * e[5m]`,
		`a{b="\">"} != c`: `a{b="\">"} != bool c`,
	} {
		if got := withoutComparisons(in); got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
}

// dashboardExpressions returns all expressions of the dashboard with its
// variables replaced.
func dashboardExpressions(t *testing.T) (all []string) {
	t.Helper()
	var d any
	if err := json.Unmarshal([]byte(readText(t, deployed+"grafana/hoofbeat.json")), &d); err != nil {
		t.Fatal(err)
	}
	variables := strings.NewReplacer("$instance", ".*", "$__rate_interval", "5m")
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for key, e := range v {
				if text, ok := e.(string); ok && key == "expr" {
					text = variables.Replace(text)
					if strings.Contains(text, "$") {
						t.Errorf("an unknown variable: %s", text)
					}
					all = append(all, text)
				}
				walk(e)
			}
		}
	}
	walk(d)
	return all
}

// traffic sends and receives in all the ways that the dashboard shows, until
// the context is done.
func traffic(ctx context.Context, t *testing.T, url, token string) <-chan struct{} {
	t.Helper()
	c, err := client.Dial(ctx, url, client.Options{Token: token})
	if err != nil {
		t.Fatal(err)
	}
	var subs []*stomp.Subscription
	for _, d := range []string{"/queue/a", "/topic/a"} {
		s, err := c.Subscribe(d, stomp.AckAuto)
		if err != nil {
			t.Fatal(err)
		}
		subs = append(subs, s)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			for i, s := range subs {
				if err := c.Send([]string{"/queue/a", "/topic/a"}[i], "text/plain", []byte("x"), stomp.SendOpt.Receipt); err != nil {
					t.Error(err)
					return
				}
				<-s.C
			}
			select {
			case <-time.After(20 * time.Millisecond): // enough messages for each scrape
			case <-ctx.Done():
				_ = c.MustDisconnect() // the broker ends next
				return
			}
		}
	}()
	return done
}

// TestPrometheus: Debian's Prometheus scrapes a broker under traffic with the
// files of deploy/prometheus, and every expression in the rules and the
// dashboard has data.
func TestPrometheus(t *testing.T) {
	requirePrograms(t, "prometheus", "promtool")
	config := writeConfig(t, strings.Replace(operatorConfig, "  revoked_file: REVOKED\n", "", 1))
	s := startProgram(t, 2, "serve", "--config", config, "--listen-websocket-address", "127.0.0.1:0", "--storage-directory", filepath.Join(t.TempDir(), "data"))
	dir, prometheusConfig := prometheusFiles(t, strings.TrimPrefix(s.admin, "http://"), tokenOf(t, "prometheus", "looker"))
	if out, err := exec.Command("promtool", "check", "config", prometheusConfig).CombinedOutput(); err != nil {
		t.Fatalf("promtool: %v\n%s", err, out)
	}
	busy, stop := context.WithCancel(t.Context())
	done := traffic(busy, t, s.urls[0], tokenOf(t, "busy", "client"))
	defer func() { stop(); <-done }()
	m := startPrometheus(t, dir, prometheusConfig)

	alerts, panels := alertExpressions(t), dashboardExpressions(t)
	if len(alerts) < 15 || len(panels) < 50 {
		t.Fatalf("only %d alerts and %d expressions of panels were found", len(alerts), len(panels))
	}
	var all []string
	for _, e := range append(alerts, panels...) {
		all = append(all, withoutComparisons(e))
	}
	m.wantData(all)
	m.wantHealthy(len(alerts))
	for _, v := range m.values("up") {
		if v != "1" {
			t.Errorf("up is %s", v)
		}
	}
}

// Every alert has a description and a section in the runbook.
func TestRunbooks(t *testing.T) {
	rules, page := readText(t, deployed+"prometheus/hoofbeat.rules.yml"), readText(t, "../../docs/operations.md")
	parts := strings.Split(rules, "- alert: ")[1:]
	if len(parts) != len(alertExpressions(t)) {
		t.Errorf("%d alerts, but %d expressions", len(parts), len(alertExpressions(t)))
	}
	for _, part := range parts {
		name, _, _ := strings.Cut(part, "\n")
		if !strings.Contains(part, "runbook: docs/operations.md#"+strings.ToLower(name)+"\n") || !strings.Contains(part, "summary: \"") || !strings.Contains(part, "severity: ") {
			t.Errorf("%s lacks a summary, a severity, or its section in docs/operations.md", name)
		}
		if !regexp.MustCompile(`(?m)^#+ ` + name + `$`).MatchString(page) {
			t.Errorf("docs/operations.md has no section for %s", name)
		}
	}
}
