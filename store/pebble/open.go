package pebble

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"

	cockroach "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"hoofbeat/broker"
)

// format is the version of everything that this package writes. Format 1 is
// that of hoofbeat before quotas: it has no owners of queues and no shared
// bodies. All of it is valid in format 2, so a migration writes the number.
const format = 2

// Open opens the store in a folder, or makes one. Only one Store at a time can
// have it open.
func Open(dir string, o Options) (*Store, error) {
	s := newStore(dir, o)
	if err := s.options.FS.MkdirAll(dir, ownerOnly); err != nil {
		return nil, fmt.Errorf("a store cannot be made in %s: %w", dir, err)
	}
	if err := s.acquire(); err != nil {
		return nil, err
	}
	if err := s.start(false); err != nil {
		return nil, errors.Join(err, s.release())
	}
	s.space.look(s, s.opened)
	go s.commitLoop()
	go s.readLoop()
	go s.finishLoop()
	return s, nil
}

func newStore(dir string, o Options) *Store {
	s := &Store{
		dir: dir, options: o.withDefaults(), opened: time.Now(),
		wake: make(chan struct{}, 1), failed: make(chan struct{}),
		committed: make(chan struct{}), wasRead: make(chan struct{}), wasTold: make(chan struct{}),
		gathering: &group{number: 1}, spare: &group{},
		queues: make(map[broker.QueueID]*queue),
	}
	s.read.L, s.finish.L = &s.mu, &s.mu
	s.reclaimer.context, s.reclaimer.stop = context.WithCancel(context.Background())
	return s
}

// acquire takes the folder's lock.
func (s *Store) acquire() (err error) {
	s.lock, err = s.options.FS.Lock(s.options.FS.PathJoin(s.dir, "LOCK"))
	if err == nil {
		return nil
	}
	if held(err) {
		return fmt.Errorf("the store in %s is in use by another hoofbeat (%w); end that one, or give each its own directory", s.dir, err)
	}
	return fmt.Errorf("the store in %s cannot be locked: %w; the user that hoofbeat runs as must be able to write there", s.dir, err)
}

// held reports whether a lock is taken: by another process, or by this one.
func held(err error) bool {
	return errors.Is(err, syscall.EAGAIN) ||
		strings.Contains(err.Error(), "held by current process")
}

func (s *Store) release() error {
	if err := s.lock.Close(); err != nil {
		return fmt.Errorf("unlock %s: %w", s.dir, err)
	}
	return nil
}

// start opens Pebble and loads the records of the queues.
func (s *Store) start(readOnly bool) error {
	if err := complete(s.options.FS, s.dir); err != nil {
		return err
	}
	s.disk = &disk{FS: s.options.FS, dir: s.dir, failed: s.hasFailed, fail: s.fail, pause: s.pause}
	s.disk.lazy.Store(s.options.Sync != SyncAlways)
	o := s.pebbleOptions()
	o.ReadOnly = readOnly
	err := s.guard(func() (err error) {
		s.db, err = cockroach.Open(s.dir, o)
		return err
	})
	if err != nil {
		return s.unopened(err)
	}
	if err := s.guard(func() error { return s.load(readOnly) }); err != nil {
		return errors.Join(s.unopened(err), s.guard(s.db.Close))
	}
	return nil
}

func (s *Store) unopened(err error) error {
	var newer *newerError
	if errors.As(err, &newer) {
		return err
	}
	return fmt.Errorf("the store in %s cannot be opened: %w; repair the disk, or move the directory away and restore a backup", s.dir, err)
}

// Exists reports whether there is a store in a folder, for callers that must
// not make one.
func Exists(dir string) error {
	names, err := vfs.Default.List(dir)
	if err != nil {
		return fmt.Errorf("there is no store: %w", err)
	}
	for _, name := range names {
		if strings.HasPrefix(name, markerPrefix) {
			return nil
		}
	}
	return fmt.Errorf("there is no store in %s", dir)
}

// markerPrefix begins the name of the file that names all others.
const markerPrefix = "marker.manifest."

// complete refuses a folder without the file that names all others. Pebble
// would begin anew. It also refuses a store of a newer Pebble: that is no
// damage, as Pebble's error would suggest.
func complete(fs vfs.FS, dir string) error {
	names, err := fs.List(dir)
	if err != nil {
		return fmt.Errorf("the store in %s cannot be read: %w", dir, err)
	}
	for _, name := range names {
		if v := tableFormat(name); v > uint64(cockroach.FormatNewest) {
			return &newerError{dir: dir, what: "its files have", format: v, known: uint64(cockroach.FormatNewest)}
		}
	}
	used := ""
	for _, name := range names {
		switch {
		case strings.HasPrefix(name, markerPrefix):
			return nil
		case strings.HasSuffix(name, ".sst"), strings.HasSuffix(name, ".log"):
			used = name
		}
	}
	if used != "" {
		return fmt.Errorf("the store in %s is not complete: %s is there, but no marker.manifest file; restore a backup", dir, used)
	}
	return nil
}

