package logs

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A sheet is a buffer that is safe for concurrent use, since timers write too.
type sheet struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *sheet) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

// take returns the text written since the previous call.
func (s *sheet) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.b.Reset()
	return s.b.String()
}

// calm returns a logger with a Calm handler, the handler, and its output.
func calm() (*slog.Logger, *Calm, *sheet) {
	out := new(sheet)
	drop := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
			return slog.Attr{}
		}
		return Mask(nil, a)
	}
	h := NewCalm(slog.NewTextHandler(out, &slog.HandlerOptions{ReplaceAttr: drop}))
	return slog.New(h), h, out
}

func TestCalm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, h, out := calm()
		written := func() (lines []string) {
			synctest.Wait()
			lines = strings.Split(strings.TrimSuffix(out.take(), "\n"), "\n")
			if lines[0] == "" {
				return nil
			}
			return lines
		}
		refuse := func(remote string, n int) {
			for i := range n {
				log.Info("connect refused", "remote", remote, "n", i)
			}
		}
		refuse("10.0.0.1:1", 100)
		refuse("10.0.0.2:1", 3)
		for range 50 {
			log.Info("connected", "remote", "10.0.0.1:1") // not a refusal
		}
		if n := len(written()); n != burst+3+50 {
			t.Errorf("%d lines", n)
		}
		time.Sleep(window)
		if lines := written(); len(lines) != 1 || lines[0] != `msg="connect refused" remote=10.0.0.1:1 n=99 repeated=80` {
			t.Errorf("got %q", lines)
		}
		refuse("10.0.0.1:7", 5) // still flooding
		refuse("10.0.0.2:1", 3)
		if n := len(written()); n != 3 {
			t.Errorf("%d lines", n)
		}
		time.Sleep(window)
		if lines := written(); len(lines) != 1 || !strings.Contains(lines[0], "repeated=5") {
			t.Errorf("got %q", lines)
		}
		time.Sleep(2 * window)
		refuse("10.0.0.1:7", 1) // the flood has ended
		if n := len(written()); n != 1 || len(h.counts) != 1 {
			t.Errorf("%d lines, %d counts", n, len(h.counts))
		}
		refuse("10.0.0.1:7", 50)
		h.Close()
		if lines := written(); len(lines) != burst || !strings.Contains(lines[burst-1], "repeated=31") {
			t.Errorf("got %q", lines)
		}
	})
}

// The number of lines is bounded, however many addresses are refused.
func TestCalmIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, h, out := calm()
		with := log.With("part", "x").WithGroup("g")
		var all sync.WaitGroup
		for part := range 8 {
			all.Go(func() {
				for i := range 10_000 {
					with.Info("connection refused", "remote", fmt.Sprintf("10.%d.%d.%d:1", part, i/250, i%250))
				}
			})
		}
		all.Wait()
		if n := strings.Count(out.take(), "\n"); n > most+burst || len(h.counts) > most+1 {
			t.Errorf("%d lines, %d counts", n, len(h.counts))
		}
		h.Close()
	})
}

// The line at the end of a connection without a user is limited as well.
func TestCalmEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, h, out := calm()
		for range 100 {
			log.Info("connection closed", "user", "", "remote", "[2001:db8::1]:1")
			log.Info("connection closed", "user", "", "remote", "[2001:db8::2]:1")
			log.Info("connection closed", "user", "anna", "remote", "[2001:db8::2]:1")
		}
		h.Close()
		text := out.take()
		if n := strings.Count(text, "\n"); n != burst+100+1 || !strings.Contains(text, "repeated=180") {
			t.Errorf("%d lines", n)
		}
	})
}

type name string

func (n name) String() string { return string(n) }

func TestMask(t *testing.T) {
	log, _, out := calm()
	const token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"
	log.With("user", "Bearer "+token).Error("a "+token, "error", errors.New("no "+token), "name", name(token), slog.Group("g", "k", token))
	if s := out.take(); strings.Contains(s, "eyJ") || strings.Count(s, "********") != 5 {
		t.Errorf("got %s", s)
	}
}
