package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"hoofbeat/admin"
)

// startDurable runs a broker with a storage directory and an admin listener.
func startDurable(t *testing.T, directory string, args ...string) *serving {
	t.Helper()
	return startServe(t, 2, append([]string{"--listen-admin-address", "127.0.0.1:0", "--storage-directory", directory}, args...)...)
}

// publish sends messages with receipts.
func (s *serving) publish(destination string, bodies ...string) {
	s.t.Helper()
	args := append(append([]string{"pub", destination}, bodies...), "--url", s.urls[0])
	if r := runProgram(s.t.Context(), nil, args...); (r != result{}) {
		s.t.Fatalf("pub: %+v", r)
	}
}

// operate runs a command on the broker and expects it to succeed.
func (s *serving) operate(args ...string) string {
	s.t.Helper()
	return mustRun(s.t, append(args, "--admin", s.admin)...)
}

func mustRun(t *testing.T, args ...string) string {
	t.Helper()
	r := runProgram(t.Context(), nil, args...)
	if r.code != 0 || r.stderr != "" {
		t.Fatalf("%q: %+v", args, r)
	}
	return r.stdout
}

func TestQueueCommands(t *testing.T) {
	s := startDurable(t, filepath.Join(t.TempDir(), "data"))
	if got := s.operate("queue", "list"); got != "there are no queues\n" {
		t.Errorf("list: %s", got)
	}
	s.publish("/queue/orders.new", "one", "two", "three")
	s.publish("/queue/dead", "x")
	list := s.operate("queue", "list")
	want := `QUEUE              READY  UNACKED  DELAYED  CONSUMERS  BYTES  OLDEST  DURABLE
/queue/dead        1      0        0        0          \d+ +(-|\d+s) +yes
/queue/orders.new  3      0        0        0          \d+ +(-|\d+s) +yes
`
	if !regexp.MustCompile("^" + want + "$").MatchString(list) {
		t.Errorf("list:\n%s", list)
	}
	if got := s.operate("queue", "show", "/queue/orders/new"); !shows(got, "ready", "3") || !shows(got, "durable", "true") || shows(got, "oldest", "-") {
		t.Errorf("show:\n%s", got)
	}
	got := s.operate("queue", "browse", "/queue/orders.new", "--skip", "1", "--limit", "1")
	if strings.Count(got, "body of ") != 1 || !strings.Contains(got, "  /queue/orders.new  priority 4, ") || !strings.Contains(got, "    body of 3 bytes: two\n") {
		t.Errorf("browse:\n%s", got)
	}
	if got := s.operate("queue", "move", "/queue/orders.new", "/queue/dead", "--limit", "2"); got != "2 messages moved from /queue/orders.new to /queue/dead\n" {
		t.Errorf("move: %s", got)
	}
	if got := s.bodies("/queue/dead"); got != "x one two" {
		t.Errorf("moved: %s", got)
	}
	if got := s.operate("queue", "purge", "/queue/dead", "--yes"); got != "/queue/dead: 3 messages dropped\n" {
		t.Errorf("purge: %s", got)
	}
	if got := s.operate("queue", "delete", "/queue/orders.new", "--yes"); got != "/queue/orders.new: 1 message dropped\n" {
		t.Errorf("delete: %s", got)
	}
	var all admin.QueueList
	if err := json.Unmarshal([]byte(s.operate("queue", "list", "--json")), &all); err != nil || all.Queues == nil || len(all.Queues) != 0 {
		t.Errorf("list: %+v, %v", all, err)
	}
}

// bodies returns the bodies of a queue's ready messages.
func (s *serving) bodies(queue string) string {
	s.t.Helper()
	var all admin.Messages
	if err := json.Unmarshal([]byte(s.operate("queue", "browse", queue, "--json", "--limit", "1000", "--body", "1000")), &all); err != nil {
		s.t.Fatal(err)
	}
	var bodies []string
	for _, m := range all.Messages {
		bodies = append(bodies, m.Body)
	}
	return strings.Join(bodies, " ")
}

