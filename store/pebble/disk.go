package pebble

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A disk is the file system as Pebble sees it. It decides about errors of
// writes, since Pebble's own reactions would end the process, some of them
// with no way to catch it (a panic in a goroutine of its own, an unlock of a
// lock that is not held):
//
//   - Writes that Pebble can repeat, which are those of tables, it may repeat
//     after a pause: it would repeat them at once, and for ever.
//   - After all other errors (write-ahead log, manifest, the folder itself) the
//     Store fails. The goroutine that wrote stays in the call for ever, as any
//     return leads to one of those reactions; with it stays the committer, which
//     waits for the commit. Pebble holds no lock meanwhile that readers need.
//
// Once the Store has failed, nobody writes anything any more.
type disk struct {
	vfs.FS
	dir    string
	failed func() bool
	fail   func(error)
	pause  func()
	// lazy has the log written without being synced, until it is closed: so it
	// is the operating system's, which outlives the process.
	lazy atomic.Bool
}

// ownerOnly is the mode of a new store's folder.
const ownerOnly os.FileMode = 0o700

// MkdirAll makes folders with the permissions of the store's own, whatever
// Pebble asks for: it would let everybody look into a backup, which has the
// same messages.
func (d *disk) MkdirAll(dir string, _ os.FileMode) error {
	perm := ownerOnly
	if store, err := d.Stat(d.dir); err == nil {
		perm = store.Mode().Perm()
	}
	return d.FS.MkdirAll(dir, perm)
}

// vital reports whether a file is one that Pebble cannot write again.
func (d *disk) vital(name string) bool {
	if d.PathDir(name) != d.dir {
		return name == d.dir // a backup is not vital
	}
	base := d.PathBase(name)
	return strings.HasSuffix(base, ".log") || strings.HasPrefix(base, "MANIFEST") || strings.HasPrefix(base, "marker.")
}

// park never returns.
func park() { select {} }

// enter is called before anything is written.
func (d *disk) enter() {
	if d.failed() {
		park()
	}
}

// judge gives err back if Pebble may see it.
func (d *disk) judge(what, name string, err error) error {
	switch {
	case err == nil:
	case d.vital(name):
		d.fail(fmt.Errorf("%s %s: %w", what, d.PathBase(name), err))
		park()
	default:
		d.pause()
	}
	return err
}

// file wraps a file that is written to.
func (d *disk) file(name string, f vfs.File, err error) (vfs.File, error) {
	if err := d.judge("create", name, err); err != nil {
		return nil, err
	}
	return &file{File: f, disk: d, name: name}, nil
}

// Create implements vfs.FS, as do the others.
func (d *disk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	d.enter()
	if strings.HasPrefix(d.PathBase(name), "marker.") {
		if err := d.syncFolder(d.PathDir(name)); err != nil {
			return nil, err
		}
	}
	f, err := d.FS.Create(name, c)
	return d.file(name, f, err)
}

// syncFolder makes sure that the file is there that a marker names. Pebble
// syncs the folder only behind both, and so a power cut may leave a marker
// that names nothing.
func (d *disk) syncFolder(name string) error {
	f, err := d.OpenDir(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (d *disk) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	d.enter()
	f, err := d.FS.ReuseForWrite(from, to, c)
	return d.file(to, f, err)
}

func (d *disk) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	d.enter()
	f, err := d.FS.OpenReadWrite(name, c, o...)
	return d.file(name, f, err)
}

// OpenDir is for syncing a folder.
func (d *disk) OpenDir(name string) (vfs.File, error) {
	f, err := d.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &file{File: f, disk: d, name: name}, nil
}

func (d *disk) Rename(from, to string) error {
	d.enter()
	return d.judge("rename", to, d.FS.Rename(from, to))
}

func (d *disk) Link(from, to string) error {
	d.enter()
	return d.FS.Link(from, to)
}

func (d *disk) Remove(name string) error {
	d.enter()
	return d.FS.Remove(name)
}

func (d *disk) RemoveAll(name string) error {
	d.enter()
	return d.FS.RemoveAll(name)
}

// Lock does nothing: the Store has the lock already, and gives it back even if
// Pebble never does.
func (d *disk) Lock(string) (io.Closer, error) { return unlocked{}, nil }

type unlocked struct{}

func (unlocked) Close() error { return nil }

func (d *disk) Unwrap() vfs.FS { return d.FS }

// A file is one that is written to, or a folder that is synced.
type file struct {
	vfs.File
	disk *disk
	name string
	// unsynced says that a sync was left out.
	unsynced atomic.Bool
}

// later reports whether a sync is left out.
func (f *file) later() bool {
	if !f.disk.lazy.Load() || !strings.HasSuffix(f.name, ".log") {
		f.unsynced.Store(false)
		return false
	}
	f.unsynced.Store(true)
	return true
}

func (f *file) Write(b []byte) (int, error) {
	f.disk.enter()
	n, err := f.File.Write(b)
	return n, f.disk.judge("write", f.name, err)
}

func (f *file) WriteAt(b []byte, at int64) (int, error) {
	f.disk.enter()
	n, err := f.File.WriteAt(b, at)
	return n, f.disk.judge("write", f.name, err)
}

func (f *file) Preallocate(from, n int64) error {
	f.disk.enter()
	return f.disk.judge("allocate", f.name, f.File.Preallocate(from, n))
}

func (f *file) Sync() error {
	f.disk.enter()
	if f.later() {
		return nil
	}
	return f.disk.judge("sync", f.name, f.File.Sync())
}

func (f *file) SyncTo(n int64) (bool, error) {
	f.disk.enter()
	if f.later() {
		return false, nil
	}
	full, err := f.File.SyncTo(n)
	return full, f.disk.judge("sync", f.name, err)
}

func (f *file) SyncData() error {
	f.disk.enter()
	if f.later() {
		return nil
	}
	return f.disk.judge("sync", f.name, f.File.SyncData())
}

// Close syncs a log that was not synced, or later data could be there without
// it.
func (f *file) Close() error {
	if f.unsynced.Load() {
		f.disk.enter()
		if err := f.disk.judge("sync", f.name, f.File.Sync()); err != nil {
			return errors.Join(err, f.File.Close())
		}
	}
	return f.disk.judge("close", f.name, f.File.Close())
}
