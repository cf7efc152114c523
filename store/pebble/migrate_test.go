package pebble

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hoofbeat/broker"
	"hoofbeat/internal/storetest"
)

// copied is a store in a folder of the test's, as a version that wrote format
// 1 has left it.
func copied(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(dir, os.DirFS("testdata/format1")); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err == nil {
			err = os.Chmod(path, 0o700)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// wantFormat1 checks that a store has the content of testdata/format1: two
// durable subscriptions with two messages each, and a queue with messages of
// other priorities, with a state, with an expiry, and one that is delayed.
func wantFormat1(t *testing.T, s *Store) {
	t.Helper()
	queues, _ := storetest.Load(t, s)
	var names, bodies []string
	for _, q := range queues {
		names = append(names, q.Meta.Destination.String())
		for l := range broker.Lane(broker.Lanes) {
			for _, m := range storetest.ReadLane(t, s, q.ID, l) {
				bodies = append(bodies, string(m.Message.Body()))
			}
		}
	}
	if got := strings.Join(names, " "); got != "/subscription/alice/c/one /subscription/bob/c/two /queue/orders" {
		t.Errorf("queues are %s", got)
	}
	want := "news 2, news 1, news 2, news 1, order 0, order 1, order 2, order 3, order 4, colon, in 2100"
	if got := strings.Join(bodies, ", "); got != want {
		t.Errorf("messages are %s, want %s", got, want)
	}
}

// A store of format 1 opens, is migrated once, and loses nothing.
func TestMigration(t *testing.T) {
	dir := copied(t)
	mustCheck(t, dir, nil) // of format 1 as well
	for range 2 {
		s, err := Open(dir, strict(t, Options{}))
		if err != nil {
			t.Fatal(err)
		}
		wantFormat1(t, s)
		if n, _, err := s.number(prefixFormat); n != format || err != nil {
			t.Errorf("its format is %d, error %v", n, err)
		}
		mustClose(t, s)
		mustCheck(t, dir, nil)
	}
}
