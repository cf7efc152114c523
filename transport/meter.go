package transport

import "hoofbeat/session"

// meters count a connection's frames. The reader owns came, the writer went.
type meters struct{ came, went session.Meter }

// measure says where to count. It is called before anything is read or written.
func (m *meters) measure(c *session.Counters) { m.came, m.went = c.Meters() }

// measured counts what was read last. It is called when nothing more is.
func (m *meters) measured() { m.came.Flush() }