// Browsing reads all pages, in order.
func TestQueueBrowsePages(t *testing.T) {
	s := startDurable(t, "")
	var bodies []string
	for i := range 2*pageSize + 5 {
		bodies = append(bodies, strings.Repeat("x", i+1))
	}
	s.publish("/queue/a", bodies...)
	if got := s.bodies("/queue/a"); got != strings.Join(bodies, " ") {
		t.Errorf("got %d bytes", len(got))
	}
	if got := s.operate("queue", "browse", "/queue/a", "--skip", "204"); strings.Count(got, "body of ") != 1 || !strings.Contains(got, "body of 205 bytes: "+strings.Repeat("x", 200)+"...\n") {
		t.Errorf("the last one:\n%s", got)
	}
	if got := s.operate("queue", "browse", "/queue/a", "--skip", "205"); got != "no message waits there\n" {
		t.Errorf("behind the last one:\n%s", got)
	}
}

func TestQueueCommandFaults(t *testing.T) {
	s := startDurable(t, "")
	s.publish("/queue/a", "x")
	free := freeAddress(t)
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"unknown":          {[]string{"show", "/queue/b"}, "there is no such queue (unknown-queue)"},
		"unknown browse":   {[]string{"browse", "/queue/b"}, "there is no such queue (unknown-queue)"},
		"unknown purge":    {[]string{"purge", "/queue/b", "--yes"}, "there is no such queue (unknown-queue)"},
		"unknown move":     {[]string{"move", "/queue/b", "/queue/c"}, "there is no such queue (unknown-queue)"},
		"unknown delete":   {[]string{"delete", "/queue/b", "--yes"}, "there is no such queue (unknown-queue)"},
		"no confirmation":  {[]string{"purge", "/queue/a"}, "expected --yes"},
		"no confirmation2": {[]string{"delete", "/queue/a"}, "expected --yes"},
		"topic":            {[]string{"show", "/topic/a"}, "is not the name of a queue"},
		"wildcard":         {[]string{"purge", "/queue/*", "--yes"}, "holds a wildcard"},
		"itself":           {[]string{"move", "/queue/a", "/queue/a"}, "expected two queues"},
		"limit":            {[]string{"move", "/queue/a", "/queue/b", "--limit", "-1"}, "expected --limit"},
		"browse limit":     {[]string{"browse", "/queue/a", "--limit", "0"}, "expected --skip and --body"},
		"body":             {[]string{"browse", "/queue/a", "--body", "65537"}, "expected body to be a number from 0 to 65536"},
		"no queue":         {[]string{"show"}, "accepts 1 arg"},
		"both":             {[]string{"list", "--directory", "x"}, "expected either --admin or --directory"},
	} {
		r := runProgram(t.Context(), nil, append(append([]string{"queue"}, tc.args...), "--admin", s.admin)...)
		if r.code != 1 || r.stdout != "" || !strings.Contains(r.stderr, tc.want) {
			t.Errorf("%s: got %+v", name, r)
		}
	}
	if got := s.bodies("/queue/a"); got != "x" {
		t.Errorf("what was refused was done: %s", got)
	}
	for name, tc := range map[string]struct{ address, want string }{
		"nobody there":   {free, "no broker answers at " + free},
		"port 0":         {"127.0.0.1:0", "where no broker can be reached"},
		"no port":        {"localhost", "where no broker can be reached"},
		"another server": {host(s.urls[0]), "does not answer as a broker does"},
	} {
		if r := runProgram(t.Context(), nil, "queue", "list", "--admin", tc.address); r.code != 1 || !strings.Contains(r.stderr, tc.want) {
			t.Errorf("%s: got %+v", name, r)
		}
	}
	if r := runProgram(t.Context(), nil, "queue", "list", "--listen-admin-address", ""); r.code != 1 || !strings.Contains(r.stderr, "--admin HOST:PORT") {
		t.Errorf("got %+v", r)
	}
}

