package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"hoofbeat/broker"
	"hoofbeat/config"
	"hoofbeat/store/pebble"
)

// A diskStore is what is on disk; nil if nothing is.
type diskStore struct {
	*pebble.Store
	directory string
}

// openStorage opens what the configuration names; nil if it names none. The
// setting is what an error is said to be about.
func openStorage(c config.Storage, setting string, log *slog.Logger) (*diskStore, error) {
	if c.Directory == "" {
		return nil, nil
	}
	s, err := pebble.Open(c.Directory, pebble.Options{
		Sync: syncMode(c.Sync), SyncInterval: c.SyncInterval, MinFree: int64(c.MinFree), Log: log,
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	return &diskStore{s, c.Directory}, nil
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

// store is what the broker is given.
func (s *diskStore) store() broker.Store {
	if s == nil {
		return nil
	}
	return s.Store
}

// backup is how to copy it; nil if there is nothing to copy.
func (s *diskStore) backup() func(directory string) error {
	if s == nil {
		return nil
	}
	return func(directory string) error {
		if within(s.directory, directory) {
			return fmt.Errorf("a backup cannot be made in %s: that is within the directory of the store", directory)
		}
		return s.Backup(directory)
	}
}

// within tells whether a path, of which the end need not exist, is below a
// directory, or is that.
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

func (s *diskStore) ready() error {
	if s == nil {
		return nil
	}
	return s.Ready()
}

func (s *diskStore) close() error {
	if s == nil {
		return nil
	}
	if err := s.Close(); err != nil {
		return fmt.Errorf("storage.directory: %w", err)
	}
	return nil
}
