package dialects

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"hoofbeat/destination"
)

// conversations are run by every client. Each received message goes through the
// model of the client's parser.
var conversations = map[string]func(p func(...string) *peer){
	"CONNECTED":        connected,
	"topic":            topic,
	"headers":          customHeaders,
	"large":            large,
	"many":             many,
	"same id again":    sameAgain,
	"ack":              acknowledge,
	"redelivery":       redelivery,
	"dead letters":     deadLetters,
	"durable":          durable,
	"own queue":        ownQueue,
	"transaction":      transaction,
	"unknown":          unknownDestination,
	"error with id":    errorWithReceipt,
	"refused":          badFrame,
	"disconnect":       disconnect,
	"leaves in a rush": leaves,
}

func TestDialects(t *testing.T) {
	for _, d := range dialects {
		t.Run(d.name, func(t *testing.T) {
			for name, conversation := range conversations {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					w := newWorld(t)
					conversation(func(headers ...string) *peer { return w.connect(d, headers...) })
				})
			}
		})
	}
}

func connected(connect func(...string) *peer) {
	p := connect("login:müller von:und\\zu")
	if p.closed != nil {
		p.t.Error("it is closed")
	}
	if p.tcp {
		return
	}
	// A second connection, to check that each header of CONNECTED has a value.
	q := p.w.dial(p.dialect)
	q.send(p.opening, p.connect(), "")
	f := q.want("CONNECTED")
	for _, name := range []string{"version", "heart-beat", "server", "session", "user-name"} {
		if f.headers[name] == "" {
			p.t.Errorf("CONNECTED has no %s: %+v", name, f)
		}
	}
	if f.body != "" {
		p.t.Errorf("CONNECTED has a body: %q", f.body)
	}
}

func topic(connect func(...string) *peer) {
	p := connect()
	p.subscribe("/topic/chat.general")
	for _, body := range []string{"hello", "grüße, €, 😀", `{"a":"b"}`} {
		p.send("SEND", []string{"destination:/topic/chat.general", "content-type:application/json"}, body)
		f := p.message("/topic/chat.general", body)
		if f.headers["ack"] != "" || f.headers["redelivered"] != "" || f.headers["content-type"] != "application/json" {
			p.t.Errorf("the headers are %q", f.headers)
		}
	}
	// The broker invents no header that the sender left out.
	p.send("SEND", []string{"destination:/topic/chat.general"}, "plain")
	if f := p.message("/topic/chat.general", "plain"); f.headers["content-type"] != "" {
		p.t.Errorf("the headers are %q", f.headers)
	}
}

// Colons that are not escaped arrive intact: the client reads back the value
// that it wrote.
func customHeaders(connect func(...string) *peer) {
	p := connect()
	reader := p.w.plain()
	reader.Send("SUBSCRIBE", "id:1", "destination:/topic/chat", "receipt:s")
	reader.WantReceipt("s")
	value := "http://host:8080/a"
	if p.escapes {
		value = strings.ReplaceAll(value, ":", `\c`)
	}
	p.send("SEND", []string{"destination:/topic/chat", "link:" + value, "CamelCase:Kept"}, "x")
	reader.Want("MESSAGE", "link:http://host:8080/a", "CamelCase:Kept", "", "x")
	if strings.HasPrefix(p.name, "StompProtocolAndroid") || p.name == "SwiftStomp" || strings.HasPrefix(p.name, "Netina") {
		return // these clients cannot read the values that they can write
	}
	p.subscribe("/topic/chat")
	p.send("SEND", []string{"destination:/topic/chat", "link:" + value, "CamelCase:Kept"}, "x")
	f := p.message("/topic/chat", "x")
	if got := f.headers["link"]; strings.ReplaceAll(got, `\c`, ":") != "http://host:8080/a" || f.headers["CamelCase"] != "Kept" {
		p.t.Errorf("the headers are %q", f.headers)
	}
}

func large(connect func(...string) *peer) {
	p := connect()
	p.subscribe("/topic/large")
	body := strings.Repeat("0123456789abcdé", 20_000)
	p.send("SEND", []string{"destination:/topic/large"}, body)
	p.message("/topic/large", body)
	p.send("SEND", []string{"destination:/topic/large"}, "small")
	p.message("/topic/large", "small")
}

