package pebble

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"hoofbeat/broker"
	"hoofbeat/internal/storetest"
)

// TestElide: a message that is put and deleted in one chunk is not written,
// and nothing else is left out.
func TestElide(t *testing.T) {
	d := storetest.Queue(t, "a")
	for _, c := range []struct{ steps, want string }{
		{"p1", "p1"},
		{"p1 d1", ""},
		{"d1 p1", "d1 p1"},
		{"d1 p1 d1", "d1"},
		{"p1 d1 p1", "p1"},
		{"p1 n1 n1 d1", ""},
		{"n1 d1", "n1 d1"},
		{"n1 d1 p1 n1 d1 p1 n1", "n1 d1 p1 n1"},
		{"p1 p2 d1", "p2"},
		{"p1 n2 d2 d1", "n2 d2"},
		{"p1 c0 p1 d1", "p1 c0"},
		{"p1 x p2 d2", "p1 x"},
	} {
		var ops []broker.Op
		for s := range strings.FieldsSeq(c.steps) {
			op := storetest.Put(1, storetest.Seq(0), storetest.Message(d, "x"))
			if len(s) > 1 {
				op.At.Seq = uint64(s[1] - '0')
			}
			op.Kind = map[byte]broker.OpKind{'p': broker.Put, 'd': broker.Delete, 'n': broker.Note, 'c': broker.Clear, 'x': broker.Drop}[s[0]]
			ops = append(ops, op)
		}
		n := new(elider).elide(ops)
		var got []string
		for _, op := range ops {
			switch op.Kind {
			case 0:
				n--
			case broker.Drop:
				got = append(got, "x")
			default:
				got = append(got, fmt.Sprintf("%c%d", "??xpndc"[op.Kind], op.At.Seq))
			}
		}
		if g := strings.Join(got, " "); g != c.want || n != 0 {
			t.Errorf("of %q is left %q, want %q; %d more were counted", c.steps, g, c.want, n)
		}
	}
}

// TestElided: messages that live shorter than a commit are never written.
func TestElided(t *testing.T) {
	s := mustOpen(t, "data", Options{FS: vfs.NewMem()})
	d := storetest.Queue(t, "a")
	storetest.Apply(t, s, storetest.Describe(1, d))
	m := storetest.Message(d, "x")
	p := storetest.Put(1, storetest.Seq(1), m)
	before := s.Metrics()
	storetest.Apply(t, s, p, storetest.Delete(p))
	if m := s.Metrics(); m.Elided != 2 || m.Bytes > before.Bytes+20 {
		t.Errorf("metrics were %+v, and are %+v", before, m)
	}
}

// TestChunks: a group is written in parts that fit, and a batch in one.
func TestChunks(t *testing.T) {
	d := storetest.Queue(t, "a")
	large, tiny := storetest.Message(d, strings.Repeat("x", chunkSize*2/3)), storetest.Message(d, "x")
	g := &group{}
	for _, b := range [][]*broker.Message{{tiny}, {tiny, tiny}, {large}, {large}, {tiny}, {large, large, large}, {}, {tiny}} {
		var ops broker.Batch
		for i, m := range b {
			ops = append(ops, storetest.Put(1, storetest.Seq(uint64(i)), m))
		}
		g.add(ops, nil)
	}
	var got []int
	for first := 0; first < len(g.applications); {
		n := g.chunk(first)
		got = append(got, n)
		first += n
	}
	if fmt.Sprint(got) != "[3 2 1 2]" {
		t.Errorf("chunks are %v", got)
	}
}

// TestRefused: a breach of the contract is reported to its caller, and leaves
// no trace.
func TestRefused(t *testing.T) {
	fs := vfs.NewMem()
	s := mustOpen(t, "data", Options{FS: fs})
	a, b := storetest.Queue(t, "a"), storetest.Queue(t, "b")
	put := storetest.Put(1, storetest.Seq(1), storetest.Message(a, "x"))
	storetest.Apply(t, s, storetest.Describe(2, a))
	for _, batch := range []broker.Batch{
		{storetest.Put(2, storetest.Seq(1), put.Message), put},
		{put, storetest.Describe(1, a)},
		{storetest.Describe(2, b)},
	} {
		done := make(chan error)
		s.Apply(batch, func(err error) { done <- err })
		if err := <-done; err == nil || errors.Is(err, ErrFailed) {
			t.Errorf("the error is %v", err)
		}
	}
	mustClose(t, s)
	mustCheck(t, "data", fs)
	s = mustOpen(t, "data", Options{FS: fs})
	storetest.Apply(t, s, storetest.Describe(1, a), put)
	mustClose(t, s)
	mustCheck(t, "data", fs)
}

