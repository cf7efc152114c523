package hoofbeat

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"

	"hoofbeat/internal/logs"
)

// auditLog is the output of the audit log; the zero value discards it.
type auditLog struct {
	name string
	calm *logs.Calm // nil: there is no audit log
	mu   sync.Mutex
	file *os.File // guarded by mu
}

// openAudit opens the audit log that the configuration names. The logger
// writes one JSON object a line.
func openAudit(name string, stderr io.Writer) (*slog.Logger, *auditLog, error) {
	switch name {
	case "":
		return slog.New(slog.DiscardHandler), &auditLog{}, nil
	case "stderr":
		record, calm := newRecord(stderr)
		return record, &auditLog{calm: calm}, nil
	}
	a := &auditLog{name: name}
	if err := a.reopen(); err != nil {
		return nil, nil, fmt.Errorf("log.audit: %w", err)
	}
	record, calm := newRecord(a)
	a.calm = calm
	return record, a, nil
}

// newRecord returns the logger of an audit log. Repeated refusals of a client
// are counted; everything else is written.
func newRecord(w io.Writer) (*slog.Logger, *logs.Calm) {
	calm := logs.NewCalm(slog.NewJSONHandler(w, &slog.HandlerOptions{ReplaceAttr: logs.Mask}))
	return slog.New(calm), calm
}

// reopen opens the file again after a log rotation has moved it.
func (a *auditLog) reopen() error {
	if a.name == "" {
		return nil
	}
	f, err := os.OpenFile(a.name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	a.mu.Lock()
	old := a.file
	a.file = f
	a.mu.Unlock()
	if old != nil {
		return old.Close()
	}
	return nil
}

// Write implements io.Writer for the logger.
func (a *auditLog) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.file.Write(p)
}

// Close writes the outstanding counts and closes the file.
func (a *auditLog) Close() error {
	if a.calm != nil {
		a.calm.Close()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file == nil {
		return nil
	}
	return a.file.Close()
}