// Consecutive messages arrive separately, even if the broker writes them
// together.
func many(connect func(...string) *peer) {
	p := connect()
	p.subscribe("/topic/many")
	sender := p.w.plain()
	var all strings.Builder
	for range 300 {
		all.WriteString("SEND\ndestination:/topic/many\n\nx\x00")
	}
	sender.Write(all.String())
	seen := map[string]bool{}
	for range 300 {
		seen[p.message("/topic/many", "x").headers["message-id"]] = true
	}
	if len(seen) != 300 {
		p.t.Errorf("%d different message-ids", len(seen))
	}
}

func sameAgain(connect func(...string) *peer) {
	p := connect()
	p.subscribe("/topic/same")
	p.subscribe("/topic/same")
	p.send("SEND", []string{"destination:/topic/same"}, "once")
	p.send("SEND", []string{"destination:/topic/same"}, "twice")
	p.message("/topic/same", "once")
	p.message("/topic/same", "twice")
}

// work subscribes to a queue in the client's acknowledgement mode. It returns
// false if the client has none.
func (p *peer) work(queue string) bool {
	p.t.Helper()
	if p.ack == "" {
		return false
	}
	p.subscribe(queue, p.ack)
	return true
}

func (p *peer) say(command string, m frame) {
	p.t.Helper()
	p.send(command, append(p.answer(m), "receipt:"+command), "")
	if got := p.want("RECEIPT").headers["receipt-id"]; got != command {
		p.t.Fatalf("the receipt is %q", got)
	}
}

func acknowledge(connect func(...string) *peer) {
	p := connect()
	if !p.work("/queue/orders") {
		p.subscribe("/queue/orders")
		p.send("SEND", []string{"destination:/queue/orders"}, "one")
		p.message("/queue/orders", "one")
		return
	}
	p.send("SEND", []string{"destination:/queue/orders"}, "one")
	p.say("ACK", p.message("/queue/orders", "one"))
	p.send("SEND", []string{"destination:/queue/orders"}, "two")
	if f := p.message("/queue/orders", "two"); f.headers["redelivered"] != "" {
		p.t.Errorf("the headers are %q", f.headers)
	}
	if d := p.depth("/queue/orders"); d != 1 {
		p.t.Errorf("%d messages are left, want the second", d)
	}
}

func (p *peer) depth(queue string) int {
	p.t.Helper()
	d, err := p.w.options.Namespace.ForSubscribe(queue, destination.Owner{})
	if err != nil {
		p.t.Fatal(err)
	}
	depth, _ := p.w.broker.Depth(d)
	return depth.Ready + depth.Unacked
}

// A client without NACK rejects a message by disconnecting.
func redelivery(connect func(...string) *peer) {
	p := connect()
	if !p.work("/queue/refused") {
		return
	}
	p.send("SEND", []string{"destination:/queue/refused"}, "again")
	first := p.message("/queue/refused", "again")
	if p.version == "1.0" {
		p.leave()
		p = connect()
		p.work("/queue/refused")
	} else {
		p.send("NACK", p.answer(first), "")
	}
	f := p.message("/queue/refused", "again")
	if f.headers["redelivered"] != "true" || f.headers["delivery-count"] != "2" || f.headers["ack"] == first.headers["ack"] {
		p.t.Errorf("the headers are %q", f.headers)
	}
	p.say("ACK", f)
}

func (p *peer) leave() {
	if p.stream != nil {
		p.stream.Close()
		return
	}
	_ = p.ws.CloseNow()
}

