package dialects

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"hoofbeat/auth"
	"hoofbeat/session"
)

// settings are the contents of a client's table in docs/clients.md: the
// settings of its user, and the resulting bytes on the wire. Words in capitals
// are placeholders.
type settings struct {
	urls      []string // after ws://HOST:15674
	connect   []string // headers, sorted, like those of subscribe and ack
	subscribe []string
	ack       []string
}

// documented are the clients with a table of settings in docs/clients.md, with
// the recommended heart-beat; empty: the client has none.
var documented = map[string]string{
	"StompProtocolAndroid": "10000,10000",
	"SwiftStomp":           "",
	"stomp_dart_client":    "10000,10000",
	"Netina.Stomp.Client":  "0,10000",
}

const (
	documentedHost = "ws://HOST:15674"
	authorization  = "Authorization:Bearer TOKEN"
	orders         = "/queue/orders"
)

// fromDialect returns the settings that a table must list: the client's
// defaults, with the recommended heart-beat and a token.
func fromDialect(t *testing.T, client, heartBeat string) (settings, dialect) {
	t.Helper()
	var s settings
	for _, d := range dialects {
		if !d.sockJS && (d.name == client || strings.HasPrefix(d.name, client+",")) {
			s.urls = append(s.urls, "/ws"+d.below)
		}
	}
	d := dialects[slices.IndexFunc(dialects, func(d dialect) bool { return d.name == client })]
	for _, header := range d.connect() {
		if !strings.HasPrefix(header, "heart-beat:") {
			s.connect = append(s.connect, header)
		}
	}
	if heartBeat != "" {
		s.connect = append(s.connect, "heart-beat:"+heartBeat)
	}
	s.connect = append(s.connect, authorization)
	id := "ID"
	if d.id("DESTINATION") == "DESTINATION" {
		id = "DESTINATION"
	}
	s.subscribe = d.subscription(id, "DESTINATION")
	if d.ack != "" {
		s.subscribe = append(s.subscribe, d.ack)
	}
	if d.answer != nil {
		s.ack = d.answer(frame{headers: map[string]string{"ack": "ACK", "message-id": "MESSAGE-ID", "subscription": "ID"}})
	}
	for _, list := range []*[]string{&s.urls, &s.connect, &s.subscribe, &s.ack} {
		slices.Sort(*list)
	}
	return s, d
}

var (
	code   = regexp.MustCompile("`([^`]+)`")
	header = regexp.MustCompile(`^[A-Za-z-]+:\S`)
)

// fromPage reads a client's table.
func fromPage(t *testing.T, page, client string) settings {
	t.Helper()
	_, table, found := strings.Cut(page, "\n| "+client+" | |\n|---|---|\n")
	if !found {
		t.Fatalf("docs/clients.md has no table of %s", client)
	}
	table, _, _ = strings.Cut(table, "\n\n")
	var s settings
	for line := range strings.Lines(table) {
		what, text, _ := strings.Cut(strings.Trim(line, "| \n"), " | ")
		for _, found := range code.FindAllStringSubmatch(text, -1) {
			switch path, is := strings.CutPrefix(found[1], documentedHost); {
			case is && what == "URL":
				s.urls = append(s.urls, path)
			case !header.MatchString(found[1]):
			case what == "CONNECT":
				s.connect = append(s.connect, found[1])
			case what == "SUBSCRIBE":
				s.subscribe = append(s.subscribe, found[1])
			case what == "ACK":
				s.ack = append(s.ack, found[1])
			}
		}
	}
	for _, list := range []*[]string{&s.urls, &s.connect, &s.subscribe, &s.ack} {
		slices.Sort(*list)
	}
	return s
}

// fill replaces placeholders by values.
func fill(headers []string, values map[string]string) []string {
	var filled []string
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ":")
		for word, v := range values {
			if value == word || value == "Bearer "+word {
				value = strings.Replace(value, word, v, 1)
				break
			}
		}
		filled = append(filled, name+":"+value)
	}
	return filled
}

