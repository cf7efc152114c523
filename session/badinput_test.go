package session_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"hoofbeat/internal/stomptest"
	"hoofbeat/session"
)

// badInput is a list of invalid inputs.
type badInput struct {
	name    string
	before  bool     // it is said before CONNECT
	version string   // "1.2" if empty
	say     []string // writes, the last of which is refused
	word    string
	receipt string
	body    []string // parts of the ERROR's body
}

// Small limits, so that each can be passed in a line.
func smallLimits(o *session.Options) {
	l := &o.Limits
	l.Subscriptions, l.Transactions, l.TransactionFrames, l.TransactionBytes = 3, 2, 3, 10_000
	l.HeaderBytes, l.Headers, l.BodyBytes, l.BytesBeforeConnect = 4096, 20, 5000, 1024
}

func manyHeaders(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "h%d:x\n", i)
	}
	return b.String()
}

func repeat(n int, format string) []string {
	var all []string
	for i := range n {
		all = append(all, strings.ReplaceAll(format, "#", fmt.Sprint(i)))
	}
	return all
}

var badFirstFrames = []badInput{
	{name: "SEND first", before: true, say: []string{"SEND\ndestination:/queue/a\nreceipt:r\n\n\x00"}, word: "not-connected", receipt: "r", body: []string{"SEND", "CONNECT"}},
	{name: "SUBSCRIBE first", before: true, say: []string{"SUBSCRIBE\nid:1\ndestination:/queue/a\n\n\x00"}, word: "not-connected", body: []string{"SUBSCRIBE", "CONNECT"}},
	{name: "DISCONNECT first", before: true, say: []string{"DISCONNECT\nreceipt:r\n\n\x00"}, word: "not-connected", receipt: "r", body: []string{"DISCONNECT"}},
	{name: "rubbish first", before: true, say: []string{"rubbish\n"}, word: "invalid-frame", body: []string{"rubbish"}},
	{name: "HTTP", before: true, say: []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n"}, word: "invalid-frame", body: []string{"GET / HTTP/1.1"}},
	{name: "TLS", before: true, say: []string{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x7f", 100)}, word: "invalid-frame", body: []string{"not a STOMP command"}},
	{name: "server command first", before: true, say: []string{"CONNECTED\nversion:1.2\n\n\x00"}, word: "invalid-frame", body: []string{"CONNECTED", "server"}},
	{name: "unknown version", before: true, say: []string{"CONNECT\naccept-version:3.0\n\n\x00"}, word: "unsupported-version", body: []string{"accept-version", "1.0, 1.1 and 1.2"}},
	{name: "long CONNECT", before: true, say: []string{"CONNECT\nx:" + strings.Repeat("x", 2000)}, word: "frame-too-large", body: []string{"1024", "limits.frame_bytes_before_connect"}},
	{name: "long header, no end", before: true, say: []string{"CONNECT\n" + strings.Repeat("x", 2000)}, word: "frame-too-large", body: []string{"limits.frame_bytes_before_connect"}},
	{name: "body of CONNECT", before: true, say: []string{"CONNECT\naccept-version:1.2\n\nbody\x00"}, word: "invalid-frame", body: []string{"CONNECT", "body"}},
	{name: "body before CONNECT", before: true, say: []string{"SEND\ndestination:/queue/a\ncontent-length:2000\n\n"}, word: "frame-too-large", body: []string{"limits.frame_bytes_before_connect"}},
	{name: "CONNECT without colon", before: true, say: []string{"CONNECT\naccept-version\n\n\x00"}, word: "invalid-frame", body: []string{"CONNECT", "colon"}},
	{name: "CONNECT not UTF-8", before: true, say: []string{"CONNECT\nlogin:\xff\n\n\x00"}, word: "invalid-frame", body: []string{"CONNECT", "UTF-8"}},
}

var badFrames = []badInput{
	{name: "CONNECT twice", say: []string{"CONNECT\naccept-version:1.2\nreceipt:r\n\n\x00"}, word: "already-connected", receipt: "r", body: []string{"CONNECT", "once"}},
	{name: "STOMP behind CONNECT", say: []string{"STOMP\naccept-version:1.2\n\n\x00"}, word: "already-connected", body: []string{"STOMP"}},
	{name: "unknown command", say: []string{"PUBLISH\ndestination:/queue/a\n\n\x00"}, word: "invalid-frame", body: []string{"PUBLISH"}},
	{name: "lower case", say: []string{"send\ndestination:/queue/a\n\n\x00"}, word: "invalid-frame", body: []string{"send", "upper case"}},
	{name: "endless command", say: []string{strings.Repeat("SEND", 100)}, word: "invalid-frame", body: []string{"SENDSEND"}},
	{name: "MESSAGE", say: []string{"MESSAGE\ndestination:/queue/a\n\n\x00"}, word: "invalid-frame", body: []string{"MESSAGE", "server"}},
	{name: "RECEIPT", say: []string{"RECEIPT\nreceipt-id:1\n\n\x00"}, word: "invalid-frame", body: []string{"RECEIPT", "server"}},
	{name: "ERROR", say: []string{"ERROR\nmessage:x\n\n\x00"}, word: "invalid-frame", body: []string{"ERROR", "server"}},
	{name: "header without colon", say: []string{"SEND\nreceipt:r\ndestination\n\n\x00"}, word: "invalid-frame", receipt: "r", body: []string{"SEND", "colon"}},
	{name: "header without name", say: []string{"SEND\nreceipt:r\n:x\n\n\x00"}, word: "invalid-frame", receipt: "r", body: []string{"SEND", "name"}},
	{name: "bad escape", say: []string{"SEND\nreceipt:r\ndestination:/queue/a\\t\n\n\x00"}, word: "invalid-frame", receipt: "r", body: []string{"destination", "SEND", `\c`, "1.2"}},
	{name: "bad escape at the end", say: []string{"SEND\nk:a\\\n\n\x00"}, word: "invalid-frame", body: []string{`"k"`, "escape"}},
	{name: "CR escape in 1.1", version: "1.1", say: []string{"SEND\nk:a\\r\n\n\x00"}, word: "invalid-frame", body: []string{`"k"`, "1.1"}},
	{name: "bare CR in 1.2", say: []string{"SEND\nk:a\rb\n\n\x00"}, word: "invalid-frame", body: []string{`"k"`, "CR"}},
	{name: "not UTF-8", say: []string{"SEND\nreceipt:r\nk:\xc3\n\n\x00"}, word: "invalid-frame", receipt: "r", body: []string{"SEND", "UTF-8"}},
	{name: "NUL in header", say: []string{"SEND\nreceipt:r\nk:a\x00b\n\n\x00"}, word: "invalid-frame", receipt: "r", body: []string{"NUL", "blank line"}},
	{name: "too many headers", say: []string{"SEND\nreceipt:r\n" + manyHeaders(21)}, word: "frame-too-large", receipt: "r", body: []string{"20", "limits.frame_headers"}},
	{name: "long headers", say: []string{"SEND\nreceipt:r\nk:" + strings.Repeat("x", 4096)}, word: "frame-too-large", receipt: "r", body: []string{"4096", "limits.frame_header_bytes"}},
	{name: "100,000 headers", say: []string{"SEND\n" + manyHeaders(100_000)}, word: "frame-too-large", body: []string{"limits.frame_headers"}},
	{name: "long body", say: []string{"SEND\nreceipt:r\ndestination:/queue/a\n\n" + strings.Repeat("x", 5001)}, word: "frame-too-large", receipt: "r", body: []string{"5000", "limits.frame_body_bytes"}},
	{name: "long body announced", say: []string{"SEND\nreceipt:r\ndestination:/queue/a\ncontent-length:5001\n\n"}, word: "frame-too-large", receipt: "r", body: []string{"5000", "limits.frame_body_bytes"}},
	{name: "huge content-length", say: []string{"SEND\ncontent-length:1000000000\ndestination:/queue/a\n\n"}, word: "frame-too-large", body: []string{"limits.frame_body_bytes"}},
	{name: "overflowing content-length", say: []string{"SEND\ncontent-length:99999999999999999999999\n\n"}, word: "frame-too-large", body: []string{"limits.frame_body_bytes"}},
	{name: "negative content-length", say: []string{"SEND\nreceipt:r\ncontent-length:-1\n\n"}, word: "invalid-frame", receipt: "r", body: []string{"content-length", "-1"}},
	{name: "no content-length", say: []string{"SEND\ncontent-length:\n\n"}, word: "invalid-frame", body: []string{"content-length"}},
	{name: "content-length in words", say: []string{"SEND\ncontent-length:1e3\n\n"}, word: "invalid-frame", body: []string{"content-length"}},
	{name: "content-length too short", say: []string{"SEND\nreceipt:r\ndestination:/queue/a\ncontent-length:3\n\nbody\x00"}, word: "invalid-frame", receipt: "r", body: []string{"content-length", "split"}},
	{name: "content-length too long", say: []string{"SEND\nreceipt:r\ndestination:/queue/a\ncontent-length:9\n\nbody\x00SEND\ndestination:/queue/a\n\n\x00"}, word: "invalid-frame", receipt: "r", body: []string{"content-length"}},
	{name: "missing NUL", say: []string{"SUBSCRIBE\nid:1\nreceipt:r\ndestination:/queue/a\n\nSEND\ndestination:/queue/a\n\n\x00"}, word: "invalid-frame", receipt: "r", body: []string{"SUBSCRIBE", "NUL"}},
	{name: "missing blank line", say: []string{"SUBSCRIBE\nid:1\nreceipt:r\ndestination:/queue/a\n\x00"}, word: "invalid-frame", receipt: "r", body: []string{"blank line"}},
	{name: "body of ACK", say: []string{"ACK\nid:1\n\nbody\x00"}, word: "invalid-frame", body: []string{"ACK", "body"}},
}

func asks(lines string) []string { return []string{lines + "\nreceipt:r\n\n\x00"} }

var badHeaders = []badInput{
	{name: "SEND nowhere", say: asks("SEND"), word: "missing-header", body: []string{`"destination"`, "SEND"}},
	{name: "SEND to nothing", say: asks("SEND\ndestination:"), word: "missing-header", body: []string{`"destination"`, "SEND"}},
	{name: "SUBSCRIBE nowhere", say: asks("SUBSCRIBE\nid:1"), word: "missing-header", body: []string{`"destination"`, "SUBSCRIBE"}},
	{name: "SUBSCRIBE without id", say: asks("SUBSCRIBE\ndestination:/queue/a"), word: "missing-header", body: []string{`"id"`, "SUBSCRIBE"}},
	{name: "SUBSCRIBE without id in 1.1", version: "1.1", say: asks("SUBSCRIBE\ndestination:/queue/a"), word: "missing-header", body: []string{`"id"`}},
	{name: "SUBSCRIBE nowhere in 1.0", version: "1.0", say: asks("SUBSCRIBE"), word: "missing-header", body: []string{`"destination"`}},
	{name: "UNSUBSCRIBE without id", say: asks("UNSUBSCRIBE\ndestination:/queue/a"), word: "missing-header", body: []string{`"id"`, "UNSUBSCRIBE"}},
	{name: "UNSUBSCRIBE nothing in 1.0", version: "1.0", say: asks("UNSUBSCRIBE"), word: "missing-header", body: []string{"UNSUBSCRIBE"}},
	{name: "id taken", say: []string{"SUBSCRIBE\nid:1\ndestination:/topic/x\n\n\x00", asks("SUBSCRIBE\nid:1\ndestination:/topic/y")[0]}, word: "duplicate-subscription", body: []string{"id", "destination"}},
	{name: "ACK of nothing", say: asks("ACK"), word: "missing-header", body: []string{`"id"`, "ACK"}},
	{name: "ACK by message-id in 1.2", say: asks("ACK\nsubscription:1\nmessage-id:bcdf1-1-1"), word: "missing-header", body: []string{`"id"`, "ACK"}},
	{name: "NACK by message-id in 1.2", say: asks("NACK\nid:\nmessage-id:bcdf1-1-1"), word: "missing-header", body: []string{`"id"`, "NACK"}},
	{name: "late ACK in no transaction", say: asks("ACK\nid:bcdf1-1-1\ntransaction:t"), word: "unknown-transaction", body: []string{"ACK", "BEGIN"}},
	{name: "NACK in no transaction", say: asks("NACK\nid:bcdf1-1-1\ntransaction:t"), word: "unknown-transaction", body: []string{"NACK"}},
	{name: "late NACK that may or may not requeue", say: asks("NACK\nid:bcdf1-1-1\nrequeue:maybe"), word: "invalid-header", body: []string{`"requeue"`}},
	{name: "NACK of nothing in 1.1", version: "1.1", say: asks("NACK\nsubscription:1"), word: "missing-header", body: []string{`"message-id"`, "NACK"}},
	{name: "unknown ack id", say: asks("ACK\nid:x-1-1"), word: "unknown-ack-id", body: []string{"ACK"}},
	{name: "unknown prefix", say: asks("SEND\ndestination:/exchange/a"), word: "unknown-destination", body: []string{"/topic/", "/queue/", "/temp-queue/", "/user/"}},
	{name: "no prefix", say: asks("SUBSCRIBE\nid:1\ndestination:a"), word: "unknown-destination", body: []string{"/topic/", "/queue/"}},
	{name: "prefix without slash", say: asks("SEND\ndestination:/queuefoo"), word: "unknown-destination", body: []string{"/queuefoo"}},
	{name: "no name", say: asks("SEND\ndestination:/queue/"), word: "invalid-destination", body: []string{"/queue/", "name"}},
	{name: "wildcard in SEND", say: asks("SEND\ndestination:/topic/a.*"), word: "invalid-destination", body: []string{"/topic/a.*", "wildcard", "SUBSCRIBE"}},
	{name: "wildcard # in SEND", say: asks("SEND\ndestination:/topic/#"), word: "invalid-destination", body: []string{"wildcard"}},
	{name: "wildcard of queues", say: asks("SUBSCRIBE\nid:1\ndestination:/queue/>"), word: "invalid-destination", body: []string{"wildcard"}},
	{name: "half a wildcard", say: asks("SUBSCRIBE\nid:1\ndestination:/topic/a*"), word: "invalid-destination", body: []string{"whole segment"}},
	{name: "control character", say: asks("SEND\ndestination:/queue/a\\nb"), word: "invalid-destination", body: []string{"control"}},
	{name: "long destination", say: asks("SEND\ndestination:/queue/" + strings.Repeat("x", 1100)), word: "invalid-destination", body: []string{"1024"}},
	{name: "SEND to oneself", say: asks("SEND\ndestination:/user/queue/x"), word: "invalid-destination", body: []string{"/user/{user}/queue/NAME"}},
	{name: "bad reply-to", say: asks("SEND\ndestination:/queue/a\nreply-to:/temp-queue/*"), word: "invalid-destination", body: []string{"wildcard"}},
	{name: "unknown ack mode", say: asks("SUBSCRIBE\nid:1\ndestination:/queue/a\nack:clientindividual"), word: "invalid-header", body: []string{"ack", "SUBSCRIBE", "client-individual"}},
	{name: "bad prefetch", say: asks("SUBSCRIBE\nid:1\ndestination:/queue/a\nprefetch-count:-1"), word: "invalid-header", body: []string{"prefetch-count"}},
	{name: "bad ActiveMQ prefetch", say: asks("SUBSCRIBE\nid:1\ndestination:/queue/a\nactivemq.prefetchSize:x"), word: "invalid-header", body: []string{"activemq.prefetchSize"}},
	{name: "a policy of RabbitMQ's", say: asks("SUBSCRIBE\nid:1\ndestination:/queue/a\nx-message-ttl:1000"), word: "not-supported", body: []string{"x-message-ttl", "policy"}},
	{name: "selector", say: asks("SUBSCRIBE\nid:1\ndestination:/queue/a\nselector:a=1"), word: "not-supported", body: []string{"selector", "SUBSCRIBE"}},
	{name: "BEGIN nothing", say: asks("BEGIN"), word: "missing-header", body: []string{`"transaction"`, "BEGIN"}},
	{name: "COMMIT nothing", say: asks("COMMIT"), word: "missing-header", body: []string{`"transaction"`, "COMMIT"}},
	{name: "ABORT nothing", say: asks("ABORT\ntransaction:"), word: "missing-header", body: []string{`"transaction"`, "ABORT"}},
	{name: "BEGIN twice", say: []string{"BEGIN\ntransaction:t\n\n\x00", asks("BEGIN\ntransaction:t")[0]}, word: "duplicate-transaction", body: []string{"transaction"}},
	{name: "COMMIT unknown", say: asks("COMMIT\ntransaction:t"), word: "unknown-transaction", body: []string{"COMMIT", "BEGIN"}},
	{name: "ABORT unknown", say: asks("ABORT\ntransaction:t"), word: "unknown-transaction", body: []string{"ABORT"}},
	{name: "SEND unknown", say: asks("SEND\ndestination:/queue/a\ntransaction:t"), word: "unknown-transaction", body: []string{"SEND", "BEGIN"}},
	{name: "COMMIT twice", say: []string{"BEGIN\ntransaction:t\n\n\x00", "COMMIT\ntransaction:t\n\n\x00", asks("COMMIT\ntransaction:t")[0]}, word: "unknown-transaction", body: []string{"COMMIT"}},
	{name: "too many subscriptions", say: append(repeat(3, "SUBSCRIBE\nid:#\ndestination:/topic/x\n\n\x00"), asks("SUBSCRIBE\nid:x\ndestination:/topic/x")[0]), word: "too-many-subscriptions", body: []string{"4", "limits.subscriptions_per_connection"}},
	{name: "too many transactions", say: append(repeat(2, "BEGIN\ntransaction:#\n\n\x00"), asks("BEGIN\ntransaction:x")[0]), word: "too-many-transactions", body: []string{"2", "limits.transactions_per_connection"}},
	{name: "long transaction", say: slices.Concat([]string{"BEGIN\ntransaction:t\n\n\x00"}, repeat(3, "SEND\ndestination:/queue/a\ntransaction:t\n\n\x00"), asks("SEND\ndestination:/queue/a\ntransaction:t")), word: "transaction-too-large", body: []string{"3", "limits.frames_per_transaction"}},
}

func badInputs() []badInput {
	all := slices.Concat(badFirstFrames, badFrames)
	for _, b := range slices.Concat(badHeaders, badProperties(), badDurables) {
		b.receipt = "r"
		all = append(all, b)
	}
	for _, value := range []string{"", "0", "T,0", "100,10,50", "-1,0", "0,-1", "1.5,0", "99999999999999,0", "0,2147483648", ",", "a"} {
		all = append(all, badInput{name: "heart-beat " + value, before: true, word: "invalid-heart-beat",
			say: []string{"CONNECT\naccept-version:1.2\nheart-beat:" + value + "\n\n\x00"}, body: []string{"heart-beat", "milliseconds"}})
	}
	return all
}

// Each of these is answered with an ERROR that names the fault, and with the
// end of the connection. Other clients notice nothing, and no message is
// lost.
func TestBadInput(t *testing.T) {
	for _, tc := range badInputs() {
		t.Run(tc.name, func(t *testing.T) {
			converse(t, func(t *testing.T, w *world) {
				b := standBy(w, "/queue/a", "/topic/a")
				c := w.dial()
				if !tc.before {
					connectTo(c, tc.version)
					c.Send("SUBSCRIBE", "id:own", "destination:/queue/a", "ack:client-individual")
					c.Want("MESSAGE", "", "2")
				}
				for _, s := range tc.say {
					_ = c.TryWrite(s)
				}
				c.WantError(tc.word, tc.receipt, tc.body...)
				c.WantClosed()
				b.undisturbed()
			}, smallLimits, func(o *session.Options) { o.Limits.Subscriptions++; o.Limits.Prefetch = 2 })
		})
	}
}

func connectTo(c *stomptest.Client, version string) {
	if version == "" {
		version = "1.2"
	}
	c.Connect(version)
}

// A bystander must not be affected by the faults of others: it has two of
// three messages of a queue, and reads a topic.
type bystander struct {
	w            *world
	c            *stomptest.Client
	queue, topic string
	acks         []string
}

func standBy(w *world, queue, topic string) *bystander {
	c := w.connect()
	for i := range 3 {
		c.Send("SEND", "destination:"+queue, "", fmt.Sprint(i))
	}
	c.Send("SUBSCRIBE", "id:q", "destination:"+queue, "ack:client-individual", "prefetch-count:2")
	c.Send("SUBSCRIBE", "id:t", "destination:"+topic)
	acks := []string{c.Want("MESSAGE", "", "0").Get("ack"), c.Want("MESSAGE", "", "1").Get("ack")}
	return &bystander{w: w, c: c, queue: queue, topic: topic, acks: acks}
}

// undisturbed wants all to be as it was, and nothing to take any time.
func (b *bystander) undisturbed() {
	b.w.t.Helper()
	start := time.Now()
	b.w.wantDepth(b.queue, 1, 2)
	b.c.WantNothing()
	b.c.Send("SEND", "destination:"+b.topic, "", "still here")
	b.c.Want("MESSAGE", "subscription:t", "", "still here")
	b.c.Send("ACK", "id:"+b.acks[0])
	b.acks = append(b.acks[1:], b.c.Want("MESSAGE", "", "2").Get("ack"))
	b.c.Send("ACK", "id:"+b.acks[0])
	b.c.Send("ACK", "id:"+b.acks[1])
	b.c.WantNothing()
	b.w.wantDepth(b.queue, 0, 0)
	if waited := time.Since(start); waited > 0 {
		b.w.t.Errorf("the bystander waited %v", waited)
	}
}
