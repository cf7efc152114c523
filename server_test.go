package hoofbeat_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-stomp/stomp/v3"
	"go.uber.org/goleak"

	"hoofbeat"
	"hoofbeat/admin"
	"hoofbeat/config"
	"hoofbeat/internal/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// onFreePorts adds settings to those that make every listener choose a port.
func onFreePorts(more map[string]string) map[string]string {
	all := map[string]string{"listen.websocket.address": "127.0.0.1:0", "listen.tcp.address": "127.0.0.1:0", "listen.admin.address": "127.0.0.1:0"}
	for key, value := range more {
		all[key] = value
	}
	return all
}

func newServer(t *testing.T, o hoofbeat.Options) *hoofbeat.Server {
	t.Helper()
	s, err := hoofbeat.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Shutdown(context.Background()) })
	return s
}

// serve runs a server and returns the channel for the result of Serve.
func serve(ctx context.Context, s *hoofbeat.Server) <-chan error {
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	return ended
}

// A server that is drained by its context, or by Shutdown, returns nil from
// Serve and accepts no further clients.
func TestServeEnds(t *testing.T) {
	for name, end := range map[string]func(*hoofbeat.Server, context.CancelFunc){
		"context":  func(_ *hoofbeat.Server, cancel context.CancelFunc) { cancel() },
		"shutdown": func(s *hoofbeat.Server, _ context.CancelFunc) { _ = s.Shutdown(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, hoofbeat.Options{Settings: onFreePorts(nil)})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := serve(ctx, s)
			conn, err := client.Dial(t.Context(), s.URL("tcp"), client.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Disconnect() //nolint:errcheck // the broker has ended
			end(s, cancel)
			if err := <-ended; err != nil {
				t.Error(err)
			}
			_, address, _ := strings.Cut(s.URL("tcp"), "://")
			if c, err := net.Dial("tcp", address); err == nil {
				_ = c.Close()
				t.Error("the port is still open")
			}
			if err := s.Serve(t.Context()); !errors.Is(err, hoofbeat.ErrServerClosed) {
				t.Errorf("Serve after the end: %v", err)
			}
			if err := s.Reload(t.Context()); !errors.Is(err, hoofbeat.ErrServerClosed) {
				t.Errorf("Reload after the end: %v", err)
			}
		})
	}
}

// Shutdown returns when its context ends, and has cut off the clients that do
// not finish.
func TestShutdownCutsOff(t *testing.T) {
	s := newServer(t, hoofbeat.Options{Settings: onFreePorts(map[string]string{"limits.drain_timeout": "1h", "limits.drain_delay": "1h"})})
	ended := serve(t.Context(), s)
	_, address, _ := strings.Cut(s.URL("tcp"), "://")
	stuck, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer stuck.Close() //nolint:errcheck // it has been cut off
	if _, err := io.WriteString(stuck, "CONNECT\n\n\x00"); err != nil {
		t.Fatal(err)
	}
	if _, err := stuck.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	now, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Shutdown(now); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v", err)
	}
	if err := <-ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// A New that fails closes the ports that it has opened and makes no directory.
func TestNewLeavesNothing(t *testing.T) {
	used, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer used.Close() //nolint:errcheck // nothing is written to it
	directory := filepath.Join(t.TempDir(), "data")
	_, err = hoofbeat.New(hoofbeat.Options{Settings: onFreePorts(map[string]string{"listen.tcp.address": used.Addr().String(), "storage.directory": directory})})
	if err == nil || !strings.Contains(err.Error(), "listen.tcp: ") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(directory); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory: %v", err)
	}
}

// All faults of settings are reported, by their keys.
func TestSettingsWithFaults(t *testing.T) {
	_, err := hoofbeat.New(hoofbeat.Options{Settings: map[string]string{"limits.prefech": "3", "limits.connections": "many"}})
	if err == nil || !strings.Contains(err.Error(), "limits.prefetch?") || !strings.Contains(err.Error(), "limits.connections: ") {
		t.Errorf("got %v", err)
	}
}

