package setup

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"hoofbeat/broker"
	"hoofbeat/config"
	"hoofbeat/store/pebble"
)

// A Store is the store on disk. A nil *Store means that nothing is stored.
type Store struct {
	*pebble.Store
	directory string
}

// OpenStore opens the directory that the configuration names, and returns nil
// if it names none. Errors begin with setting.
func OpenStore(c config.Storage, setting string, log *slog.Logger) (*Store, error) {
	if c.Directory == "" {
		return nil, nil
	}
	s, err := pebble.Open(c.Directory, pebble.Options{
		Sync: syncMode(c.Sync), SyncInterval: c.SyncInterval, MinFree: int64(c.MinFree), Log: log,
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	return &Store{s, c.Directory}, nil
}

func syncMode(s string) pebble.SyncMode {
	switch s {
	case "interval":
		return pebble.SyncInterval
	case "never":
		return pebble.SyncNever
	}
	return pebble.SyncAlways
}

// ForBroker returns the store as a broker.Options wants it: a nil interface for a
// nil Store.
func (s *Store) ForBroker() broker.Store {
	if s == nil {
		return nil
	}
	return s.Store
}

// Backup returns the function that copies the store, or nil for a nil Store.
func (s *Store) Backup() func(directory string) error {
	if s == nil {
		return nil
	}
	return func(directory string) error {
		if within(s.directory, directory) {
			return fmt.Errorf("a backup cannot be made in %s: that is within the directory of the store", directory)
		}
		return s.Store.Backup(directory)
	}
}

// within reports whether path is directory or below it. The end of path need
// not exist.
func within(directory, path string) bool {
	outer, err := os.Stat(directory)
	if err != nil {
		return false
	}
	for {
		if at, err := os.Stat(path); err == nil && os.SameFile(outer, at) {
			return true
		}
		above := filepath.Dir(path)
		if above == path {
			return false
		}
		path = above
	}
}

// Ready returns nil while the store accepts messages. A nil Store is ready.
func (s *Store) Ready() error {
	if s == nil {
		return nil
	}
	return s.Store.Ready()
}

// Close closes the store. It does nothing to a nil Store.
func (s *Store) Close() error {
	if s == nil {
		return nil
	}
	if err := s.Store.Close(); err != nil {
		return fmt.Errorf("storage.directory: %w", err)
	}
	return nil
}
