package pebble

import (
	"errors"
	"fmt"

	cockroach "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Backup makes a store in dir with everything that this one has reported as
// done, and perhaps more, while it goes on working. Immutable files are
// shared if dir is on the same file system, else copied. The folder must not
// exist or be empty.
func (s *Store) Backup(dir string) error {
	if s.hasFailed() {
		return *s.failure.Load()
	}
	if err := vacate(s.options.FS, dir); err != nil {
		return fmt.Errorf("a backup cannot be made in %s: %w", dir, err)
	}
	err := s.guard(func() error { return s.db.Checkpoint(dir, cockroach.WithFlushedWAL()) })
	if err != nil {
		return fmt.Errorf("the backup in %s failed: %w", dir, err)
	}
	return nil
}

// vacate removes an empty folder, as Pebble wants to make it.
func vacate(fs vfs.FS, dir string) error {
	names, err := fs.List(dir)
	switch {
	case err != nil:
		if _, statErr := fs.Stat(dir); statErr != nil {
			return nil // it does not exist, or making it will say why not
		}
		return err
	case len(names) > 0:
		return errors.New("it is not empty")
	}
	return fs.Remove(dir)
}
