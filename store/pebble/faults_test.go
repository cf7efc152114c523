package pebble

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"hoofbeat/broker"
	"hoofbeat/internal/storetest"
)

// A faulty disk returns an error from some calls while it is on.
type faulty struct {
	on    atomic.Bool
	err   error
	match func(errorfs.Op) bool
	inner vfs.FS
}

func (f *faulty) fs() vfs.FS {
	return errorfs.Wrap(f.inner, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if f.on.Load() && f.match(op) {
			return f.err
		}
		return nil
	}))
}

func on(kind errorfs.OpKind, part string) func(errorfs.Op) bool {
	return func(op errorfs.Op) bool { return op.Kind == kind && strings.Contains(op.Path, part) }
}

// A watch is a log that tells of messages.
type watch struct {
	slog.Handler
	messages chan string
}

func newWatch() (*watch, *slog.Logger) {
	w := &watch{slog.DiscardHandler, make(chan string, 10_000)}
	return w, slog.New(w)
}

func (w *watch) Enabled(context.Context, slog.Level) bool { return true }

func (w *watch) Handle(_ context.Context, r slog.Record) error {
	w.messages <- r.Message
	return nil
}

func (w *watch) want(t *testing.T, part string) {
	t.Helper()
	for m := range w.messages {
		if strings.Contains(m, part) {
			return
		}
	}
}

func body(n uint64) string { return fmt.Sprint(n, strings.Repeat(" ", 2000)) }

// TestWriteFails: after a failed write that cannot be repeated, nothing is
// reported as done, earlier data is there, readers go on, and Close returns.
func TestWriteFails(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		match func(errorfs.Op) bool
	}{
		"log full":  {syscall.ENOSPC, on(errorfs.OpFileWrite, ".log")},
		"log write": {syscall.EIO, on(errorfs.OpFileWrite, ".log")},
		"log sync":  {syscall.EIO, on(errorfs.OpFileSyncData, ".log")},
		"log create": {syscall.EMFILE, func(op errorfs.Op) bool {
			return (op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpReuseForWrite) && strings.Contains(op.Path, ".log")
		}},
		"manifest write": {syscall.EIO, on(errorfs.OpFileWrite, "MANIFEST")},
		"manifest sync":  {syscall.EIO, on(errorfs.OpFileSync, "MANIFEST")},
		"everything":     {syscall.EROFS, func(op errorfs.Op) bool { return op.Kind.ReadOrWrite() == errorfs.OpIsWrite }},
		"directory sync": {syscall.EIO, func(op errorfs.Op) bool { return op.Kind == errorfs.OpFileSync && strings.HasSuffix(op.Path, "data") }},
	} {
		t.Run(name, func(t *testing.T) { testWriteFails(t, &faulty{err: c.err, match: c.match, inner: vfs.NewMem()}) })
	}
}

func testWriteFails(t *testing.T, f *faulty) {
	failures := make(chan error, 9)
	s, err := Open("data", strict(t, small(Options{FS: f.fs(), OnFailure: func(err error) { failures <- err }})))
	if err != nil {
		t.Fatal(err)
	}
	d := storetest.Queue(t, "a")
	storetest.Apply(t, s, storetest.Describe(1, d), storetest.Put(1, storetest.Seq(1), storetest.Message(d, body(1))))
	f.on.Store(true)
	done := make(chan error, 10_000)
	last := uint64(1)
	for err = nil; err == nil; { // until the fault is met: some files are seldom written
		last++
		s.Apply(broker.Batch{storetest.Put(1, storetest.Seq(last), storetest.Message(d, body(last)))}, func(err error) { done <- err })
		err = <-done
	}
	if !errors.Is(err, ErrFailed) || !errors.Is(err, f.err) || !strings.Contains(err.Error(), "start again") {
		t.Errorf("the error is %v", err)
	}
	if err := <-failures; !errors.Is(err, ErrFailed) {
		t.Errorf("OnFailure is told %v", err)
	}
	s.Apply(broker.Batch{storetest.Put(1, storetest.Seq(last+1), storetest.Message(d, "late"))}, func(err error) { done <- err })
	if err := <-done; !errors.Is(err, ErrFailed) {
		t.Errorf("later the error is %v", err)
	}
	if err := s.Ready(); !errors.Is(err, ErrFailed) {
		t.Errorf("Ready is %v", err)
	}
	if err := s.Backup("backup"); !errors.Is(err, ErrFailed) {
		t.Errorf("Backup says %v", err)
	}
	s.Metrics()
	if got := storetest.ReadLane(t, s, 1, storetest.Seq(1).Lane); len(got) < 1 {
		t.Error("nothing can be read")
	}
	start := time.Now()
	if err := s.Close(); !errors.Is(err, ErrFailed) {
		t.Errorf("Close says %v", err)
	}
	if d := time.Since(start); d > closeLimit/2 {
		t.Errorf("Close took %s", d)
	}
	if len(failures) > 0 {
		t.Error("OnFailure was called twice")
	}
	wantPrefix(t, f.inner, last-1)
}