// Commands find the broker by the address in the configuration.
func TestQueueFindsTheBroker(t *testing.T) {
	s := startDurable(t, "")
	s.publish("/queue/a", "x")
	file := writeConfig(t, "auth: { anonymous: true }\nlisten: { admin: { address: \""+host(s.admin)+"\" } }\n")
	if got := mustRun(t, "queue", "show", "/queue/a", "--config", file); !shows(got, "ready", "1") {
		t.Errorf("got %s", got)
	}
}

// Commands work on a directory only while no broker runs on it.
func TestQueueCommandsOnADirectory(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "data")
	s := startDurable(t, directory)
	s.publish("/queue/a", "one", "two")
	for _, command := range [][]string{{"queue", "list"}, {"queue", "purge", "/queue/a", "--yes"}, {"store", "backup", filepath.Join(t.TempDir(), "b")}} {
		r := runProgram(t.Context(), nil, append(command, "--directory", directory)...)
		if r.code != 1 || !strings.Contains(r.stderr, "--directory: the store in "+directory+" is in use by another hoofbeat") ||
			!strings.Contains(r.stderr, "leave --directory away") {
			t.Errorf("%q: got %+v", command, r)
		}
	}
	if r := runProgram(t.Context(), nil, "store", "check", directory); r.code != 1 || !strings.Contains(r.stderr, "is in use by another hoofbeat") {
		t.Errorf("got %+v", r)
	}
	s.stop()
	on := func(args ...string) string {
		t.Helper()
		return mustRun(t, append(args, "--directory", directory)...)
	}
	if got := on("queue", "list"); !strings.Contains(got, "/queue/a  2 ") {
		t.Errorf("list:\n%s", got)
	}
	if got := on("queue", "move", "/queue/a", "/queue/b", "--limit", "1"); got != "1 message moved from /queue/a to /queue/b\n" {
		t.Errorf("move: %s", got)
	}
	if got := on("queue", "purge", "/queue/a", "--yes"); got != "/queue/a: 1 message dropped\n" {
		t.Errorf("purge: %s", got)
	}
	copied := filepath.Join(t.TempDir(), "copy")
	if got := on("store", "backup", copied); got != "backed up to "+copied+"\n" {
		t.Errorf("backup: %s", got)
	}
	if got := on("queue", "delete", "/queue/b", "--yes"); got != "/queue/b: 1 message dropped\n" {
		t.Errorf("delete: %s", got)
	}
	if got := on("queue", "list"); got != "there are no queues\n" {
		t.Errorf("list:\n%s", got)
	}
	for _, d := range []string{directory, copied} {
		if got := mustRun(t, "store", "check", d); got != d+": ok\n" {
			t.Errorf("check: %s", got)
		}
	}
	s = startDurable(t, copied)
	if got := s.bodies("/queue/b"); got != "one" {
		t.Errorf("the copy has %s", got)
	}
}

// Commands never create a store.
func TestQueueCommandsMakeNoStore(t *testing.T) {
	empty := t.TempDir()
	file := tempFile(t, "x")
	for _, directory := range []string{empty, filepath.Join(empty, "none"), file} {
		for _, command := range [][]string{{"queue", "list", "--directory"}, {"store", "backup", filepath.Join(empty, "b"), "--directory"}, {"store", "check"}} {
			r := runProgram(t.Context(), nil, append(command, directory)...)
			if r.code != 1 || r.stdout != "" || !strings.Contains(r.stderr, "there is no store") {
				t.Errorf("%q: got %+v", command, r)
			}
		}
	}
	if left, err := os.ReadDir(empty); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if r := runProgram(t.Context(), nil, "store", "check"); r.code != 1 || !strings.Contains(r.stderr, "storage.directory is empty") {
		t.Errorf("got %+v", r)
	}
}