// tableFormat reads the format of Pebble's files from a file's name, such as
// marker.format-version.000008.021; 0: the name has none.
func tableFormat(name string) uint64 {
	numbers, ok := strings.CutPrefix(name, "marker.format-version.")
	if !ok {
		return 0
	}
	_, version, _ := strings.Cut(numbers, ".")
	v, err := strconv.ParseUint(version, 10, 64)
	if err != nil {
		return 0
	}
	return v
}

// A newerError says that a later version wrote the store.
type newerError struct {
	dir, what     string
	format, known uint64
}

func (e *newerError) Error() string {
	return fmt.Sprintf("the store in %s was written by a newer hoofbeat: %s format %d, and this version knows up to %d; "+
		"start the newer version again, or restore a backup that this version made", e.dir, e.what, e.format, e.known)
}

// load reads all records except messages.
func (s *Store) load(readOnly bool) error {
	switch n, found, err := s.number(prefixFormat); {
	case err != nil:
		return err
	case !found && readOnly:
		return errors.New("no format is written in it")
	case !found:
		err = s.db.Set([]byte{prefixFormat}, binary.AppendUvarint(nil, format), cockroach.Sync)
		if err != nil {
			return err
		}
	case n > format:
		return &newerError{dir: s.dir, what: "it has", format: n, known: format}
	case n < format && !readOnly:
		if err := s.migrate(n); err != nil {
			return err
		}
	}
	ids, _, err := s.number(prefixIDs)
	if err != nil {
		return err
	}
	s.ids = broker.QueueID(ids)
	if readOnly {
		return nil // Check looks closer
	}
	return firstError(s.loadQueues(), s.loadDropped())
}

// migrate makes a store that an older version wrote one of this version, which
// older ones then refuse. It is a warning, so that commands on a stopped
// broker's directory say it, too.
func (s *Store) migrate(from uint64) error {
	s.options.Log.Warn("The store has been migrated. Older versions of hoofbeat do not open it any more.", "directory", s.dir, "from", from, "to", format)
	return s.db.Set([]byte{prefixFormat}, binary.AppendUvarint(nil, format), cockroach.Sync)
}

// number reads one of the records that are a number.
func (s *Store) number(prefix byte) (n uint64, found bool, err error) {
	value, c, err := s.db.Get([]byte{prefix})
	if errors.Is(err, cockroach.ErrNotFound) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	n, size := binary.Uvarint(value)
	if size <= 0 {
		err = fmt.Errorf("%w: the number under %q", broker.ErrRecord, prefix)
	}
	return n, true, firstError(err, c.Close())
}

func (s *Store) loadQueues() error {
	err := s.each(prefixQueue, func(id broker.QueueID, value []byte) (err error) {
		q := &queue{id: id}
		q.meta, err = broker.ParseQueueMeta(value)
		s.queues[id] = q
		return err
	})
	if err != nil {
		return err
	}
	counted := 0
	err = s.each(prefixCounters, func(id broker.QueueID, value []byte) error {
		q := s.queues[id]
		if q == nil {
			return fmt.Errorf("%w: counters of queue %d, which is not described", broker.ErrRecord, id)
		}
		counted++
		return q.parseCounters(value)
	})
	if err == nil && counted < len(s.queues) {
		err = fmt.Errorf("%w: %d queues without counters", broker.ErrRecord, len(s.queues)-counted)
	}
	return err
}

// each calls f for the record of each queue under a prefix.
func (s *Store) each(prefix byte, f func(id broker.QueueID, value []byte) error) error {
	from, to := prefixSpan(prefix)
	it, err := s.db.NewIter(&cockroach.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return err
	}
	for more := it.First(); more && err == nil; more = it.Next() {
		id, ok := parseQueueKey(it.Key())
		value, readErr := it.ValueAndErr()
		switch {
		case !ok:
			err = fmt.Errorf("%w: a key %x", broker.ErrRecord, it.Key())
		case readErr != nil:
			err = readErr
		default:
			if err = f(id, value); err != nil {
				err = fmt.Errorf("queue %d: %w", id, err)
			}
		}
	}
	return firstError(err, it.Close())
}
