package wire

import (
	"hoofbeat/frames"
	"hoofbeat/session"
)

// meters count a connection's frames. The reader owns came, the writer owns
// went.
type meters struct{ came, went session.Meter }

// Measure sets the counters. It must be called before the first read and write.
func (m *meters) Measure(c *session.Counters) { m.came, m.went = c.Meters() }

// Measured counts the last frames read. It is called after the last read.
func (m *meters) Measured() { m.came.Flush() }

// CountWritten counts a frame that is written. The writer calls it.
func (m *meters) CountWritten(p []byte, tail *frames.Tail) { m.went.CountEncoded(p, tail.Len()) }

// FlushWritten adds the written frames to the counters, after a flush. The writer
// calls it.
func (m *meters) FlushWritten() { m.went.Flush() }
