package pebble

import (
	"cmp"
	"log/slog"
	"time"

	cockroach "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// SyncMode says when a batch is done.
type SyncMode uint8

// The moment at which a batch is done: when it will survive a crash of the
// machine; or already when it will survive a crash of the process, and a
// crash of the machine loses the batches of the last SyncInterval, or those
// that the operating system has not written yet.
const (
	SyncAlways SyncMode = iota
	SyncInterval
	SyncNever
)

// Options say how a Store works. The zero value is sound.
type Options struct {
	Sync         SyncMode
	SyncInterval time.Duration // default 1s

	// MinFree is how many bytes stay free on the file system: below it, Ready
	// says so. Writing goes on, as forgetting a message takes room, too.
	MinFree int64

	// Cache is the memory for read data, by default 8 MiB, and MemTable that
	// for written data, by default 16 MiB. There are up to three MemTables
	// while much is written, and two otherwise. With cgo all this is not in
	// Go's heap. Without it, it is, and so may take twice as much of the
	// machine's memory.
	Cache, MemTable int64

	// OnFailure is called once, if the Store has failed for good, after all
	// batches were reported as failed and from where that is done. It is time
	// to end the process then; Close waits for OnFailure, not the other way.
	OnFailure func(error)

	Log *slog.Logger // default: nowhere
	FS  vfs.FS       // default: that of the operating system

	// misuse hears of deletions that Pebble could not make sense of. For tests.
	misuse func(cockroach.PossibleAPIMisuseInfo)
	// maxBatch takes the place of the constant of that name. For tests.
	maxBatch int
}

func (o Options) withDefaults() Options {
	o.SyncInterval = cmp.Or(o.SyncInterval, time.Second)
	o.Cache = cmp.Or(o.Cache, 8<<20)
	o.maxBatch = cmp.Or(o.maxBatch, maxBatch)
	o.MemTable = cmp.Or(o.MemTable, 16<<20)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	return o
}

// memTables is how many there may be before writing waits for the disk: one
// that is written to, one that goes to the disk, and one more, so that a burst
// need not wait.
const memTables = 3

// diskFormat is Pebble's own format. It is fixed here, or a new version of
// the module would write a format that the last hoofbeat cannot read.
const diskFormat = cockroach.FormatTableFormatV6

func (s *Store) pebbleOptions() *cockroach.Options {
	o := &cockroach.Options{
		// MemTables are taken out of the cache's size. There are rarely more
		// than two, one of which is kept to be used again.
		CacheSize:                   s.options.Cache + 2*s.options.MemTable,
		MemTableSize:                uint64(s.options.MemTable),
		MemTableStopWritesThreshold: memTables,
		FormatMajorVersion:          diskFormat,
		FS:                          s.disk,
		Logger:                      logger{s},
		EventListener:               s.events(),
		// With less, writers wait for compaction of a burst that one table
		// after the other could take; reading is by key, so it costs little.
		L0StopWritesThreshold:      32,
		CompactionConcurrencyRange: func() (int, int) { return 1, 2 },
		// The room of a queue that was dropped comes back though nothing is
		// written.
		FlushDelayDeleteRange: 10 * time.Second,
		MaxOpenFiles:          500,
	}
	for i := range o.Levels {
		o.Levels[i].BlockSize = 32 << 10 // reads are of many messages in a row
	}
	o.ApplyCompressionSettings(func() cockroach.DBCompressionSettings { return cockroach.DBCompressionFastest })
	return o
}