// TestHead: a lane's head follows its deletions, goes back when something is
// put in front, and is kept.
func TestHead(t *testing.T) {
	fs := vfs.NewMem()
	s := mustOpen(t, "data", Options{FS: fs})
	d := storetest.Queue(t, "a")
	storetest.Apply(t, s, storetest.Describe(1, d))
	m := storetest.Message(d, "x")
	const count = headInterval + headsAtClose + 10
	for n := range uint64(count) {
		s.Apply(broker.Batch{storetest.Put(1, storetest.Seq(n+1), m)}, nil)
	}
	storetest.Apply(t, s)
	wantHead := func(s *Store, want uint64) {
		t.Helper()
		storetest.ReadRange(t, s, broker.Range{Queue: 1, Messages: 1, Size: 1}) // the reader has handled earlier requests
		s.state.Lock()
		defer s.state.Unlock()
		if got := s.lane(laneID{1, storetest.Seq(1).Lane}).head.seq; got != want {
			t.Errorf("the lane begins at %d, want %d", got, want)
		}
	}
	remove := func(first, count uint64) {
		for n := range count {
			s.Apply(broker.Batch{storetest.Delete(storetest.Put(1, storetest.Seq(first+n), m))}, nil)
		}
		storetest.Apply(t, s)
	}
	wantHead(s, 1)
	remove(1, headInterval)
	wantHead(s, headInterval+1)
	storetest.Apply(t, s, storetest.Put(1, storetest.Seq(7), m))
	wantHead(s, 7)
	storetest.Apply(t, s, storetest.Delete(storetest.Put(1, storetest.Seq(7), m)))
	remove(headInterval+1, headsAtClose)
	mustClose(t, s)
	mustCheck(t, "data", fs)
	s = mustOpen(t, "data", Options{FS: fs})
	wantHead(s, headInterval+headsAtClose+1)
	p := storetest.ReadRange(t, s, broker.Range{Queue: 1, After: storetest.Seq(0), Messages: math.MaxInt, Size: math.MaxInt})
	if len(p.Messages) != 10 {
		t.Errorf("%d messages are left", len(p.Messages))
	}
}

// TestBackup: a backup has all batches that were done when it began, and is a
// store.
func TestBackup(t *testing.T) {
	fs := vfs.NewMem()
	s := mustOpen(t, "data", small(Options{FS: fs}))
	m := storetest.NewModel(t, 3)
	for range 300 {
		s.Apply(m.Batch(9), nil)
	}
	storetest.Apply(t, s)
	want := m.Clone()
	if err := fs.MkdirAll("backups/empty", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"backups/one/two", "backups/empty"} {
		if err := s.Backup(dir); err != nil {
			t.Fatal(err)
		}
	}
	for range 300 {
		s.Apply(m.Batch(9), nil)
	}
	storetest.Apply(t, s)
	for _, dir := range []string{"backups/one/two", "backups/empty"} {
		mustCheck(t, dir, fs)
		b := mustOpen(t, dir, small(Options{FS: fs}))
		if d := want.Diff(t, b); d != "" {
			t.Errorf("%s: %s", dir, d)
		}
		if err := s.Backup(dir); err == nil || !strings.Contains(err.Error(), "not empty") {
			t.Errorf("a backup over a store: %v", err)
		}
	}
	if d := m.Diff(t, s); d != "" {
		t.Error(d)
	}
}

// TestBackupPermissions: only users that may read the store may read a
// backup.
func TestBackupPermissions(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "data")
	s := mustOpen(t, dir, small(Options{}))
	empty := filepath.Join(top, "empty")
	if err := os.Mkdir(empty, 0o755); err != nil {
		t.Fatal(err)
	}
	for dirMode, backups := range map[os.FileMode][]string{
		0o700: {filepath.Join(top, "backups", "a"), empty},
		0o750: {filepath.Join(top, "b")},
	} {
		if err := os.Chmod(dir, dirMode); err != nil {
			t.Fatal(err)
		}
		for _, b := range backups {
			if err := s.Backup(b); err != nil {
				t.Fatal(err)
			}
			about, err := os.Stat(b)
			if err != nil {
				t.Fatal(err)
			}
			if got := about.Mode().Perm(); got&^dirMode != 0 { // the umask may take more
				t.Errorf("%s has %v, the store %v", b, got, dirMode)
			}
		}
	}
}

// TestClosed: calls that come too late get an error.
func TestClosed(t *testing.T) {
	s, err := Open("data", Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, s)
	mustClose(t, s)
	done := make(chan error, 1)
	s.Apply(broker.Batch{storetest.Describe(1, storetest.Queue(t, "a"))}, func(err error) { done <- err })
	if err := <-done; !errors.Is(err, ErrClosed) {
		t.Errorf("Apply says %v", err)
	}
	s.Read(broker.Range{Queue: 1, Messages: 1, Size: 1}, func(p broker.Page) { done <- p.Err })
	if err := <-done; !errors.Is(err, ErrClosed) {
		t.Errorf("Read says %v", err)
	}
}
