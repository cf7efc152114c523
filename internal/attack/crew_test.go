package attack

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hoofbeat/internal/proctest"
)

// stall is how long the broker must not have read before an attacker gives up,
// because the attack makes no more progress. On a slow machine the attacks are
// weaker.
const stall = 2 * time.Second

// A crew is the set of attackers of one attack.
type crew struct {
	*testing.T
	w *world

	wait   sync.WaitGroup // for readers
	filled []string       // queues that outlive the attackers
	mu     sync.Mutex     // guards the fields below
	conns  []net.Conn
	faults map[string]int // the ERRORs that they got, by message
}

// An attacker is one connection. It reads everything and acknowledges nothing.
type attacker struct {
	net.Conn
	crew     *crew
	patience time.Duration
	read     atomic.Int64  // bytes
	receipt  chan struct{} // closed by the first RECEIPT
	refused  chan struct{} // closed by the first ERROR
	ended    chan struct{} // closed at the end of the connection
}

// connect connects without credentials.
func (c *crew) connect() *attacker {
	a := c.dial("")
	a.write("CONNECT\naccept-version:1.2\nhost:localhost\n\n\x00")
	return a
}

// dial connects from a loopback address; empty for any.
func (c *crew) dial(from string) *attacker {
	d := net.Dialer{Timeout: proctest.StepTimeout}
	if from != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	conn, err := d.Dial("tcp", c.w.address)
	if err != nil {
		c.Error(err)
		conn, _ = net.Pipe()
		_ = conn.Close()
	}
	a := &attacker{Conn: conn, crew: c, patience: stall, receipt: make(chan struct{}), refused: make(chan struct{}), ended: make(chan struct{})}
	c.keep(conn)
	c.wait.Go(a.readAll)
	return a
}

// keep closes a connection at the end of the attack.
func (c *crew) keep(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns = append(c.conns, conn)
}

// each runs n attackers concurrently and waits for them.
func (c *crew) each(n int, f func(i int)) {
	var wait sync.WaitGroup
	for i := range n {
		wait.Go(func() { f(i) })
	}
	wait.Wait()
}

// leave closes all connections.
func (c *crew) leave() {
	c.mu.Lock()
	for _, conn := range c.conns {
		_ = conn.Close()
	}
	c.mu.Unlock()
	c.wait.Wait()
}

// told lists the ERRORs that the attackers got, with their numbers.
func (c *crew) told() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []string
	for _, word := range slices.Sorted(maps.Keys(c.faults)) {
		all = append(all, fmt.Sprintf("%d %s", c.faults[word], word))
	}
	return strings.Join(all, ", ")
}

// readAll reads frames until the connection ends. A frame may be longer than
// the buffer; bodies contain no NUL.
func (a *attacker) readAll() {
	defer close(a.ended)
	in := bufio.NewReaderSize(a.Conn, 64<<10)
	receipts, faults := 0, 0
	for {
		part, err := in.ReadSlice(0)
		a.read.Add(int64(len(part)))
		part = bytes.TrimLeft(part, "\r\n")
		switch {
		case bytes.HasPrefix(part, []byte("RECEIPT\n")):
			if receipts++; receipts == 1 {
				close(a.receipt)
			}
		case bytes.HasPrefix(part, []byte("ERROR\n")):
			a.crew.count(part)
			if faults++; faults == 1 {
				close(a.refused)
			}
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

func (c *crew) count(frame []byte) {
	_, word, _ := strings.Cut(string(frame), "\nmessage:")
	word, _, _ = strings.Cut(word, "\n")
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.faults == nil {
		c.faults = make(map[string]int)
	}
	c.faults[word]++
}

// await waits for the first RECEIPT or ERROR, and reports whether it has come.
func (a *attacker) await(c <-chan struct{}) bool {
	late := time.NewTimer(proctest.StepTimeout)
	defer late.Stop()
	select {
	case <-c:
		return true
	case <-a.ended:
	case <-late.C:
	}
	return false
}

// write writes text in pieces, and reports whether the broker accepts more.
func (a *attacker) write(text ...string) bool {
	for _, one := range text {
		if err := a.SetWriteDeadline(time.Now().Add(a.patience)); err != nil {
			return false
		}
		if _, err := a.Conn.Write([]byte(one)); err != nil {
			return false
		}
	}
	return true
}

// mebibyte is a body; shorter ones are a part of it.
var mebibyte = strings.Repeat("x", 1<<20)

// send sends a message with further header lines, each with its line feed.
func (a *attacker) send(destination, headers, body string) bool {
	return a.write(fmt.Sprintf("SEND\ndestination:%s\n%scontent-length:%d\n\n", destination, headers, len(body)), body, "\x00")
}
