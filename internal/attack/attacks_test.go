package attack

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"hoofbeat/internal/proctest"
)

// attacks are attacks by clients without privileges that brokers have suffered.
// Each returns when it makes no more progress; its connections stay open until
// then.
var attacks = []struct {
	name   string
	attack func(*crew)
}{
	{"temporary queues", temporaryQueues},
	{"receipts in transactions", receipts},
	{"bodies without an end", partialBodies},
	{"messages in memory", transient},
	{"SENDs without receipts", unsynced},
	{"deliveries without ACK", unacknowledged},
	{"private queues", privateQueues},
	{"ids of subscriptions", longIDs},
	{"answers to operators", unreadAnswers},
	{"failed logins", failedLogins},
}

// temporaryQueues fills 400 temporary queues per connection.
func temporaryQueues(c *crew) {
	const clients, queues = 12, 400
	body := mebibyte[:volume/clients/queues]
	c.each(clients, func(int) {
		a := c.connect()
		for i := range queues {
			name := fmt.Sprintf("/temp-queue/%d", i)
			if !a.write(fmt.Sprintf("SUBSCRIBE\nid:%d\ndestination:%s\nack:client\nprefetch-count:1\n\n\x00", i, name)) || !a.send(name, "", body) {
				return
			}
		}
	})
}

// receipts asks for RECEIPTs with long ids, which transactions keep until
// COMMIT.
func receipts(c *crew) {
	const clients, transactions, size = 4, 16, 60_000
	id := mebibyte[:size]
	c.each(clients, func(int) {
		a := c.connect()
		for tx := range transactions {
			if !a.write(fmt.Sprintf("BEGIN\ntransaction:%d\n\n\x00", tx)) {
				return
			}
			for range volume / clients / transactions / size {
				if !a.send("/topic/a", fmt.Sprintf("transaction:%d\nreceipt:%s\n", tx, id), "") {
					return
				}
			}
		}
	})
}

// partialBodies never sends the last byte of its bodies. The connections occupy
// the whole budget until the broker ends one of them.
func partialBodies(c *crew) {
	before := c.w.figures(c.T).ended
	c.each(volume/bodyLimit, func(int) {
		a := c.connect()
		if !a.write(fmt.Sprintf("SEND\ndestination:/topic/a\ncontent-length:%d\n\n", bodyLimit)) {
			return
		}
		for rest := bodyLimit - 1; rest > 0; rest -= len(mebibyte) {
			if !a.write(mebibyte[:min(rest, len(mebibyte))]) {
				return
			}
		}
	})
	if !until(func() bool { return c.w.figures(c.T).ended > before }) {
		c.Error("the broker has ended nobody (limits.memory)")
	}
}

// transient fills queues that are not stored and that outlive their senders.
func transient(c *crew) {
	c.filled = []string{"/queue/transient", "/queue/memory.a"}
	const clients = 8
	c.each(clients, func(i int) {
		a, to, headers := c.connect(), "/queue/transient", "persistent:false\n"
		if i%2 == 1 {
			to, headers = "/queue/memory.a", ""
		}
		for range volume / clients / len(mebibyte) {
			if !a.send(to, headers, mebibyte) {
				return
			}
		}
	})
}

const largeQueue = "/queue/large"

// unsynced sends faster than the disk can sync, and asks for one RECEIPT at the
// end. Its senders must wait, but all are served.
func unsynced(c *crew) { c.w.fillOnce.Do(func() { c.fill(largeQueue) }) }

func (c *crew) fill(queue string) {
	const clients = 8
	c.each(clients, func(int) {
		a := c.connect()
		a.patience = proctest.StepTimeout
		for range volume / clients / len(mebibyte) {
			if !a.send(queue, "", mebibyte) {
				c.Error("a sender was cut off")
				return
			}
		}
		if a.send(queue, "receipt:end\n", ""); !a.await(a.receipt) {
			c.Error("a sender has got no RECEIPT")
		}
	})
}

// unacknowledged consumes a stored queue with an unlimited prefetch and
// acknowledges nothing.
func unacknowledged(c *crew) {
	unsynced(c) // unless that attack ran before
	c.filled = []string{largeQueue}
	const clients = 4
	c.each(clients, func(int) {
		a := c.connect()
		a.write("SUBSCRIBE\nid:1\ndestination:" + largeQueue + "\nack:client\nprefetch-count:0\n\n\x00")
		a.untilQuiet()
	})
}

// untilQuiet waits until nothing has been received for a while.
func (a *attacker) untilQuiet() {
	tick := time.NewTicker(stall)
	defer tick.Stop()
	for before := int64(-1); before != a.read.Load(); <-tick.C {
		before = a.read.Load()
	}
}

// privateQueues subscribes to a topic 60 times with acknowledgement, which
// creates 60 queues, and fills them.
func privateQueues(c *crew) {
	const clients, subscriptions = 6, 60
	c.each(clients, func(int) {
		a := c.connect()
		for i := range subscriptions {
			a.write(fmt.Sprintf("SUBSCRIBE\nid:%d\ndestination:/topic/private\nack:client\nprefetch-count:1\nreceipt:%d\n\n\x00", i, i))
		}
		if !a.await(a.receipt) {
			c.Error("a SUBSCRIBE has got no RECEIPT")
		}
	})
	sender := c.connect()
	for range volume / len(mebibyte) {
		if !sender.send("/topic/private", "", mebibyte) {
			return
		}
	}
}

// longIDs makes 990 subscriptions with ids of 60 KiB.
func longIDs(c *crew) {
	const clients, subscriptions = 5, 990
	id := mebibyte[:60<<10]
	c.each(clients, func(int) {
		a := c.connect()
		for i := range subscriptions {
			if !a.write(fmt.Sprintf("SUBSCRIBE\nid:%d%s\ndestination:/topic/ids\n\n\x00", i, id)) {
				return
			}
		}
	})
}

// unreadAnswers requests long HTTP responses that need no credentials, and does
// not read them. The operator must still be served.
func unreadAnswers(c *crew) {
	const clients, requests = 40, 200
	asked := strings.Repeat("GET /api/v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n", requests)
	c.each(clients, func(int) {
		conn, err := net.DialTimeout("tcp", c.w.admin, proctest.StepTimeout)
		if err != nil {
			c.Error(err)
			return
		}
		c.keep(conn)
		if _, err := conn.Write([]byte(asked)); err != nil {
			c.Error(err)
		}
	})
	// By then the responses have filled the sockets.
	for began := time.Now(); time.Since(began) < stall; {
		if _, err := c.w.ask(http.MethodGet, "/api/v1/queues", ""); err != nil {
			c.Error(err)
			return
		}
	}
}

// failedLogins guesses passwords of users with names as long as a header and as
// a name may be, from many loopback addresses.
func failedLogins(c *crew) {
	const addresses, long, short = 40, 60_000, 200
	c.each(addresses, func(n int) {
		for i := range volume / 2 / addresses / long {
			for _, size := range []int{long, short} {
				a := c.dial(fmt.Sprintf("127.0.1.%d", n+1))
				a.write(fmt.Sprintf("CONNECT\naccept-version:1.2\nhost:localhost\nlogin:%d.%d.%s\npasscode:x\n\n\x00", n, i, mebibyte[:size]))
				if !a.await(a.refused) {
					c.Error("a wrong login has got no ERROR")
				}
				_ = a.Close()
			}
		}
	})
}