// wantPrefix opens a store that was left by a failure, and wants the first
// messages of queue 1, and perhaps one more.
func wantPrefix(t *testing.T, fs vfs.FS, count uint64) {
	t.Helper()
	mustCheck(t, "data", fs)
	s := mustOpen(t, "data", small(Options{FS: fs}))
	got := storetest.ReadLane(t, s, 1, storetest.Seq(1).Lane)
	if n := uint64(len(got)); n != count && n != count+1 {
		t.Errorf("%d messages are there, and %d were reported as stored", n, count)
	}
	for i, m := range got {
		if n := uint64(i + 1); m.At.Seq != n || string(m.Message.Body()) != body(n) {
			t.Errorf("message %d is %.20q", m.At.Seq, m.Message.Body())
		}
	}
}

// TestTableFails: while tables cannot be written, publishers are refused and
// callers of Apply wait; later all goes on.
func TestTableFails(t *testing.T) {
	f := &faulty{err: syscall.ENOSPC, inner: vfs.NewMem(), match: on(errorfs.OpFileWrite, ".sst")}
	w, log := newWatch()
	s := mustOpen(t, "data", small(Options{FS: f.fs(), Log: log}))
	d := storetest.Queue(t, "a")
	storetest.Apply(t, s, storetest.Describe(1, d))
	f.on.Store(true)
	const count = 1000
	done := make(chan error, count)
	for n := range uint64(count) {
		s.Apply(broker.Batch{storetest.Put(1, storetest.Seq(n+1), storetest.Message(d, body(n+1)))}, func(err error) { done <- err })
	}
	w.want(t, "cannot be moved out of the log")
	if err := s.Ready(); !errors.Is(err, ErrDiskFull) {
		t.Errorf("Ready is %v", err)
	}
	f.on.Store(false)
	for range count {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if err := s.db.Flush(); err != nil {
		t.Error(err)
	}
	if err := s.Ready(); err != nil {
		t.Errorf("Ready is %v", err)
	}
	if got := storetest.ReadLane(t, s, 1, storetest.Seq(1).Lane); len(got) != count {
		t.Errorf("%d messages are there", len(got))
	}
}

// TestMinFree: Ready says when there is little room, and takes it back though
// nothing is applied; applied batches are kept.
func TestMinFree(t *testing.T) {
	fs := vfs.NewMem()
	room := func(n uint64) { fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: n}) }
	room(99)
	w, log := newWatch()
	s := mustOpen(t, "data", Options{FS: fs, MinFree: 100, Log: log})
	w.want(t, "nearly full")
	if err := s.Ready(); !errors.Is(err, ErrDiskFull) {
		t.Errorf("Ready is %v", err)
	}
	storetest.Apply(t, s, storetest.Describe(1, storetest.Queue(t, "a")))
	room(100)
	w.want(t, "room on the disk again")
	if err := s.Ready(); err != nil {
		t.Errorf("Ready is %v", err)
	}
	room(99) // by somebody else: nothing is applied
	w.want(t, "nearly full")
	if err := s.Ready(); !errors.Is(err, ErrDiskFull) {
		t.Errorf("Ready is %v while nothing is written", err)
	}
}

// TestOpenFails: no file may be written, or none be made.
func TestOpenFails(t *testing.T) {
	for n := range 200 {
		f := &faulty{err: syscall.EROFS, inner: vfs.NewMem()}
		left := atomic.Int64{}
		left.Store(int64(n))
		f.match = func(op errorfs.Op) bool { return op.Kind.ReadOrWrite() == errorfs.OpIsWrite && left.Add(-1) < 0 }
		f.on.Store(true)
		s, err := Open("data", Options{FS: f.fs()})
		if err == nil {
			f.on.Store(false)
			s.Close()
			if n < 5 {
				t.Errorf("open succeeds though only %d writes do", n)
			}
			return
		}
		if !errors.Is(err, syscall.EROFS) || !strings.Contains(err.Error(), "data") {
			t.Errorf("after %d writes the error is %v", n, err)
		}
	}
	t.Error("open needs more than 200 writes")
}
