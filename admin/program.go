package admin

import (
	_ "embed"
	"log/slog"
	"net/http"
	"strings"
)

// A Setting is one configuration key, as in `hoofbeat config print`.
type Setting struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Source string `json:"source"`
}

// Settings is the response of /api/v1/config.
type Settings struct {
	Settings []Setting `json:"settings"`
}

func (s *server) config(c *call) error {
	if _, err := parameters(c.r); err != nil {
		return err
	}
	if s.o.Settings == nil {
		return notRunning
	}
	return answer(c.w, Settings{s.o.Settings()})
}

// LogLevel is the response of /api/v1/log, and the body of a change.
type LogLevel struct {
	Level string `json:"level"` // debug, info, warn or error
}

// levels are the configuration's words.
var levels = map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}

func (s *server) logLevel(c *call) error {
	if _, err := parameters(c.r); err != nil {
		return err
	}
	if s.o.Level == nil {
		return notRunning
	}
	return answer(c.w, LogLevel{strings.ToLower(s.o.Level.Level().String())})
}

func (s *server) setLogLevel(c *call) error {
	var asked LogLevel
	if err := read(c, &asked); err != nil {
		return err
	}
	if s.o.Level == nil {
		return notRunning
	}
	level, known := levels[asked.Level]
	if !known {
		return badRequest("expected level to be debug, info, warn or error")
	}
	s.o.Level.Set(level)
	s.record(c, "log level", nil, "level", asked.Level)
	return answer(c.w, asked)
}

// Draining is the response of /api/v1/drain.
type Draining struct {
	Draining bool `json:"draining"`
}

func (s *server) drain(c *call) error {
	var asked struct{}
	if err := read(c, &asked); err != nil {
		return err
	}
	if s.o.Drain == nil {
		return notRunning
	}
	s.record(c, "drain", nil)
	s.o.Drain()
	return answer(c.w, Draining{true})
}

// openAPIDocument describes the API (OpenAPI 3.1). Tests compare it with the
// handler's behaviour.
//
//go:embed openapi.json
var openAPIDocument []byte

func (s *server) openAPI(c *call) error {
	if _, err := parameters(c.r); err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "application/json")
	c.w.WriteHeader(http.StatusOK)
	_, _ = c.w.Write(openAPIDocument) // ignore: the client may have gone
	return nil
}
