// Package pebble keeps the messages of durable queues on a disk: a
// broker.Store in a folder, by means of Pebble, a log-structured merge tree.
//
// All batches that are applied while the one before is written to the disk
// become one write with one sync (commit.go). A message that was deleted
// before it was written is never written; one that was deleted soon after
// never gets further than the write-ahead log. See keys.go for the keys.
//
// A message for several queues is kept once, and each of them has a reference
// to it (bodies.go). A dropped queue gives its references back later, in
// pieces (dropped.go).
//
// # Goroutines
//
// A Store has three of its own: the committer, which alone writes; the
// reader, which alone reads once the Store is open; and the finisher, which
// makes the callbacks of batches. On a full disk a fourth gives room back
// (reclaim.go). Nobody waits for the disk with a lock held.
//
// # Failure
//
// Once the Store could not write something that its promises need, it writes
// nothing any more, whatever Pebble would like to do (disk.go): it reports
// all further batches as failed, and the process has to be started again. If
// only the disk is full, or nearly, Ready says so, and the Store goes on when
// there is room.
package pebble
