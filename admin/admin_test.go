package admin

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"hoofbeat/broker"
	"hoofbeat/destination"
)

func TestList(t *testing.T) {
	d := newDesk()
	want(t, d.do(t, "GET", "/api/v1/queues", ""), 200, `{"queues":[],"total":0}`)
	d.infos = []broker.QueueInfo{
		{Destination: parsed(t, "/queue/orders/new"), Durable: true, Depth: broker.Depth{Ready: 3, Unacked: 2, Delayed: 1},
			Flow: broker.Flow{Enqueued: 9, Delivered: 8, Redelivered: 7, Acked: 6}, Consumers: 4, Bytes: 500, Oldest: 1500, Policy: broker.Policy{MaxMessages: 5}},
		{Destination: destination.DurableSubscription("a/b", "", "n%"), Topic: parsed(t, "/topic/news.**"), Abandoned: 1000, Policy: broker.Policy{Durable: true}},
	}
	want(t, d.do(t, "GET", "/api/v1/queues", ""), 200, `{"queues":[`+
		`{"name":"/queue/orders/new","durable":true,"ready":3,"unacked":2,"delayed":1,"consumers":4,"over_limits":true,"bytes":500,"totals":{"enqueued":9,"delivered":8,"redelivered":7,"acked":6},"oldest":"1970-01-01T00:00:01.5Z"},`+
		`{"name":"/subscription/a%2Fb//n%25","topic":"/topic/news.**","durable":false,"ready":0,"unacked":0,"delayed":0,"consumers":0,"bytes":0,"totals":{"enqueued":0,"delivered":0,"redelivered":0,"acked":0},"abandoned":"1970-01-01T00:00:01Z"}],"total":2}`)
	head := d.do(t, "HEAD", "/api/v1/queues", "")
	if head.StatusCode != 200 || head.Header.Get("Content-Type") != "application/json" {
		t.Errorf("HEAD: %+v", head)
	}
}

func TestShow(t *testing.T) {
	d := newDesk()
	d.infos = []broker.QueueInfo{{
		Destination: parsed(t, "/queue/orders.new"), Policy: broker.Policy{
			Durable: true, MaxDeliveries: 5, RedeliveryDelay: broker.Backoff{Initial: time.Second, Multiplier: 2, Max: time.Minute},
			DeadLetter: parsed(t, "/queue/dead"), TTL: time.Hour, MaxMessages: 7, Overflow: broker.BlockSender, Prefetch: 9,
		},
	}, {
		Destination: destination.DurableSubscription("a/b", "c", ""), Policy: broker.Policy{MaxBytes: 5, SubscriptionExpiry: time.Hour, DurableSharing: true},
	}}
	const rest = `"durable":false,"ready":0,"unacked":0,"delayed":0,"consumers":0,"bytes":0,"totals":{"enqueued":0,"delivered":0,"redelivered":0,"acked":0},"policy":`
	shop := `{"name":"/queue/orders.new",` + rest + `{"durable":true,"max_deliveries":5,"redelivery_delay":"1s","redelivery_delay_multiplier":2,` +
		`"redelivery_delay_max":"1m0s","dead_letter":"/queue/dead","ttl":"1h0m0s","max_messages":7,"overflow":"block","prefetch":9}}`
	for _, name := range []string{"/queue/orders.new", "/queue/orders/new", "%2Fqueue%2Forders.new"} {
		want(t, d.do(t, "GET", "/api/v1/queue?name="+name, ""), 200, shop)
	}
	want(t, d.do(t, "GET", "/api/v1/queue?name=/subscription/a%252Fb/c/", ""), 200,
		`{"name":"/subscription/a%2Fb/c/",`+rest+`{"durable":false,"max_bytes":5,"overflow":"reject","subscription_expiry":"1h0m0s","durable_sharing":true}}`)
	wantRefusal(t, d.do(t, "GET", "/api/v1/queue?name=/queue/orders", ""), 404, "unknown-queue")
}

