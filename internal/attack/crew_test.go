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

// stall is for how long the broker has not read when an attacker gives up: then
// the attack is as far as it gets. A slow machine makes attacks weaker by that.
const stall = 2 * time.Second

// A crew is the attackers of one attack.
type crew struct {
	*testing.T
	w *world

	wait   sync.WaitGroup // for readers
	filled []string       // queues that outlive the attackers
	mu     sync.Mutex     // guards what follows
	conns  []net.Conn
	faults map[string]int // ERRORs that they got, by their message
}

// An attacker is one connection. It reads all that comes, and acknowledges
// nothing.
type attacker struct {
	net.Conn
	crew     *crew
	patience time.Duration
	read     atomic.Int64  // bytes
	receipt  chan struct{} // closed by the first RECEIPT
	refused  chan struct{} // closed by the first ERROR
	ended    chan struct{} // closed when nothing comes any more
}

// connect connects, without credentials.
func (c *crew) connect() *attacker {
	a := c.dial("")
	a.write("CONNECT\naccept-version:1.2\nhost:localhost\n\n\x00")
	return a
}

// dial connects from an address of this machine's, empty for any.
func (c *crew) dial(from string) *attacker {
	d := net.Dialer{Timeout: proctest.Patience}
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

// keep closes a connection in the end.
func (c *crew) keep(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns = append(c.conns, conn)
}

// each runs so many attackers at a time and waits for them.
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

// told is how often the attackers were told what.
func (c *crew) told() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []string
	for _, word := range slices.Sorted(maps.Keys(c.faults)) {
		all = append(all, fmt.Sprintf("%d %s", c.faults[word], word))
	}
	return strings.Join(all, ", ")
}

// readAll reads frames until the connection ends. A frame may be longer than the
// buffer; bodies have no NUL.
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

// await waits for the first RECEIPT or ERROR, and tells whether it has come.
func (a *attacker) await(c <-chan struct{}) bool {
	late := time.NewTimer(proctest.Patience)
	defer late.Stop()
	select {
	case <-c:
		return true
	case <-a.ended:
	case <-late.C:
	}
	return false
}

// write writes text in pieces, and tells whether the broker takes more.
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

// mebibyte is a body; half, or a little of it, are shorter ones.
var mebibyte = strings.Repeat("x", 1<<20)

// send sends a message with more headers, each with a line feed.
func (a *attacker) send(destination, headers, body string) bool {
	return a.write(fmt.Sprintf("SEND\ndestination:%s\n%scontent-length:%d\n\n", destination, headers, len(body)), body, "\x00")
}
