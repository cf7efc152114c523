package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"hoofbeat/internal/load"
)

// runBench runs the bench command and returns its output.
func runBench(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := newBenchCommand()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(apart(t.Context()))
	return out.String(), err
}

// startSilentBroker starts a broker that answers frames with receipts and
// delivers nothing. It returns its URL.
func startSilentBroker(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() { answer(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		work.Wait()
	})
	return "tcp://" + l.Addr().String()
}

// answer answers the frames of one connection until it ends.
func answer(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	for in := bufio.NewReader(conn); ; {
		frame, err := in.ReadString(0)
		if err != nil {
			return
		}
		reply := ""
		if strings.HasPrefix(frame, "CONNECT\n") {
			reply = "CONNECTED\nversion:1.2\nserver:silent\n\n\x00"
		} else if _, id, ok := strings.Cut(frame, "\nreceipt:"); ok {
			id, _, _ = strings.Cut(id, "\n")
			reply = "RECEIPT\nreceipt-id:" + id + "\n\n\x00"
		}
		if _, err := fmt.Fprint(conn, reply); err != nil {
			return
		}
	}
}

func TestBenchConnections(t *testing.T) {
	url := startSilentBroker(t)
	table, err := runBench(t, "connections", "--url", url, "--connections", "20", "--hold", "1ms")
	if err != nil || !strings.Contains(table, "silent at "+url) {
		t.Fatalf("%v: %s", err, table)
	}
	out, err := runBench(t, "connections", "--url", url, "--connections", "20", "--hold", "1ms", "--json")
	if err != nil {
		t.Fatal(err)
	}
	var result load.Result
	if err := json.Unmarshal([]byte(out), &result); err != nil || result.Connections.Made != 20 || result.Server != "silent" {
		t.Fatalf("%v: %s", err, out)
	}
	file := filepath.Join(t.TempDir(), "result.json")
	if err := os.WriteFile(file, []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	both := filepath.Join(t.TempDir(), "both.json")
	out, err = runBench(t, "compare", "--names", "hoofbeat,other", "--markdown", file, file, "--out", both)
	if err != nil || !strings.Contains(out, "connections 20") || !strings.Contains(out, "| scenario | hoofbeat | CPU each | other |") {
		t.Errorf("%v: %s", err, out)
	}
	if rows, err := os.ReadFile(both); err != nil || !strings.Contains(string(rows), "1\n    ]") {
		t.Errorf("%v: %s", err, rows)
	}
	if out, err = runBench(t, "compare", file, file); err == nil {
		t.Errorf("a file has no name: %s", out)
	}
	out, err = runBench(t, "compare", "--repeated", "--names", "hoofbeat,before", file, file, "--out", both)
	if err != nil || !strings.Contains(out, "hoofbeat / before") || !strings.Contains(out, "1.000 to 1.000") {
		t.Errorf("%v: %s", err, out)
	}
	if rows, err := os.ReadFile(both); err != nil || !strings.Contains(string(rows), `"median": 1`) {
		t.Errorf("%v: %s", err, rows)
	}
}

func TestBenchTellsOfLostMessages(t *testing.T) {
	// The messages fit into the window, so the publisher is not throttled and
	// the loss is found at the end.
	_, err := runBench(t, "fanout", "--url", startSilentBroker(t), "--count", "10", "--subscribers", "2", "--timeout", "200ms")
	if err == nil || !strings.Contains(err.Error(), "20 lost") {
		t.Errorf("got %v", err)
	}
	_, err = runBench(t, "queue", "--url", startSilentBroker(t), "--count", "10000", "--timeout", "200ms")
	if err == nil || !strings.Contains(err.Error(), "lost or stalled") {
		t.Errorf("got %v", err)
	}
}

func TestBenchRefusesBadFlags(t *testing.T) {
	for _, args := range [][]string{
		{"fanout", "--ack", "never"},
		{"fanout", "--url", "http://127.0.0.1/"},
		{"connections", "--size", "3"},
		{"pairs", "--pairs", "0"},
		{"queue", "extra"},
		{"nothing"},
	} {
		if out, err := runBench(t, args...); err == nil {
			t.Errorf("%q: no error, %s", args, out)
		}
	}
}