func TestNames(t *testing.T) {
	s := &server{o: Options{Namespace: destination.Namespace{Queues: []string{"/queue/", "/jobs/"}, Topics: []string{"/topic/"}}}}
	for _, parts := range [][3]string{{"anna", "", "n"}, {"a/b", "c%2F", "../x"}, {"", "", ""}, {"é ", "?&#", "a\nb"}} {
		d := destination.DurableSubscription(parts[0], parts[1], parts[2])
		if got, err := s.queueNamed(Name(d)); err != nil || got.Key() != d.Key() {
			t.Errorf("%q: %q, %v", parts, Name(d), err)
		}
	}
	for name, good := range map[string]bool{
		"/queue/a.b/c": true, "/jobs/x": true, "/queue/..": true, "/queue/%2e": true,
		"": false, "/queue/": false, "queue/a": false, "/queue/*": false, "/queue/a.**": false, "/topic/a": false, "/temp-queue/a": false,
		"/user/anna/queue/a": false, "/reply-queue/x.y": false, "/queue/a\x00": false, "/queue/" + strings.Repeat("a", 1024): false,
		"/subscription/a/b": false, "/subscription/a/b/c/d": false, "/subscription/a/b/%zz": false, "/subscription/a/b/%00": false, "/subscription/": false,
	} {
		if _, err := s.queueNamed(name); (err == nil) != good {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestBrowse(t *testing.T) {
	d := newDesk()
	d.messages = []broker.Browsed{
		{Message: message(t, "/queue/a", "grüße", "b", "1", "a", "2"), Seq: 5, State: broker.State{Attempts: 3, Failures: 2}},
		{Message: message(t, "/queue/a", "\xff\x00"), Seq: 6, Visible: 3000},
		{Message: message(t, "/queue/a", ""), Seq: 7},
	}
	first := `{"sequence":5,"destination":"/queue/a","headers":[{"name":"b","value":"1"},{"name":"a","value":"2"}],"size":%d,"priority":7,` +
		`"deliveries":3,"failures":2,"expires":"1970-01-01T00:00:02Z",%s"body_bytes":7%s}`
	second := fmt.Sprintf(`{"sequence":6,"destination":"/queue/a","headers":[],"size":%d,"priority":7,"deliveries":0,"failures":0,`+
		`"expires":"1970-01-01T00:00:02Z","visible":"1970-01-01T00:00:03Z","base64":"/wA=","body_bytes":2}`, d.messages[1].Message.Size())
	size := d.messages[0].Message.Size()
	want(t, d.do(t, "GET", "/api/v1/queue/messages?name=/queue/a&limit=2", ""), 200,
		`{"messages":[`+fmt.Sprintf(first, size, `"body":"grüße",`, "")+`,`+second+`],"next":2}`)
	want(t, d.do(t, "GET", "/api/v1/queue/messages?name=/queue/a&limit=1&body=3", ""), 200,
		`{"messages":[`+fmt.Sprintf(first, size, `"body":"gr",`, `,"truncated":true`)+`],"next":1}`)
	want(t, d.do(t, "GET", "/api/v1/queue/messages?name=/queue/a&limit=1&body=0", ""), 200,
		`{"messages":[`+fmt.Sprintf(first, size, "", `,"truncated":true`)+`],"next":1}`)
	want(t, d.do(t, "GET", "/api/v1/queue/messages?name=/queue/a&skip=3", ""), 200, `{"messages":[]}`)
	if got := strings.Join(d.asked, ", "); got != "browse /queue/a 0 2, browse /queue/a 0 1, browse /queue/a 0 1, browse /queue/a 3 20" {
		t.Errorf("asked: %s", got)
	}
	for _, query := range []string{
		"limit=0", "limit=101", "limit=-1", "limit=x", "limit=", "skip=-1", "skip=99999999999999999999", "body=65537", "limit=1&limit=2",
		"name=/queue/b", "max=5", "%zz", "a;b",
	} {
		wantRefusal(t, d.do(t, "GET", "/api/v1/queue/messages?name=/queue/a&"+query, ""), 400, "bad-request")
	}
	d.err = broker.ErrUnknownQueue
	wantRefusal(t, d.do(t, "GET", "/api/v1/queue/messages?name=/queue/a", ""), 404, "unknown-queue")
}

func TestChanges(t *testing.T) {
	d := newDesk()
	d.n = 3
	for _, tt := range []struct{ path, body, asked, record string }{
		{"queue/purge", `{"name":"/queue/a"}`, "purge /queue/a", `msg="queue purge" queue=/queue/a messages=3`},
		{"queue/delete", `{"name":"/subscription/anna//news"}`, "delete /subscription/anna//news", `msg="queue delete" queue=/subscription/anna//news messages=3`},
		{"queue/move", `{"from":"/queue/a","to":"/queue/b","limit":9}`, "move /queue/a /queue/b 9", `msg="queue move" from=/queue/a to=/queue/b messages=3`},
		{"queue/move", `{"from":"/subscription/a/b/c","to":"/queue/b"} `, "move /subscription/a/b/c /queue/b 0", `msg="queue move" from=/subscription/a/b/c to=/queue/b messages=3`},
	} {
		d.asked = nil
		d.audit.Reset()
		want(t, d.do(t, "POST", "/api/v1/"+tt.path, tt.body), 200, `{"messages":3}`)
		if got := strings.Join(d.asked, ", "); got != tt.asked {
			t.Errorf("%s: asked %s", tt.body, got)
		}
		if got := d.audit.String(); got != tt.record+" remote="+here+" by=\"\" method=loopback\n" {
			t.Errorf("%s: recorded %s", tt.body, got)
		}
	}
}

func TestChangesThatFail(t *testing.T) {
	for err, want := range map[error]struct {
		status int
		word   string
	}{
		broker.ErrUnknownQueue:                    {404, "unknown-queue"},
		broker.ErrQueueInUse:                      {409, "queue-in-use"},
		fmt.Errorf("to: %w", broker.ErrQueueFull): {409, "queue-full"},
		errors.New("input/output error"):          {500, "failed"},
	} {
		d := newDesk()
		d.err = err
		wantRefusal(t, d.do(t, "POST", "/api/v1/queue/delete", `{"name":"/queue/a"}`), want.status, want.word)
		if !strings.Contains(d.audit.String(), `msg="queue delete"`) || !strings.Contains(d.audit.String(), " error=") {
			t.Errorf("%v: recorded %s", err, &d.audit)
		}
		if (d.log.Len() > 0) != (want.status == 500) {
			t.Errorf("%v: logged %s", err, &d.log)
		}
	}
}

func TestChangesRefused(t *testing.T) {
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for _, tt := range []struct {
		path, body string
		status     int
		word       string
		change     []func(*http.Request)
	}{
		{"queue/purge", "", 400, "bad-request", nil},
		{"queue/purge", "null", 400, "bad-request", nil},
		{"queue/purge", "[]", 400, "bad-request", nil},
		{"queue/purge", "{}", 400, "bad-request", nil},
		{"queue/purge", `{"name":5}`, 400, "bad-request", nil},
		{"queue/purge", `{"name":"/queue/a","all":true}`, 400, "bad-request", nil},
		{"queue/purge", `{"name":"/queue/a"}{}`, 400, "bad-request", nil},
		{"queue/purge", `{"name":"/queue/*"}`, 400, "bad-request", nil},
		{"queue/purge", `{"name":"` + strings.Repeat("a", maxRequest) + `"}`, 413, "too-large", nil},
		{"queue/purge", `{"name":"/queue/a"}` + strings.Repeat(" ", maxRequest), 413, "too-large", nil},
		{"queue/purge?name=/queue/a", "{}", 400, "bad-request", nil},
		{"queue/purge", `{"name":"/queue/a"}`, 415, "wrong-content-type", []func(*http.Request){header("Content-Type", "text/plain")}},
		{"queue/purge", `{"name":"/queue/a"}`, 415, "wrong-content-type", []func(*http.Request){func(r *http.Request) { r.Header.Del("Content-Type") }}},
		{"queue/purge", `{"name":"/queue/a"}`, 415, "wrong-content-type", []func(*http.Request){header("Content-Type", "application/x-www-form-urlencoded")}},
		{"queue/purge", `{"name":"/queue/a"}`, 403, "foreign-origin", []func(*http.Request){header("Origin", "https://evil.example")}},
		{"queue/purge", `{"name":"/queue/a"}`, 403, "foreign-host", []func(*http.Request){func(r *http.Request) { r.Host = "evil.example" }}},
		{"queue/move", `{"from":"/queue/a"}`, 400, "bad-request", nil},
		{"queue/move", `{"from":"/queue/a/b","to":"/queue/a.b"}`, 400, "bad-request", nil},
		{"queue/move", `{"from":"/queue/a","to":"/topic/b"}`, 400, "bad-request", nil},
		{"queue/move", `{"from":"/queue/a","to":"/subscription/a/b/c"}`, 400, "bad-request", nil},
		{"queue/move", `{"from":"/queue/a","to":"/queue/b","limit":-1}`, 400, "bad-request", nil},
		{"store/backup", `{"directory":"/tmp/backup"}`, 409, "nothing-stored", nil},
	} {
		d := newDesk()
		wantRefusal(t, d.do(t, "POST", "/api/v1/"+tt.path, tt.body, tt.change...), tt.status, tt.word)
		if len(d.asked) > 0 || d.audit.Len() > 0 {
			t.Errorf("%s %s: it was done: %q, %s", tt.path, tt.body, d.asked, &d.audit)
		}
	}
}

func TestMethods(t *testing.T) {
	d := newDesk()
	for at, p := range (New(d.options).(*server)).routes {
		for _, method := range []string{"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "get", "X", "HEAD"} {
			if _, takes := p.route(method); takes {
				continue
			}
			r := d.do(t, method, at, "{}")
			wantRefusal(t, r, 405, "wrong-method")
			if got := r.Header.Get("Allow"); got != p.allow() || got == "" {
				t.Errorf("%s %s: Allow: %s", method, at, got)
			}
		}
	}
}

func TestPaths(t *testing.T) {
	d := newDesk()
	for _, path := range []string{"/", "/api", "/api/v1/queues/", "/api/v1//queues", "/api/v1/queue/../queues", "/API/v1/queues", "/api/v1/queue//queue/a", "/healthz/.."} {
		wantRefusal(t, d.do(t, "GET", path, ""), 404, "unknown-path")
	}
}

// TestForeign covers requests that a browser sends for other sites' pages.
func TestForeign(t *testing.T) {
	for _, tt := range []struct {
		host, origin, site string
		tls                bool
		word               string // "" if accepted
	}{
		{host: "127.0.0.1:15680"}, {host: "localhost:15680"}, {host: "LOCALHOST"}, {host: "[::1]:15680"}, {host: "[::1]"}, {host: "192.0.2.1"},
		{host: "evil.example", word: "foreign-host"}, {host: "evil.example:15680", word: "foreign-host"}, {host: "", word: "foreign-host"},
		{host: "localhost.evil.example", word: "foreign-host"}, {host: "127.0.0.1.evil.example:15680", word: "foreign-host"}, {host: "[::1", word: "foreign-host"},
		{host: "127.0.0.1:1", origin: "http://127.0.0.1:1"}, {host: "localhost:1", origin: "http://LocalHost:1"},
		{host: "127.0.0.1:1", origin: "http://127.0.0.1:2", word: "foreign-origin"}, {host: "127.0.0.1:1", origin: "https://127.0.0.1:1", word: "foreign-origin"},
		{host: "127.0.0.1:1", origin: "null", word: "foreign-origin"}, {host: "127.0.0.1:1", origin: "https://evil.example", word: "foreign-origin"},
		{host: "127.0.0.1:1", origin: "http://localhost:1", word: "foreign-origin"}, {host: "127.0.0.1:1", origin: "://", word: "foreign-origin"},
		{host: "127.0.0.1:1", origin: "https://127.0.0.1:1", tls: true}, {host: "127.0.0.1:1", origin: "http://127.0.0.1:1", tls: true, word: "foreign-origin"},
		{host: "127.0.0.1:1", site: "none"}, {host: "127.0.0.1:1", site: "same-origin", origin: "http://127.0.0.1:1"},
		{host: "127.0.0.1:1", site: "cross-site", word: "foreign-origin"}, {host: "127.0.0.1:1", site: "same-site", word: "foreign-origin"},
	} {
		r := newDesk().do(t, "GET", "/healthz", "", func(r *http.Request) {
			r.Host = tt.host
			for name, value := range map[string]string{"Origin": tt.origin, "Sec-Fetch-Site": tt.site} {
				if value != "" {
					r.Header.Set(name, value)
				}
			}
			if tt.tls {
				r.TLS = &tls.ConnectionState{}
			}
		})
		if tt.word == "" {
			want(t, r, 200, `{"status":"ok"}`)
		} else {
			wantRefusal(t, r, 403, tt.word)
		}
	}
}

func TestHeaders(t *testing.T) {
	d := newDesk()
	for _, r := range []*http.Response{d.do(t, "GET", "/healthz", ""), d.do(t, "GET", "/none", ""), d.do(t, "POST", "/api/v1/queue/purge", "")} {
		for name, value := range map[string]string{
			"Content-Type": "application/json", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := r.Header.Get(name); got != value {
				t.Errorf("%d: %s: %s", r.StatusCode, name, got)
			}
		}
		if r.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Error("pages of other origins may read it")
		}
	}
}

func TestReady(t *testing.T) {
	d := newDesk()
	want(t, d.do(t, "GET", "/readyz", ""), 200, `{"ready":true,"reasons":[]}`)
	full := errors.New("less than 256MiB are free")
	var drains error
	d.options.Checks = []Check{
		{"storage", func() error { return full }}, {"keys", func() error { return nil }}, {"draining", func() error { return drains }},
	}
	want(t, d.do(t, "GET", "/readyz", ""), 503, `{"ready":false,"reasons":[{"check":"storage","message":"less than 256MiB are free"}]}`)
	full, drains = nil, errors.New("the broker stops")
	want(t, d.do(t, "GET", "/readyz", ""), 503, `{"ready":false,"reasons":[{"check":"draining","message":"the broker stops"}]}`)
	drains = nil
	want(t, d.do(t, "GET", "/readyz", ""), 200, `{"ready":true,"reasons":[]}`)
	wantRefusal(t, d.do(t, "GET", "/readyz?verbose", ""), 400, "bad-request")
	wantRefusal(t, d.do(t, "GET", "/healthz?verbose", ""), 400, "bad-request")
}

func TestBackup(t *testing.T) {
	d := newDesk()
	var made []string
	var failure error
	d.options.Backup = func(directory string) error {
		made = append(made, directory)
		return failure
	}
	want(t, d.do(t, "POST", "/api/v1/store/backup", `{"directory":"/var/backup/1"}`), 200, `{}`)
	failure = errors.New("the directory is not empty")
	wantRefusal(t, d.do(t, "POST", "/api/v1/store/backup", `{"directory":"/var/backup/2"}`), 409, "backup-failed")
	for _, directory := range []string{"", "backup", "/var/../etc", "/var/backup/", "./x"} {
		wantRefusal(t, d.do(t, "POST", "/api/v1/store/backup", `{"directory":"`+directory+`"}`), 400, "bad-request")
	}
	if got := strings.Join(made, " "); got != "/var/backup/1 /var/backup/2" {
		t.Errorf("made %s", got)
	}
	const records = "msg=\"store backup\" directory=/var/backup/1 remote=" + here + " by=\"\" method=loopback\n" +
		"msg=\"store backup\" directory=/var/backup/2 remote=" + here + " by=\"\" method=loopback error=\"the directory is not empty\"\n"
	if got := d.audit.String(); got != records {
		t.Errorf("recorded %s", got)
	}
}