// store check finds a table with altered bytes.
func TestStoreCheckFindsDamage(t *testing.T) {
	s := startDurable(t, filepath.Join(t.TempDir(), "data"))
	s.publish("/queue/a", strings.Repeat("abcdefghijklmnopqrstuvwxyz", 1000), "two")
	copied := filepath.Join(t.TempDir(), "copy")
	s.operate("store", "backup", copied)
	s.stop()
	s = startDurable(t, copied) // moves the content of the log into a table
	s.stop()
	tables, err := filepath.Glob(filepath.Join(copied, "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("there are no tables: %v", err)
	}
	for _, table := range tables {
		data, err := os.ReadFile(table)
		if err != nil {
			t.Fatal(err)
		}
		for i := range min(len(data), 64) {
			data[i] ^= 0xff
		}
		if err := os.WriteFile(table, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if r := runProgram(t.Context(), nil, "store", "check", copied); r.code != 1 || !strings.Contains(r.stdout+r.stderr, copied) || strings.Contains(r.stdout, ": ok") {
		t.Errorf("got %+v", r)
	}
}

func TestStoreBackupOfARunningBroker(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	s := startDurable(t, data)
	s.publish("/queue/a", "one", "two")
	copied := filepath.Join(t.TempDir(), "copy")
	if got := s.operate("store", "backup", copied); got != "backed up to "+copied+"\n" {
		t.Errorf("backup: %s", got)
	}
	s.publish("/queue/a", "three")
	if got := mustRun(t, "store", "check", copied); got != copied+": ok\n" {
		t.Errorf("check: %s", got)
	}
	r := runProgram(t.Context(), nil, "store", "backup", copied, "--admin", s.admin)
	if r.code != 1 || !strings.Contains(r.stderr, "(backup-failed)") || !strings.Contains(r.stderr, copied) {
		t.Errorf("again: %+v", r)
	}
	r = runProgram(t.Context(), nil, "store", "backup", filepath.Join(data, "backups", "monday"), "--admin", s.admin)
	if r.code != 1 || !strings.Contains(r.stderr, "within the directory of the store") {
		t.Errorf("in itself: %+v", r)
	}
	second := startDurable(t, copied)
	if got := second.bodies("/queue/a"); got != "one two" {
		t.Errorf("the copy has %s", got)
	}
	memory := startDurable(t, "")
	r = runProgram(t.Context(), nil, "store", "backup", copied, "--admin", memory.admin)
	if r.code != 1 || !strings.Contains(r.stderr, "(nothing-stored)") {
		t.Errorf("of nothing: %+v", r)
	}
}

// /healthz and /readyz answer in JSON, and operations are audited.
func TestAdminListener(t *testing.T) {
	audit := filepath.Join(t.TempDir(), "audit")
	s := startDurable(t, filepath.Join(t.TempDir(), "data"), "--log-audit", audit)
	s.publish("/queue/a", "x")
	for path, want := range map[string]string{"/healthz": `{"status":"ok"}`, "/readyz": `{"ready":true,"reasons":[]}`} {
		r, err := http.Get(s.admin + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		_ = r.Body.Close()
		if err != nil || r.StatusCode != 200 || strings.TrimSpace(string(body)) != want {
			t.Errorf("%s: %d %s, %v", path, r.StatusCode, body, err)
		}
	}
	s.operate("queue", "purge", "/queue/a", "--yes")
	record, err := os.ReadFile(audit)
	if err != nil || !strings.Contains(string(record), `"msg":"queue purge","queue":"/queue/a","messages":1,"remote":"127.0.0.1:`) {
		t.Errorf("%v: recorded %s", err, record)
	}
	s.stop()
	if _, err := http.Get(s.admin + "/healthz"); err == nil {
		t.Error("it is open still")
	}
}

// shows reports whether queue show has printed this value for a name.
func shows(printed, name, value string) bool {
	return regexp.MustCompile(`(?m)^` + name + ` +` + regexp.QuoteMeta(value) + `$`).MatchString(printed)
}
