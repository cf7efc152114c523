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
	// settling is how long the files must be left alone before they are looked
	// at: an editor and a deployment make several changes in a row.
	settling = 100 * time.Millisecond
	// lacking is how long a file may be missing before that is a change like
	// another: some programs remove a file and write it anew.
	lacking = time.Second
)

// Watch calls changed when the content of a file has changed, be it written in
// place, replaced by another, or reached through a symbolic link that has a
// new target, as a mounted Kubernetes secret is. That a file cannot be read
// for longer than a moment is a change as well, and so is its return.
//
// What files returns is asked for at the start, and again after each call of
// changed. A change that comes before is not seen. Both functions are called
// by the goroutine that calls Watch, so never at the same time; what changes
// meanwhile is reported by another call.
//
// Watch returns nil when ctx ends, and an error when it cannot begin. If
// directories cannot be watched later on, the files are looked at every second.
func Watch(ctx context.Context, files func() []string, changed func()) error {
	w, err := startWatch(files())
	if err != nil {
		return fmt.Errorf("watching files: %w", err)
	}
	w.run(ctx, files, changed)
	return w.close()
}

// watch belongs to the goroutine that called Watch, but for what is said.
type watch struct {
	notifier *fsnotify.Watcher
	stirred  chan struct{}                   // has an element after an event that matters; drain writes it
	trail    atomic.Pointer[map[string]bool] // the paths that such an event may have; drain reads it
	timer    *time.Timer                     // runs while a file may have changed
	paths    []string
	last     map[string]condition // of the paths, as changed was told of
	waiting  bool                 // for a file that is missing to return
	drained  chan struct{}        // closed when drain has ended
}

// startWatch returns once any further change of the files will be noticed.
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

// drain takes events for as long as there are any. It is a goroutine of its
// own because the notifier can hold its lock until an event or error is taken,
// and would never get it back from one that waits in Add.
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

func (w *watch) run(ctx context.Context, files func() []string, changed func()) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.stirred:
			w.timer.Reset(settling)
		case <-w.timer.C:
			if !w.look() {
				continue
			}
			changed()
			w.follow(files())
		}
	}
}

// look reports whether a file is not as it was, and that it is as it should be
// read. The directories are watched before the files are read, for no change
// to come between.
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

// follow watches other files from now on. Those that were watched before keep
// the condition that changed was told of.
func (w *watch) follow(paths []string) {
	w.paths = paths
	w.mustRefresh()
	now := conditions(paths)
	for path := range now {
		if before, known := w.last[path]; known {
			now[path] = before
		}
	}
	w.last = now
}

// mustRefresh comes again when it could not watch all that it should.
func (w *watch) mustRefresh() {
	if err := w.refresh(); err != nil {
		w.timer.Reset(lacking)
	}
}

// refresh watches the directories on the way to the files, as it is now.
func (w *watch) refresh() error {
	trail, dirs := map[string]bool{}, map[string]bool{}
	var failed error
	for _, path := range w.paths {
		steps, err := trace(path)
		failed = errors.Join(failed, err)
		for _, step := range steps {
			dir := filepath.Dir(step)
			dirs[dir], trail[step], trail[dir] = true, true, true
		}
	}
	w.trail.Store(&trail)
	for dir := range dirs {
		failed = errors.Join(failed, w.notifier.Add(dir))
	}
	for _, dir := range w.notifier.WatchList() {
		if !dirs[dir] {
			// It fails for a directory that is gone, which nobody misses.
			_ = w.notifier.Remove(dir)
		}
	}
	return failed
}
