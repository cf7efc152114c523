package load

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"
)

// readBack is how long stalled subscribers are read at the end of a run to
// learn their fate.
const readBack = time.Second

// readStalled reads the rest in the sockets of the stalled subscribers, to
// learn whether the broker has disconnected them.
func (f *flow) readStalled() {
	if len(f.stalled) == 0 {
		return
	}
	figures := &StalledFigures{Count: len(f.stalled)}
	var mu sync.Mutex // guards figures
	deadline := time.Now().Add(readBack)
	_ = each(context.Background(), len(f.stalled), len(f.stalled), func(_ context.Context, i int) error {
		var rest leftovers
		err := f.stalled[i].conn.Serve(&rest, deadline)
		mu.Lock()
		defer mu.Unlock()
		figures.Waiting += rest.messages
		switch {
		case rest.refusal != nil:
			figures.Disconnected++
			figures.Reason = rest.refusal.Error()
		case err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
			figures.Disconnected++
			figures.Reason = err.Error()
		default:
			figures.Connected++
		}
		return nil
	})
	f.result.Stalled = figures
}

// leftovers counts the messages that a stalled subscriber did not read.
type leftovers struct {
	messages uint64
	refusal  error
}

// Begin implements Handler.
func (*leftovers) Begin(int64) {}

// End implements Handler.
func (*leftovers) End() error { return nil }

// Frame implements Handler.
func (l *leftovers) Frame(f *Frame) error {
	switch f.Command {
	case CommandMessage:
		l.messages++
	case CommandError:
		l.refusal = brokerError(f)
		return errStop
	}
	return nil
}
