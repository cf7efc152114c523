package pebble

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	cockroach "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"hoofbeat/broker"
	"hoofbeat/destination"
	"hoofbeat/internal/storetest"
)

// stored makes a store with some messages, in tables and in the log.
func stored(t *testing.T, count uint64) *vfs.MemFS {
	t.Helper()
	fs := vfs.NewMem()
	s := mustOpen(t, "data", small(Options{FS: fs}))
	d := storetest.Queue(t, "a")
	storetest.Apply(t, s, storetest.Describe(1, d))
	for n := range count {
		storetest.Apply(t, s, storetest.Put(1, storetest.Seq(n+1), storetest.Message(d, body(n+1))))
		if n == count/2 {
			if err := s.db.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	mustClose(t, s)
	return fs
}

// files returns the paths of files with part in their names.
func files(t *testing.T, fs vfs.FS, part string) []string {
	t.Helper()
	names, err := fs.List("data")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, name := range names {
		if strings.Contains(name, part) {
			found = append(found, fs.PathJoin("data", name))
		}
	}
	if len(found) == 0 {
		t.Fatalf("no %s among %v", part, names)
	}
	return found
}

// change rewrites files.
func change(t *testing.T, fs vfs.FS, part string, f func([]byte) []byte) {
	t.Helper()
	for _, name := range files(t, fs, part) {
		r, err := fs.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		w, err := fs.Create(name, vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(f(b)); err != nil {
			t.Fatal(err)
		}
	}
}

func remove(t *testing.T, fs vfs.FS, part string) {
	t.Helper()
	for _, name := range files(t, fs, part) {
		if err := fs.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

func flip(b []byte) []byte {
	for i := len(b) / 4; i < len(b)/2; i++ {
		b[i] ^= 0x55
	}
	return b
}

// TestDamagedFiles: Open or Read reports any missing or damaged file, with a
// remedy, and Check finds it.
func TestDamagedFiles(t *testing.T) {
	for name, damage := range map[string]func(*testing.T, vfs.FS){
		"table missing":    func(t *testing.T, fs vfs.FS) { remove(t, fs, ".sst") },
		"table damaged":    func(t *testing.T, fs vfs.FS) { change(t, fs, ".sst", flip) },
		"table empty":      func(t *testing.T, fs vfs.FS) { change(t, fs, ".sst", func([]byte) []byte { return nil }) },
		"log damaged":      func(t *testing.T, fs vfs.FS) { change(t, fs, ".log", flip) },
		"manifest missing": func(t *testing.T, fs vfs.FS) { remove(t, fs, "MANIFEST") },
		"manifest damaged": func(t *testing.T, fs vfs.FS) { change(t, fs, "MANIFEST", flip) },
		"manifest empty":   func(t *testing.T, fs vfs.FS) { change(t, fs, "MANIFEST", func([]byte) []byte { return nil }) },
		"marker missing":   func(t *testing.T, fs vfs.FS) { remove(t, fs, "marker.manifest") },
		"version unmarked": func(t *testing.T, fs vfs.FS) { remove(t, fs, "marker.format") },
	} {
		t.Run(name, func(t *testing.T) {
			// Damage in the last 32 KiB of the log looks like a power cut.
			fs := stored(t, 80)
			damage(t, fs)
			if err := Check("data", Options{FS: fs}, func(string) {}); err == nil {
				t.Error("Check finds nothing")
			}
			err := openAndRead(fs)
			if err == nil || !strings.Contains(err.Error(), "restore a backup") {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

// TestDamagedBlock: messages in front of damage are read, and then there is
// an error; all else goes on.
func TestDamagedBlock(t *testing.T) {
	fs := vfs.NewMem()
	s := mustOpen(t, "data", Options{FS: fs})
	d := storetest.Queue(t, "a")
	storetest.Apply(t, s, storetest.Describe(1, d))
	const count = 1000
	for n := range uint64(count) {
		s.Apply(broker.Batch{storetest.Put(1, storetest.Seq(n+1), storetest.Message(d, fmt.Sprintf("%x", n*n*n*0x9e3779b97f4a7c15)+body(n)))}, nil)
	}
	storetest.Apply(t, s)
	if err := s.db.Flush(); err != nil {
		t.Fatal(err)
	}
	mustClose(t, s)
	change(t, fs, ".sst", func(b []byte) []byte {
		b[len(b)/2] ^= 1
		return b
	})
	if err := Check("data", Options{FS: fs}, func(string) {}); err == nil {
		t.Error("Check finds nothing")
	}
	s = mustOpen(t, "data", Options{FS: fs})
	pages := make(chan broker.Page, 1)
	s.Read(broker.Range{Queue: 1, After: storetest.Seq(0), Messages: 2 * count, Size: 1 << 30}, func(p broker.Page) { pages <- p })
	p := <-pages
	if n := len(p.Messages); n < count/4 || n == count || p.End || p.Err == nil || !strings.Contains(p.Err.Error(), "restore a backup") {
		t.Errorf("%d messages, end %v, error %v", n, p.End, p.Err)
	}
	storetest.Apply(t, s, storetest.Put(1, storetest.Seq(count+1), storetest.Message(d, "x")))
	if p := storetest.ReadRange(t, s, broker.Range{Queue: 1, After: storetest.Seq(count), Messages: 9, Size: 1 << 30}); len(p.Messages) != 1 {
		t.Errorf("behind the damage are %d messages", len(p.Messages))
	}
}

func openAndRead(fs vfs.FS) error {
	s, err := Open("data", small(Options{FS: fs}))
	if err != nil {
		return err
	}
	defer s.Close()
	pages := make(chan broker.Page, 1)
	s.Read(broker.Range{Queue: 1, After: storetest.Seq(0), Messages: 1 << 20, Size: 1 << 30}, func(p broker.Page) { pages <- p })
	return (<-pages).Err
}

// TestTornLog: a log that ends in the middle of a write is the result of a
// power cut, and no damage.
func TestTornLog(t *testing.T) {
	fs := stored(t, 20)
	change(t, fs, ".log", func(b []byte) []byte { return b[:len(b)*3/4] })
	mustCheck(t, "data", fs)
	s := mustOpen(t, "data", small(Options{FS: fs}))
	if got := storetest.ReadLane(t, s, 1, storetest.Seq(1).Lane); len(got) < 10 || len(got) > 20 {
		t.Errorf("%d messages are left", len(got))
	}
}

func TestNewerFormat(t *testing.T) {
	fs := stored(t, 1)
	set(t, fs, []byte{prefixFormat}, binary.AppendUvarint(nil, format+1))
	_, err := Open("data", Options{FS: fs})
	if err == nil || !strings.Contains(err.Error(), "newer hoofbeat") {
		t.Errorf("the error is %v", err)
	}
	if err := Check("data", Options{FS: fs}, func(string) {}); err == nil || !strings.Contains(err.Error(), "newer hoofbeat") {
		t.Errorf("Check says %v", err)
	}
}

// TestNewerFiles: a format of Pebble's that is not known yet is no damage
// either, and nothing is touched.
func TestNewerFiles(t *testing.T) {
	fs := stored(t, 1)
	marker := files(t, fs, "marker.format-version")[0]
	if err := fs.Rename(marker, marker[:strings.LastIndexByte(marker, '.')]+".999"); err != nil {
		t.Fatal(err)
	}
	before, err := fs.List("data")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open("data", Options{FS: fs})
	for _, err := range []error{err, Check("data", Options{FS: fs}, func(string) {})} {
		if err == nil || !strings.Contains(err.Error(), "newer hoofbeat") || !strings.Contains(err.Error(), "format 999") || strings.Contains(err.Error(), "repair") {
			t.Errorf("the error is %v", err)
		}
	}
	after, err := fs.List("data")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(before)
	if slices.Sort(after); !slices.Equal(before, after) {
		t.Errorf("there are %v, and were %v", after, before)
	}
}

// set writes past the Store.
func set(t *testing.T, fs vfs.FS, key, value []byte) {
	t.Helper()
	db, err := cockroach.Open("data", &cockroach.Options{FS: fs, FormatMajorVersion: diskFormat, Logger: logger{newStore("", Options{})}})
	if err != nil {
		t.Fatal(err)
	}
	if value == nil {
		err = db.Delete(key, nil)
	} else {
		err = db.Set(key, value, nil)
	}
	if err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// TestCheckFinds: each invariant.
func TestCheckFinds(t *testing.T) {
	at := func(n uint64) []byte { return appendMessageKey(nil, 1, storetest.Seq(n)) }
	record := broker.AppendMessage(nil, storetest.Message(storetest.Queue(t, "a"), "x"), broker.State{}, destination.Destination{})
	counters := func(lastSeq uint64, count, size int, head uint64) []byte {
		q := queue{lastSeq: lastSeq, lanes: []lane{{lane: storetest.Seq(1).Lane, count: count, size: size, head: place{seq: head}}}}
		return q.appendCounters(nil)
	}
	size := storetest.Message(storetest.Queue(t, "a"), body(1)).Size() * 9
	for name, c := range map[string]struct {
		key, value []byte
		want       string
	}{
		"no counters":     {appendQueueKey(nil, prefixCounters, 1), nil, "has no counters"},
		"count":           {appendQueueKey(nil, prefixCounters, 1), counters(9, 8, size, 1), "said to hold 8 messages"},
		"size":            {appendQueueKey(nil, prefixCounters, 1), counters(9, 9, size+1, 1), "and holds 9 of"},
		"head":            {appendQueueKey(nil, prefixCounters, 1), counters(9, 9, size, 2), "said to begin at {0 2}, and begins at {0 1}"},
		"last":            {appendQueueKey(nil, prefixCounters, 1), counters(8, 9, size, 1), "message 9 is above 8"},
		"bad counters":    {appendQueueKey(nil, prefixCounters, 1), []byte{9, 99}, "damaged record: the counters"},
		"no description":  {appendQueueKey(nil, prefixQueue, 1), nil, "counters but no description"},
		"bad description": {appendQueueKey(nil, prefixQueue, 1), []byte{255}, "damaged record: the description"},
		"unknown queue":   {appendMessageKey(nil, 7, storetest.Seq(1)), record, "queue 7, lane 5: message 1 is in no queue"},
		"stray counters":  {appendQueueKey(nil, prefixCounters, 7), counters(0, 1, 1, 0), "queue 7: it has counters"},
		"bad message":     {at(3), []byte{0, 200}, "message 3: damaged record"},
		"stray state":     {append(at(77), noteSuffix), []byte{1, 1}, "a state of 77"},
		"bad state":       {append(at(3), noteSuffix), []byte{}, "state of message 3"},
		"bad key":         {[]byte("mx"), record, "no message's"},
		"longer key":      {append(at(3), 7), record, "no message's"},
		"stranger":        {[]byte("x"), record, "no known kind"},
		"id":              {[]byte{prefixIDs}, []byte{0}, "above 0, the highest"},
	} {
		t.Run(name, func(t *testing.T) {
			fs := stored(t, 9)
			mustCheck(t, "data", fs)
			set(t, fs, c.key, c.value)
			var faults []string
			err := Check("data", Options{FS: fs}, func(f string) { faults = append(faults, f) })
			if all := strings.Join(faults, "\n"); err == nil || !strings.Contains(all, c.want) {
				t.Errorf("want %q, got %q, error %v", c.want, all, err)
			}
		})
	}
}

func TestCheckNothing(t *testing.T) {
	if err := Check(t.TempDir()+"/none", Options{}, func(string) {}); err == nil {
		t.Error("a folder that does not exist is sound")
	}
	dir := t.TempDir()
	if err := Check(dir, Options{}, func(string) {}); err == nil {
		t.Error("an empty folder is sound")
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) > 1 { // LOCK
		t.Errorf("Check has made %v, error %v", names, err)
	}
}

func TestInUse(t *testing.T) {
	dir := t.TempDir()
	mustOpen(t, dir, Options{})
	_, err := Open(dir, Options{})
	wantInUse(t, dir, err)
	wantInUse(t, dir, Check(dir, Options{}, func(string) {}))
	// And from another process.
	cmd := exec.Command(os.Args[0], "-test.run=^TestInUseElsewhere$", "-test.v")
	cmd.Env = append(os.Environ(), elsewhere+"="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

const elsewhere = "HOOFBEAT_TEST_IN_USE"

// TestInUseElsewhere is the other process.
func TestInUseElsewhere(t *testing.T) {
	dir := os.Getenv(elsewhere)
	if dir == "" {
		t.Skip("started by TestInUse")
	}
	_, err := Open(dir, Options{})
	wantInUse(t, dir, err)
}

func wantInUse(t *testing.T, dir string, err error) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), "another hoofbeat") || !strings.Contains(err.Error(), dir) {
		t.Errorf("the error is %v", err)
	}
}