// The client can read a message that a worker has rejected too often.
func deadLetters(connect func(...string) *peer) {
	p := connect()
	p.subscribe(p.w.deadMail)
	worker := p.w.plain()
	worker.Send("SUBSCRIBE", "id:1", "destination:/queue/work.a", "ack:client-individual")
	p.send("SEND", []string{"destination:/queue/work.a", "kind:order"}, "broken")
	for range 2 {
		worker.Send("NACK", "id:"+worker.Want("MESSAGE", "", "broken").Get("ack"))
	}
	f := p.message(p.w.deadMail, "broken")
	for name, want := range map[string]string{
		"original-destination": "/queue/work.a", "death-reason": "max-deliveries", "death-count": "1", "kind": "order",
	} {
		if f.headers[name] != want {
			p.t.Errorf("%s is %q, want %q", name, f.headers[name], want)
		}
	}
}

func durable(connect func(...string) *peer) {
	const name, topic = "activemq.subscriptionName:mine", "/topic/news.all"
	p := connect("client-id:phone-7")
	p.subscribe(topic, name)
	p.leave()
	p.w.wantNoConsumers()
	sender := p.w.plain()
	sender.Send("SEND", "destination:"+topic, "", "while away")
	sender.Barrier()
	p = connect("client-id:phone-7")
	id := p.id(topic)
	p.ids[id] = topic
	p.send("SUBSCRIBE", append(p.subscription(id, topic), name), "")
	p.message(topic, "while away")
	p.send("UNSUBSCRIBE", []string{"id:" + id, name, "receipt:gone"}, "")
	if got := p.want("RECEIPT").headers["receipt-id"]; got != "gone" {
		p.t.Errorf("the receipt is %q", got)
	}
}

// A user's message has the destination that the client wrote.
func ownQueue(connect func(...string) *peer) {
	p := connect("login:ann")
	p.subscribe("/user/queue/news")
	p.w.plain().Send("SEND", "destination:/user/ann/queue/news", "", "for ann")
	p.message("/user/queue/news", "for ann")
}

func transaction(connect func(...string) *peer) {
	p := connect()
	p.subscribe("/queue/in-one")
	p.send("BEGIN", []string{"transaction:t1"}, "")
	p.send("SEND", []string{"destination:/queue/in-one", "transaction:t1"}, "one")
	p.send("SEND", []string{"destination:/queue/in-one", "transaction:t1"}, "two")
	p.send("COMMIT", []string{"transaction:t1", "receipt:done"}, "")
	seen := map[string]int{}
	for range 3 {
		f, err := p.next()
		if err != nil {
			p.t.Fatal(err)
		}
		seen[f.command+f.body]++
	}
	if seen["MESSAGEone"] != 1 || seen["MESSAGEtwo"] != 1 || seen["RECEIPT"] != 1 {
		p.t.Errorf("got %v", seen)
	}
}

// TestHeartBeats: heart-beats keep both sides connected. The cases wait
// together, because there are more than may run in parallel.
func TestHeartBeats(t *testing.T) {
	var all sync.WaitGroup
	for _, d := range dialects {
		if d.version == "1.0" || d.tcp {
			continue // 1.0 has none, and stomptest checks those of streams
		}
		all.Go(func() {
			t.Run(d.name, func(t *testing.T) { beats(newWorld(t).dial(d)) })
		})
	}
	all.Wait()
}

func beats(p *peer) {
	const interval = 2000 // ms; a busy machine may stop this process for a second or two
	var lines []string
	for _, h := range p.connect() {
		if !strings.HasPrefix(h, "heart-beat:") {
			lines = append(lines, h)
		}
	}
	p.send(p.opening, append(lines, fmt.Sprintf("heart-beat:%d,%d", interval, interval)), "")
	if got := p.want("CONNECTED").headers["heart-beat"]; got != fmt.Sprintf("%d,%d", interval, interval) {
		p.t.Fatalf("heart-beat is %q", got)
	}
	pings := time.NewTicker(interval * time.Millisecond)
	defer pings.Stop()
	stop, done := make(chan struct{}), make(chan struct{})
	defer func() {
		close(stop)
		<-done
	}()
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-pings.C:
				p.beatOnce()
			}
		}
	}()
	for range 3 { // 4.8 s, more than twice the interval
		if f, err := p.next(); err != nil || f.command != "" {
			p.t.Fatalf("got %+v, %v; want a heart-beat", f, err)
		}
	}
	p.subscribe("/topic/after")
}
