package config

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// settling is how long the files must stay unchanged before they are read:
	// editors and deployments make several changes in a row.
	settling = 100 * time.Millisecond
	// lacking is how long a file may be missing before that counts as a change:
	// some programs remove a file and write it again.
	lacking = time.Second
	// recheckEvery is how often the files are read without an event: network file
	// systems report no changes of other machines, and no system reports that a
	// directory further up was replaced.
	recheckEvery = 10 * time.Second
	// maxTraces limits how often refresh follows a way that changes meanwhile.
	maxTraces = 10
)

// Watch calls changed when the content of a file has changed: written in place,
// replaced, or reached through a symbolic link with a new target, as with a
// mounted Kubernetes secret. A file that becomes unreadable for longer than a
// moment counts as changed, and so does its return. Changes that the system
// reports are noticed at once, all others within ten seconds.
//
// Watch calls files at the start, and again after each call of changed. Changes
// before that are not noticed. Both functions are called from the goroutine
// that called Watch, so never concurrently; changes in the meantime cause
// another call.
//
// Watch returns nil when ctx is done, and an error if it cannot begin. If
// directories cannot be watched later, the files are read every second.
func Watch(ctx context.Context, files func() []string, changed func()) error {
	w, err := startWatch(files())
	if err != nil {
		return fmt.Errorf("watching files: %w", err)
	}
	rechecks := time.NewTicker(recheckEvery)
	defer rechecks.Stop()
	w.run(ctx, rechecks.C, files, changed)
	return w.close()
}

// watch is owned by the goroutine that called Watch, except where noted.
type watch struct {
	notifier *fsnotify.Watcher
	stirred  chan struct{}                   // has an element after a relevant event; drain writes it
	trail    atomic.Pointer[map[string]bool] // the paths of relevant events; drain reads it
	timer    *time.Timer                     // runs while a file may have changed
	paths    []string
	last     map[string]condition // of the paths, as reported by changed
	waiting  bool                 // for a missing file to return
	drained  chan struct{}        // closed when drain has ended
}

// startWatch returns once all further changes of the files will be noticed.
func startWatch(paths []string) (*watch, error) {
	notifier, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	w := &watch{
		notifier: notifier, stirred: make(chan struct{}, 1), timer: time.NewTimer(settling),
		paths: paths, drained: make(chan struct{}),
	}
	w.timer.Stop()
	go w.drain()
	if err := w.refresh(); err != nil {
		return nil, errors.Join(err, w.close())
	}
	w.last = conditions(paths)
	return w, nil
}

func (w *watch) close() error {
	w.timer.Stop()
	err := w.notifier.Close()
	<-w.drained
	return err
}

// drain receives events as long as there are any. It is a goroutine of its own
// because the notifier may hold its lock until an event or error is received,
// and a goroutine waiting in Add could never receive it.
func (w *watch) drain() {
	defer close(w.drained)
	faults := w.notifier.Errors
	for {
		matters := true // an error means that events were lost
		select {
		case event, ok := <-w.notifier.Events:
			if !ok {
				return
			}
			trail := w.trail.Load()
			matters = trail != nil && (*trail)[filepath.Clean(event.Name)]
		case _, ok := <-faults:
			if !ok {
				faults = nil
			}
		}
		if matters {
			select {
			case w.stirred <- struct{}{}:
			default:
			}
		}
	}
}

// run looks at the files after each event, and at each of the rechecks.
func (w *watch) run(ctx context.Context, rechecks <-chan time.Time, files func() []string, changed func()) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.stirred:
			w.timer.Reset(settling)
		case <-rechecks:
			w.recheck()
		case <-w.timer.C:
			if !w.look() {
				continue
			}
			changed()
			w.follow(files())
		}
	}
}

// recheck schedules a look if a file differs from its reported condition.
func (w *watch) recheck() {
	if !w.waiting && !maps.Equal(conditions(w.paths), w.last) {
		w.timer.Reset(settling)
	}
}

// look reports whether a file has changed and is ready to be read. It watches
// the directories before it reads the files, so that no change is missed in
// between.
func (w *watch) look() bool {
	w.mustRefresh()
	now := conditions(w.paths)
	if maps.Equal(now, w.last) {
		w.waiting = false
		return false
	}
	if !w.waiting && w.someLost(now) {
		w.waiting = true
		w.timer.Reset(lacking)
		return false
	}
	w.waiting = false
	w.last = now
	return true
}

func (w *watch) someLost(now map[string]condition) bool {
	return slices.ContainsFunc(w.paths, func(path string) bool {
		return now[path].unreadable && !w.last[path].unreadable
	})
}

// follow changes the list of files. Files that were watched before keep their
// reported condition. If one differs from it already, follow schedules a look:
// the notifier drops the event of a directory that is replaced while refresh
// adds it.
func (w *watch) follow(paths []string) {
	w.paths = paths
	w.mustRefresh()
	now := conditions(paths)
	reported := maps.Clone(now)
	for path := range now {
		if before, known := w.last[path]; known {
			reported[path] = before
		}
	}
	w.last = reported
	if !maps.Equal(now, reported) {
		w.timer.Reset(settling)
	}
}

// mustRefresh schedules a retry if it could not watch everything.
func (w *watch) mustRefresh() {
	if err := w.refresh(); err != nil {
		w.timer.Reset(lacking)
	}
}

// refresh watches the directories on the present way to the files. A way that
// changed before its directories were watched is followed again.
func (w *watch) refresh() error {
	trail, dirs, failed := ways(w.paths)
	for range maxTraces {
		known := trail // drain reads it later
		w.trail.Store(&known)
		for dir := range dirs {
			failed = errors.Join(failed, w.notifier.Add(dir))
		}
		next, nextDirs, err := ways(w.paths)
		if maps.Equal(trail, next) {
			w.forget(dirs)
			return failed
		}
		trail, dirs, failed = next, nextDirs, err
	}
	return errors.Join(failed, errRestless)
}

// errRestless is an error of refresh.
var errRestless = errors.New("the links to the files change without end")

// ways returns the paths whose events matter, and the directories to watch.
func ways(files []string) (trail, dirs map[string]bool, failed error) {
	trail, dirs = map[string]bool{}, map[string]bool{}
	for _, file := range files {
		steps, err := trace(file)
		failed = errors.Join(failed, err)
		for _, step := range steps {
			dir := filepath.Dir(step)
			dirs[dir], trail[step], trail[dir] = true, true, true
		}
	}
	return trail, dirs, failed
}

// forget ends the watch of all other directories.
func (w *watch) forget(dirs map[string]bool) {
	for _, dir := range w.notifier.WatchList() {
		if !dirs[dir] {
			// It fails if the directory is gone, which is harmless.
			_ = w.notifier.Remove(dir)
		}
	}
}
