package pebble

import (
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"time"

	cockroach "github.com/cockroachdb/pebble/v2"
)

// A logger receives Pebble's log.
type logger struct{ s *Store }

func (l logger) Infof(format string, a ...any) {
	l.s.options.Log.Debug("pebble: " + fmt.Sprintf(format, a...))
}

func (l logger) Errorf(format string, a ...any) {
	l.s.options.Log.Error("pebble: " + fmt.Sprintf(format, a...))
}

// Fatalf is expected not to return. Errors of the disk do not get here.
func (l logger) Fatalf(format string, a ...any) {
	l.s.fail(fmt.Errorf(format, a...))
	park()
}

// events listens to Pebble. It is called with Pebble's locks held.
func (s *Store) events() *cockroach.EventListener {
	return &cockroach.EventListener{
		FlushEnd: func(i cockroach.FlushInfo) {
			if i.Err != nil && i.Err.Error() == emptyTable {
				i.Err = nil
			}
			s.hinder(&s.flush, i.Err, "Messages cannot be moved out of the log. Publishers are refused until they can.")
		},
		CompactionEnd: func(i cockroach.CompactionInfo) {
			switch {
			case i.Err == nil || noRoom(i.Err):
				s.hinder(&s.compact, i.Err, "There is no room to compact what is stored. Publishers are refused until there is.")
			case !errors.Is(i.Err, cockroach.ErrCancelledCompaction):
				s.options.Log.Warn("What is stored could not be compacted.", "directory", s.dir, "error", i.Err)
			}
		},
		DataCorruption: func(i cockroach.DataCorruptionInfo) {
			s.options.Log.Error("A file is damaged. Messages in it cannot be read. Repair the disk or restore a backup.",
				"file", i.Path, "error", i.Details)
		},
		PossibleAPIMisuse: s.misused,
		BackgroundError:   func(error) {}, // FlushEnd or CompactionEnd has told
		WriteStallBegin: func(i cockroach.WriteStallBeginInfo) {
			s.options.Log.Warn("The disk is slower than the publishers, who wait.", "reason", i.Reason)
		},
	}
}

// emptyTable is Pebble's message for a flush that had nothing left to write.
const emptyTable = "pebble: empty table"

func noRoom(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// hinder sets the error of Ready, or takes it back.
func (s *Store) hinder(what *atomic.Pointer[error], err error, message string) {
	if err == nil {
		if what.Load() != nil && what.Swap(nil) != nil {
			s.options.Log.Info("What is stored gets to its place again.", "directory", s.dir)
		}
		return
	}
	wrapped := fmt.Errorf("the disk of %s does not accept writes: %w", s.dir, err)
	if noRoom(err) {
		wrapped = fmt.Errorf("%w: %w", ErrDiskFull, wrapped)
	}
	if what.Swap(&wrapped) == nil {
		s.options.Log.Error(message, "directory", s.dir, "error", err)
	}
}

// misused is called for deletions without a matching record. One that found
// nothing is harmless.
func (s *Store) misused(i cockroach.PossibleAPIMisuseInfo) {
	if s.options.misuse != nil {
		s.options.misuse(i)
	}
	if i.Kind == cockroach.NondeterministicSingleDelete {
		s.options.Log.Error("A deletion found more than it deletes; check the store.", "key", fmt.Sprintf("%x", i.UserKey))
	}
}

// retryPause is how long Pebble waits before it writes a table again that
// could not be written.
const retryPause = 500 * time.Millisecond

// pause waits before Pebble tries again.
func (s *Store) pause() {
	t := time.NewTimer(retryPause)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.failed:
	}
}