// Reload loads the file again. One with faults is refused, and the error says
// why.
func TestReload(t *testing.T) {
	file := filepath.Join(t.TempDir(), "hoofbeat.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const sound = "auth: { anonymous: true }\nacl: [{ allow: [send], destinations: [/queue/a] }]\n"
	write(sound)
	s := newServer(t, hoofbeat.Options{File: file, Settings: onFreePorts(map[string]string{"storage.directory": ""})})
	write(sound + "limits: { prefech: 3 }\n")
	if err := s.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "limits.prefech") {
		t.Errorf("got %v", err)
	}
	write(sound)
	if err := s.Reload(t.Context()); err != nil {
		t.Error(err)
	}
}

// Two brokers run in one process, the second with a configuration that the
// program has loaded. Each logs to its own logger.
func TestTwoServers(t *testing.T) {
	c, err := config.Load(config.Options{Search: []string{}, Settings: onFreePorts(nil)})
	if err != nil {
		t.Fatal(err)
	}
	var first, second bytes.Buffer
	newServer(t, hoofbeat.Options{Settings: onFreePorts(nil), Logger: slog.New(slog.NewTextHandler(&first, nil))})
	s := newServer(t, hoofbeat.Options{Config: c, Logger: slog.New(slog.NewTextHandler(&second, nil))})
	if err := s.Reload(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if strings.Contains(first.String(), "reloaded") || !strings.Contains(second.String(), "reloaded") {
		t.Errorf("the logs are\n%s\n%s", &first, &second)
	}
	if s.MemoryLimit() <= 0 {
		t.Errorf("the limit is %d", s.MemoryLimit())
	}
}

// Operators see the sums of a user against its quotas, and the memory of all
// clients against its limit.
func TestOperatorsSeeHoldings(t *testing.T) {
	s := newServer(t, hoofbeat.Options{Settings: onFreePorts(map[string]string{"limits.queues_per_user": "7", "limits.memory": "1GiB"})})
	serve(t.Context(), s)
	conn, err := client.Dial(t.Context(), s.URL("tcp"), client.Options{Login: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Disconnect() //nolint:errcheck // the test is over
	if err := conn.Send("/queue/a", "text/plain", bytes.Repeat([]byte("x"), 1<<17), stomp.SendOpt.Receipt); err != nil {
		t.Fatal(err)
	}
	var ann admin.UserInfo
	ask(t, s, "/api/v1/user?name=ann", &ann)
	if ann.Connections != 1 || ann.Queues != (admin.Usage{Used: 1, Limit: 7}) || ann.MessageBytes <= 0 || ann.TemporaryQueues.Limit == 0 {
		t.Errorf("got %+v", ann)
	}
	var all admin.Overview
	ask(t, s, "/api/v1/overview", &all)
	if m := all.ClientMemory; m == nil || m.Limit != 1<<30 {
		t.Errorf("got %+v", m)
	}
}

// ask decodes an answer of the admin API.
func ask(t *testing.T, s *hoofbeat.Server, path string, into any) {
	t.Helper()
	r, err := http.Get(s.URL("admin") + path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close() //nolint:errcheck // it has been read
	defer http.DefaultClient.CloseIdleConnections()
	if err := json.NewDecoder(r.Body).Decode(into); err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %v", r.StatusCode, err)
	}
}

// The README shows the body of Example.
func TestReadmeShowsTheExample(t *testing.T) {
	source, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(source), "func Example() {\n")
	body, _, _ := strings.Cut(rest, "\t// Output:")
	block := "```go\n" + strings.ReplaceAll(strings.TrimPrefix(body, "\t"), "\n\t", "\n") + "```\n"
	if body == "" || !strings.Contains(string(readme), block) {
		t.Errorf("README.md does not have\n%s", block)
	}
}

// A program may mount Handler where everybody reaches it: anonymous access has to
// be asked for.
func TestHandlerIsNotOpenByAccident(t *testing.T) {
	if s, err := hoofbeat.New(hoofbeat.Options{NoListeners: true}); err == nil || !strings.Contains(err.Error(), "auth.anonymous") {
		if s != nil {
			_ = s.Shutdown(t.Context())
		}
		t.Errorf("the error is %v", err)
	}
	for name, settings := range map[string]map[string]string{
		"on purpose":  {"auth.anonymous": "true"},
		"credentials": {"auth.jwt.secret": "a secret of thirty-two bytes or more", "auth.jwt.algorithms": "HS256"},
	} {
		s, err := hoofbeat.New(hoofbeat.Options{NoListeners: true, Settings: settings})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
