package pebble

import (
	"fmt"
	"time"
)

// How often the room on the disk is looked at: while much is written, so often
// that the rest of MinFree stays a margin, and else so often that publishers
// do not wait long when there is room again. While nothing is written, others
// may fill the disk, which Ready is to say before the next message comes.
const (
	spaceInterval     = 100 * time.Millisecond
	spaceBytes        = 16 << 20
	idleSpaceInterval = time.Second
)

// space watches how much room there is on the disk. It belongs to the
// committer.
type space struct {
	looked  time.Time
	written int64 // since then
}

// look sets s.full if it is time to.
func (p *space) look(s *Store, now time.Time) {
	if s.options.MinFree <= 0 || now.Sub(p.looked) < spaceInterval && p.written < spaceBytes {
		return
	}
	p.looked, p.written = now, 0
	u, err := s.options.FS.GetDiskUsage(s.dir)
	if err != nil || u.AvailBytes >= uint64(s.options.MinFree) {
		if s.full.Swap(nil) != nil {
			s.options.Log.Info("There is room on the disk again.", "directory", s.dir)
		}
		return
	}
	s.reclaim(now)
	full := fmt.Errorf("%w: %d bytes are free where %s is, and %d are to stay free", ErrDiskFull, u.AvailBytes, s.dir, s.options.MinFree)
	if s.full.Swap(&full) == nil {
		s.options.Log.Error("The disk is nearly full. What is sent to durable queues is refused until there is room.",
			"directory", s.dir, "free", u.AvailBytes, "min_free", s.options.MinFree)
	}
}
