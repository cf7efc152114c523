package pebble

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"hoofbeat/broker"
	"hoofbeat/internal/storetest"
)

// On a full disk, every kind of deletion gives its room back at once: nothing
// is written that would bring Pebble to it.
func TestDeletedGivesRoomBack(t *testing.T) {
	const messages, size = 200, 20 << 10
	for name, shared := range map[string]bool{"Own": false, "Shared": true} {
		t.Run(name, func(t *testing.T) {
			fs := vfs.NewMem()
			fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1000})
			s := mustOpen(t, "data", Options{FS: fs, MinFree: 100})
			tables := func() int64 { // logs are few, and used again
				m := s.db.Metrics().Total()
				return m.TablesSize
			}
			d := storetest.Queue(t, "a")
			b := broker.Batch{storetest.Describe(1, d), storetest.Describe(2, d)}
			noise, body := rand.New(rand.NewPCG(1, 2)), make([]byte, size)
			for n := range uint64(messages) {
				for i := range body {
					body[i] = 'a' + byte(noise.IntN(26))
				}
				m := storetest.Message(d, string(body))
				if shared {
					m.ShareAs(n + 1)
				}
				b = append(b, storetest.Put(1, storetest.Seq(n+1), m))
			}
			storetest.Apply(t, s, b...)
			if err := s.db.Flush(); err != nil {
				t.Fatal(err)
			}
			if n := tables(); n < messages*size/2 {
				t.Fatalf("only %d bytes are taken before", n)
			}
			fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 10})
			storetest.Apply(t, s, broker.Op{Kind: broker.Drop, Queue: 1})
			late := time.Now().Add(time.Minute)
			for tables() > messages*size/10 {
				if time.Now().After(late) {
					t.Fatalf("%d bytes are taken", tables())
				}
				storetest.Apply(t, s, broker.Op{Kind: broker.Vanish, Queue: 99})
			}
		})
	}
}