// tokens configure the tokens of these tests.
var tokens = auth.TokenOptions{
	Algorithms: []string{"HS256"}, Secret: strings.Repeat("secret", 8), Sources: auth.Sources{Authorization: true},
}

// signed returns a token for ada with this lifetime.
func signed(t *testing.T, lifetime time.Duration) string {
	t.Helper()
	key, err := auth.ConfiguredSecret(tokens)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	s, err := auth.Sign(key, auth.Draft{Claims: []byte(`{"sub":"ada"}`), Algorithm: "HS256", IssuedAt: now, Expires: now.Add(lifetime)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The tables match the clients' bytes, and their settings work.
func TestDocumentedSettings(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(docs, "clients.md"))
	if err != nil {
		t.Fatal(err)
	}
	for client, heartBeat := range documented {
		t.Run(client, func(t *testing.T) {
			s := fromPage(t, string(page), client)
			want, d := fromDialect(t, client, heartBeat)
			wantSame(t, "URL", s.urls, want.urls)
			wantSame(t, "CONNECT", s.connect, want.connect)
			wantSame(t, "SUBSCRIBE", s.subscribe, want.subscribe)
			wantSame(t, "ACK", s.ack, want.ack)
			for _, path := range s.urls {
				below, ok := strings.CutPrefix(path, "/ws")
				if !ok {
					t.Fatalf("the path is %s", path)
				}
				d.below = below
				replay(t, d, s)
			}
		})
	}
}

func wantSame(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s is %q on the page, want %q", what, got, want)
	}
}

// replay does what the program on the page does: a client is refused with an
// expired token, connects, consumes its own message, and comes back.
func replay(t *testing.T, d dialect, s settings) {
	t.Helper()
	a, err := auth.New(t.Context(), auth.Options{JWT: &tokens})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	w := newWorld(t, func(o *session.Options) { o.Authenticator = a })
	refused := w.dial(d)
	refused.send(d.opening, fill(s.connect, map[string]string{"TOKEN": signed(t, -time.Hour)}), "")
	if f := refused.want("ERROR"); f.headers["message"] != "authentication-failed" {
		t.Errorf("the ERROR is %+v", f)
	}
	refused.ended(websocket.StatusPolicyViolation)
	for range 2 {
		p := w.dial(d)
		p.send(d.opening, fill(s.connect, map[string]string{"TOKEN": signed(t, time.Hour)}), "")
		if f := p.want("CONNECTED"); f.headers["version"] != d.version || f.headers["user-name"] != "ada" {
			t.Fatalf("got %+v", f)
		}
		p.consume(s)
		p.leave()
		w.wantNoConsumers()
	}
}

// consume processes an order as the page describes.
func (p *peer) consume(s settings) {
	p.t.Helper()
	id := p.id(orders)
	p.ids[id] = orders
	p.send("SUBSCRIBE", fill(s.subscribe, map[string]string{"ID": id, "DESTINATION": orders}), "")
	p.send("SEND", []string{"destination:" + orders, "content-type:text/plain"}, "two horseshoes")
	f := p.message(orders, "two horseshoes")
	// In mode auto, a RECEIPT confirms that everything written before it has
	// been acknowledged.
	command, lines := "SEND", []string{"destination:/topic/done"}
	if len(s.ack) > 0 {
		command = "ACK"
		lines = fill(s.ack, map[string]string{"ACK": f.headers["ack"], "MESSAGE-ID": f.headers["message-id"]})
	}
	p.send(command, append(lines, "receipt:done"), "")
	if got := p.want("RECEIPT").headers["receipt-id"]; got != "done" {
		p.t.Errorf("the receipt is %q", got)
	}
	if d := p.depth(orders); d != 0 {
		p.t.Errorf("%d messages are left", d)
	}
}
