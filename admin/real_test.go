package admin

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hoofbeat/auth"
	"hoofbeat/auth/acl"
	"hoofbeat/broker"
	"hoofbeat/connections"
	"hoofbeat/destination"
	"hoofbeat/internal/servertest"
	"hoofbeat/internal/stomptest"
	"hoofbeat/session"
)

// A realDesk is a desk over a broker with clients.
type realDesk struct {
	*desk
	t      *testing.T
	broker *broker.Broker
	server *servertest.Server
	access *realAccess
}

// realAccess implements Access as the server does.
type realAccess struct {
	*auth.Authenticator
	list        *acl.List
	reauthorize func()
}

func (a *realAccess) For(id *auth.Identity) *acl.Permissions { return a.list.For(id) }

func (a *realAccess) Claimed(claims []byte) (*auth.Identity, error) {
	return auth.UnverifiedIdentity(claims, auth.TokenOptions{})
}

func (a *realAccess) Revoke(r auth.Revocation, on bool) (bool, error) {
	changed, err := a.Authenticator.Revoke(r, on)
	a.reauthorize()
	return changed, err
}

// testSecret signs tokens.
const testSecret = "0123456789abcdef0123456789abcdef"

// sesame is the hash of "sesame" with the minimal cost.
const sesame = "$2a$04$DENGnxhW7tB0tl29bs3fkOBBeLi9h2mK7TAtnSEd3GOMGy8ULB2Ka"

// rules admit operators and allow clients everything.
var rules = []acl.Rule{
	{Name: "clients", Roles: []string{"client"}, Allow: []acl.Action{acl.Send, acl.Subscribe}, Destinations: []string{"/**"}},
	{Name: "lookers", Roles: []string{"looker"}, Allow: []acl.Action{acl.AdminRead}},
	{Name: "changers", Roles: []string{"changer"}, Allow: []acl.Action{acl.AdminWrite}},
	{Name: "some", Roles: []string{"partly"}, Allow: []acl.Action{acl.AdminRead, acl.AdminWrite}, Destinations: []string{"/queue/**"}},
	{Name: "bad", Users: []string{"mallory"}, Deny: []acl.Action{acl.AdminWrite}, Destinations: []string{"/queue/a"}},
}

func newRealDesk(t *testing.T) *realDesk {
	t.Helper()
	revoked := filepath.Join(t.TempDir(), "revoked")
	if err := os.WriteFile(revoked, []byte("# who has left\nuser:eve\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := auth.New(t.Context(), auth.Options{
		JWT: &auth.TokenOptions{
			Algorithms: []string{"HS256"}, Secret: testSecret, Sources: auth.Sources{Authorization: true}, RequiredClaims: []string{"exp"},
		},
		Users: []auth.User{{Name: "otto", Hash: sesame, Roles: []string{"looker"}}}, RevokedFile: revoked,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	list, err := acl.Compile(rules)
	if err != nil {
		t.Fatal(err)
	}
	b, err := broker.New(broker.Options{Policies: broker.Policies{Rules: []broker.PolicyRule{{Match: pattern(t, "/queue/orders.**"), Policy: broker.Policy{MaxDeliveries: 3}}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	d := &realDesk{desk: newDesk(), t: t, broker: b, access: &realAccess{Authenticator: a, list: list}}
	o := session.DefaultOptions(b)
	o.Authenticator, o.Authorizer, o.Revoked = a, d.access, a.Revoked
	o.Log = slog.New(slog.DiscardHandler)
	d.server = servertest.New(servertest.Options{Options: connections.Options{Session: o}})
	t.Cleanup(func() {
		if err := d.server.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		o.Timers.Close()
	})
	d.access.reauthorize = d.server.Reauthorize
	d.options.Queues, d.options.Access, d.options.LoopbackWithoutToken = b, d.access, false
	d.options.Connections = func() iter.Seq[Connection] {
		return func(yield func(Connection) bool) {
			for s := range d.server.AllSessions() {
				if !yield(s) {
					return
				}
			}
		}
	}
	d.options.Settings = func() []Setting { return []Setting{{"log.level", "info", "default"}} }
	d.options.Level = new(slog.LevelVar)
	d.options.About.OnDisk, d.options.About.Sync = true, "always"
	return d
}

func pattern(t *testing.T, text string) destination.Destination {
	t.Helper()
	d, err := destination.DefaultNamespace().ForPolicy(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// token returns a token; more are claims with their values.
func token(t *testing.T, user string, roles []string, more ...any) string {
	t.Helper()
	claims := map[string]any{"sub": user, "roles": roles, "exp": time.Now().Add(time.Hour).Unix()}
	for i := 0; i < len(more); i += 2 {
		claims[more[i].(string)] = more[i+1]
	}
	text, err1 := json.Marshal(claims)
	key, err2 := auth.ConfiguredSecret(auth.TokenOptions{Secret: testSecret})
	signed, err3 := auth.Sign(key, auth.Draft{Claims: text, Algorithm: "HS256"})
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	return signed
}

// as gives a request a token.
func as(token string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

// client connects a client.
func (d *realDesk) client(user string, more ...any) *stomptest.Client {
	d.t.Helper()
	ours, theirs := stomptest.Pipe(1 << 20)
	d.server.Serve(theirs, session.Info{Transport: "tcp", Remote: "192.0.2.7:5000"})
	c := stomptest.New(d.t, ours)
	c.Connect("1.2", "Authorization:Bearer "+token(d.t, user, []string{"client"}, more...))
	return c
}

// ask sends a GET request.
func ask[T any](d *realDesk, path string) T {
	d.t.Helper()
	r := d.do(d.t, "GET", path, "", as(token(d.t, "ada", []string{"looker"})))
	return decode[T](d.t, r)
}

// tell sends a POST request.
func tell[T any](d *realDesk, path, body string) T {
	d.t.Helper()
	r := d.do(d.t, "POST", path, body, as(token(d.t, "root", []string{"changer"})))
	return decode[T](d.t, r)
}

func decode[T any](t *testing.T, r *http.Response) T {
	t.Helper()
	var out T
	if r.StatusCode != http.StatusOK {
		t.Fatalf("status %d", r.StatusCode)
	}
	if err := json.NewDecoder(r.Body).Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestConnectionsOfABroker(t *testing.T) {
	d := newRealDesk(t)
	anna := d.client("anna")
	anna.Send("SUBSCRIBE", "id:1", "destination:/queue/orders.new", "ack:client-individual", "prefetch-count:7", "receipt:r")
	anna.WantReceipt("r")
	anna.Send("SUBSCRIBE", "id:2", "destination:/topic/news.*", "receipt:s")
	anna.WantReceipt("s")
	anna.Send("SEND", "destination:/queue/orders.new", "", "x")
	anna.Want("MESSAGE")
	bert := d.client("bert")
	bert.Send("SUBSCRIBE", "id:1", "destination:/user/queue/mail", "receipt:r")
	bert.WantReceipt("r")

	all := ask[ConnectionList](d, "/api/v1/connections")
	if all.Total != 2 || len(all.Connections) != 2 || all.Connections[0].User != "anna" || all.Connections[1].User != "bert" {
		t.Fatalf("got %+v", all)
	}
	c := all.Connections[0]
	if c.Remote != "192.0.2.7:5000" || c.Transport != "tcp" || c.Version != "1.2" || c.Subscriptions != 2 || c.Received != 4 || c.Delivered != 1 || c.Unacked != 1 ||
		c.State != "connected" || c.Method != "token" || c.Expires == nil {
		t.Errorf("got %+v", c)
	}
	one := ask[ConnectionInfo](d, "/api/v1/connection?id="+c.ID)
	want := []SubscriptionInfo{
		{ID: "1", Destination: "/queue/orders.new", Ack: "client-individual", Unacked: 1, Prefetch: 7}, {ID: "2", Destination: "/topic/news.*", Ack: "auto"},
	}
	if len(one.SubscriptionsList) != 2 || one.SubscriptionsList[0] != want[0] || one.SubscriptionsList[1] != want[1] {
		t.Errorf("got %+v", one.SubscriptionsList)
	}
	for query, n := range map[string]int{
		"user=anna": 1, "user=": 0, "user=ann": 0, "q=ann": 1, "q=192.0.2": 2, "q=" + c.ID: 1, "transport=tcp": 2, "transport=ws": 0, "address=192.0.2.7": 2,
		"address=192.0.2.7:5000": 2, "address=192.0.2.0/24": 2, "address=192.0.3.0/24": 0, "address=192.0.2.7:5001": 0, "address=x": 0, "user=anna&transport=ws": 0,
	} {
		if got := ask[ConnectionList](d, "/api/v1/connections?"+query); got.Total != n || len(got.Connections) != n {
			t.Errorf("%s: got %+v", query, got)
		}
	}
	subs := ask[SubscriptionList](d, "/api/v1/subscriptions?destination=news")
	if subs.Total != 1 || subs.Subscriptions[0].Connection != c.ID || subs.Subscriptions[0].User != "anna" {
		t.Errorf("got %+v", subs)
	}
	for query, n := range map[string]int{"": 3, "?user=anna": 2, "?user=carl": 0, "?connection=" + c.ID: 2, "?connection=x": 0, "?destination=/queue": 2} {
		if got := ask[SubscriptionList](d, "/api/v1/subscriptions"+query); got.Total != n {
			t.Errorf("%s: got %+v", query, got)
		}
	}
	bert.Send("SEND", "destination:/topic/news.x", "receipt:s", "", "y")
	bert.WantReceipt("s")
	topics := ask[TopicList](d, "/api/v1/topics")
	if topics.Total != 2 || topics.Topics[0] != (Topic{"/topic/news.*", 1, TopicTotals{1, 1}}) || topics.Topics[1] != (Topic{"/user/bert/queue/mail", 1, TopicTotals{}}) {
		t.Errorf("got %+v", topics)
	}
	if queues := ask[QueueList](d, "/api/v1/queues"); queues.Total != 1 || queues.Queues[0].Totals != (QueueTotals{Enqueued: 1, Delivered: 1}) {
		t.Errorf("got %+v", queues)
	}
	over := ask[Overview](d, "/api/v1/overview")
	if over.Connections != 2 || over.Subscriptions != 3 || over.Users != 2 || over.Queues != 1 || over.Topics != 2 || over.MessagesUnacked != 1 || over.Totals.Received != 2 || over.MemoryBytes == 0 {
		t.Errorf("got %+v", over)
	}
}

func TestUsersOfABroker(t *testing.T) {
	d := newRealDesk(t)
	soon := time.Now().Add(time.Minute).Truncate(time.Second)
	d.client("anna")
	d.client("anna", "exp", soon.Unix())
	d.client("bert")
	got := ask[UserList](d, "/api/v1/users")
	if got.Total != 2 || got.Users[0].User != "anna" || got.Users[0].Connections != 2 || !got.Users[0].Expires.Equal(soon) || got.Users[1].User != "bert" {
		t.Errorf("got %+v", got)
	}
	if got := ask[UserList](d, "/api/v1/users?q=er"); got.Total != 1 || got.Users[0].User != "bert" {
		t.Errorf("got %+v", got)
	}
}

// A user is shown with its sums, with and without connections.
func TestUserOfABroker(t *testing.T) {
	d := newRealDesk(t)
	d.options.Holdings = func(user string) Holdings { return Holdings{Queues: Usage{len(user), 7}, MessageBytes: 9} }
	d.client("anna")
	d.client("annabel")
	if got := ask[UserInfo](d, "/api/v1/user?name=anna"); got.Connections != 1 || got.User.User != "anna" || got.Queues != (Usage{4, 7}) || got.MessageBytes != 9 {
		t.Errorf("got %+v", got)
	}
	if got := ask[UserInfo](d, "/api/v1/user?name=gone"); got.Connections != 0 || got.User.User != "gone" || got.Queues.Limit != 7 {
		t.Errorf("got %+v", got)
	}
	wantRefusal(t, newDesk().do(t, "GET", "/api/v1/user", ""), 400, "bad-request")
}

// A client that an operator closes gets the reason. Its unacknowledged messages
// are requeued, and do not count as failed.
func TestCloseConnection(t *testing.T) {
	d := newRealDesk(t)
	anna := d.client("anna")
	anna.Send("SUBSCRIBE", "id:1", "destination:/queue/orders", "ack:client", "receipt:r")
	anna.WantReceipt("r")
	anna.Send("SEND", "destination:/queue/orders", "", "x")
	anna.Want("MESSAGE")
	id := ask[ConnectionList](d, "/api/v1/connections").Connections[0].ID
	if got := tell[Closed](d, "/api/v1/connection/close", `{"id":"`+id+`","reason":"maintenance: back at noon"}`); got.Closed != 1 {
		t.Errorf("got %+v", got)
	}
	anna.WantError("closed-by-operator", "", "maintenance: back at noon")
	anna.WantClosed()
	d.waitFor(func() bool { return d.server.Sessions() == 0 })
	messages := ask[Messages](d, "/api/v1/queue/messages?name=/queue/orders")
	if len(messages.Messages) != 1 || messages.Messages[0].Failures != 0 {
		t.Errorf("got %+v", messages)
	}
	if got := d.audit.String(); !strings.Contains(got, `msg="connection close" connection=`+id+` closed=anna address=192.0.2.7:5000 reason="maintenance: back at noon" remote=`+here+" by=root method=token\n") {
		t.Errorf("recorded %s", got)
	}
	wantRefusal(t, d.do(t, "POST", "/api/v1/connection/close", `{"id":"`+id+`"}`, as(token(t, "root", []string{"changer"}))), 404, "unknown-connection")
	for _, body := range []string{`{"id":""}`, `{"id":"x","reason":"` + strings.Repeat("x", maxReason+1) + `"}`, `{"id":"x","reason":"a\nb"}`} {
		wantRefusal(t, d.do(t, "POST", "/api/v1/connection/close", body, as(token(t, "root", []string{"changer"}))), 400, "bad-request")
	}
}

// waitFor waits for a condition, and fails the test if it does not occur soon.
func (d *realDesk) waitFor(done func() bool) {
	d.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	late := time.After(30 * time.Second)
	for !done() {
		select {
		case <-tick.C:
		case <-late:
			d.t.Fatal("it does not happen")
		}
	}
}

// A revocation is written to the file and ends the affected sessions.
func TestRevocations(t *testing.T) {
	d := newRealDesk(t)
	anna, bert := d.client("anna"), d.client("bert", "jti", "t-1")
	if got := ask[RevocationList](d, "/api/v1/revocations"); got.Total != 1 || got.Revocations[0] != (Revocation{"user", "eve"}) {
		t.Errorf("got %+v", got)
	}
	for range 2 {
		tell[Revoked](d, "/api/v1/revocations/add", `{"kind":"user","value":"anna"}`)
	}
	anna.WantError("token-revoked", "")
	if got := tell[Revoked](d, "/api/v1/revocations/add", `{"kind":"jti","value":"t-1"}`); !got.Changed {
		t.Error("nothing was changed")
	}
	bert.WantError("token-revoked", "")
	wantRefusal(t, d.do(t, "GET", "/api/v1/me", "", as(token(t, "anna", nil))), 401, "unauthenticated")
	if got := tell[Revoked](d, "/api/v1/revocations/add", `{"kind":"jti","value":"t-1"}`); got.Changed {
		t.Error("it was changed again")
	}
	if got := tell[Revoked](d, "/api/v1/revocations/remove", `{"kind":"user","value":"anna"}`); !got.Changed {
		t.Error("nothing was changed")
	}
	d.client("anna")
	if got := ask[RevocationList](d, "/api/v1/revocations?q=e"); got.Total != 1 {
		t.Errorf("got %+v", got)
	}
	for _, body := range []string{`{"kind":"role","value":"x"}`, `{"kind":"user","value":""}`, `{"kind":"jti","value":"a\nuser:b"}`, `{"kind":"user","value":" a"}`, `{}`} {
		wantRefusal(t, d.do(t, "POST", "/api/v1/revocations/add", body, as(token(t, "root", []string{"changer"}))), 400, "bad-request")
	}
	if got := d.audit.String(); !strings.Contains(got, `msg="revocation add" kind=user value=anna changed=true remote=`+here+" by=root method=token\n") {
		t.Errorf("recorded %s", got)
	}
}

func TestCreateQueue(t *testing.T) {
	d := newRealDesk(t)
	if got := tell[Created](d, "/api/v1/queue/create", `{"name":"/queue/a"}`); got.Name != "/queue/a" {
		t.Errorf("got %+v", got)
	}
	changer := as(token(t, "root", []string{"changer"}))
	wantRefusal(t, d.do(t, "POST", "/api/v1/queue/create", `{"name":"/queue/a"}`, changer), 409, "queue-exists")
	for _, name := range []string{"/topic/a", "/queue/*", "/subscription/a/b/c", "", "/user/anna/queue/x"} {
		wantRefusal(t, d.do(t, "POST", "/api/v1/queue/create", `{"name":"`+name+`"}`, changer), 400, "bad-request")
	}
	tell[Changed](d, "/api/v1/queue/purge", `{"name":"/queue/a"}`)
	if got := ask[QueueList](d, "/api/v1/queues"); got.Total != 1 || got.Queues[0].Name != "/queue/a" {
		t.Errorf("got %+v", got)
	}
	tell[Changed](d, "/api/v1/queue/delete", `{"name":"/queue/a"}`)
	if got := ask[QueueList](d, "/api/v1/queues"); got.Total != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestPoliciesOfABroker(t *testing.T) {
	d := newRealDesk(t)
	all := ask[PolicyList](d, "/api/v1/policies")
	if all.Total != 1 || all.Policies[0].Match != "/queue/orders.**" || all.Policies[0].MaxDeliveries != 3 || all.Default.MaxDeliveries != 0 {
		t.Errorf("got %+v", all)
	}
	for name, match := range map[string]string{"/queue/orders/new": "/queue/orders.**", "/queue/x": "", "/topic/orders.x": ""} {
		got := ask[PolicyInForce](d, "/api/v1/policy?destination="+name)
		if got.Match != match || got.Destination != name || (got.Policy.MaxDeliveries == 3) != (match != "") {
			t.Errorf("%s: got %+v", name, got)
		}
	}
	looker := as(token(t, "ada", []string{"looker"}))
	for _, name := range []string{"", "x", "/queue/*", "/temp-queue/a", "/user/a/queue/b", "/subscription/a"} {
		wantRefusal(t, d.do(t, "GET", "/api/v1/policy?destination="+name, "", looker), 400, "bad-request")
	}
	wantRefusal(t, d.do(t, "GET", "/api/v1/policy?destination=/subscription/a/b/c", "", looker), 404, "unknown-queue")
}

func TestExplain(t *testing.T) {
	d := newRealDesk(t)
	good := token(t, "anna", []string{"client"}, "team", 7)
	old := token(t, "anna", []string{"client"}, "exp", time.Now().Add(-time.Hour).Unix())
	for body, want := range map[string]string{
		`"token":"` + good + `","action":"send"`:                                  "true anna true clients",
		`"token":" ` + good + `\n","action":"subscribe"`:                          "true anna true clients",
		`"token":"` + token(t, "anna", nil) + `","action":"send"`:                 "true anna false ",
		`"token":"` + old + `","action":"send"`:                                   "false anna - ",
		`"token":"rubbish","action":"send"`:                                       "false  - ",
		`"token":"` + good + `x","action":"send"`:                                 "false anna - ",
		`"user":"zoe","roles":["client"],"action":"send"`:                         "false zoe true clients",
		`"user":"zoe","action":"send"`:                                            "false zoe false ",
		`"user":"otto","action":"send"`:                                           "false otto false ",
		`"claims":{"sub":"zoe","roles":["client"]},"action":"send"`:               "false zoe true clients",
		`"claims":{"sub":"zoe","roles":["x"]},"roles":["client"],"action":"send"`: "false zoe true clients",
		`"claims":{"sub":"zoe"},"user":"yan","roles":["client"],"action":"send"`:  "false yan true clients",
	} {
		r := d.do(t, "POST", "/api/v1/acl/explain", `{`+body+`,"destination":"/queue/a"}`, as(token(t, "ada", []string{"looker"})))
		got := decode[Explanation](t, r)
		allowed := "-"
		if got.Allowed != nil {
			allowed = map[bool]string{true: "true", false: "false"}[*got.Allowed]
		}
		verified := map[bool]string{true: "true", false: "false"}[got.Verified]
		if text := verified + " " + got.User + " " + allowed + " " + got.Rule; text != want {
			t.Errorf("%s: got %s, want %s: %+v", body, text, want, got)
		}
		if (got.Allowed == nil) != (got.Reason != "") || (got.Allowed != nil) != (got.Explanation != "") {
			t.Errorf("%s: got %+v", body, got)
		}
	}
	for _, body := range []string{
		`"action":"send"`, `"user":"a","action":"admin:read"`, `"user":"a"`, `"user":"a","token":"b","action":"send"`, `"claims":[],"action":"send"`,
		`"claims":{},"action":"send"`, `"token":"a","roles":[],"action":"send"`, `"user":5,"action":"send"`,
	} {
		r := d.do(t, "POST", "/api/v1/acl/explain", `{`+body+`,"destination":"/queue/a"}`, as(token(t, "ada", []string{"looker"})))
		wantRefusal(t, r, 400, "bad-request")
	}
	if d.audit.Len() > 0 {
		t.Errorf("recorded %s", &d.audit)
	}
}

func TestProgram(t *testing.T) {
	d := newRealDesk(t)
	if got := ask[Settings](d, "/api/v1/config"); len(got.Settings) != 1 || got.Settings[0].Key != "log.level" {
		t.Errorf("got %+v", got)
	}
	if got := ask[LogLevel](d, "/api/v1/log"); got.Level != "info" {
		t.Errorf("got %+v", got)
	}
	for _, level := range []string{"debug", "warn", "error", "info"} {
		if got := tell[LogLevel](d, "/api/v1/log", `{"level":"`+level+`"}`); got.Level != level || !strings.EqualFold(d.options.Level.Level().String(), level) {
			t.Errorf("got %+v, and it is %v", got, d.options.Level)
		}
	}
	changer := as(token(t, "root", []string{"changer"}))
	wantRefusal(t, d.do(t, "POST", "/api/v1/log", `{"level":"INFO"}`, changer), 400, "bad-request")
	wantRefusal(t, d.do(t, "POST", "/api/v1/drain", `{}`, changer), 409, "not-running")
	drained := 0
	d.options.Drain = func() { drained++ }
	wantRefusal(t, d.do(t, "POST", "/api/v1/drain", `{"now":true}`, changer), 400, "bad-request")
	if got := tell[Draining](d, "/api/v1/drain", `{}`); !got.Draining || drained != 1 {
		t.Errorf("got %+v, %d", got, drained)
	}
	if !strings.HasSuffix(d.audit.String(), "msg=drain remote="+here+" by=root method=token\n") {
		t.Errorf("recorded %s", &d.audit)
	}
	r := d.do(t, "GET", "/api/v1/openapi.json", "")
	if got := decode[map[string]any](t, r); got["openapi"] != "3.1.0" {
		t.Errorf("got %v", got["openapi"])
	}
}

// Without a revocation file, revoking is refused.
func TestNoRevokedFile(t *testing.T) {
	d := newRealDesk(t)
	a, err := auth.New(t.Context(), auth.Options{Anonymous: true})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	d.options.Access, d.options.LoopbackWithoutToken = &realAccess{a, acl.AllowAll(), func() {}}, true
	wantRefusal(t, d.do(t, "POST", "/api/v1/revocations/add", `{"kind":"user","value":"anna"}`), 409, "no-revoked-file")
	if !strings.Contains(d.audit.String(), "changed=false") || !strings.Contains(d.audit.String(), " error=") {
		t.Errorf("recorded %s", &d.audit)
	}
}

// Requests that need a running broker are refused on a directory.
func TestNotRunning(t *testing.T) {
	d := newDesk()
	for _, path := range []string{"connections", "connection?id=x", "subscriptions", "users", "revocations", "config", "log"} {
		wantRefusal(t, d.do(t, "GET", apiPrefix+path, ""), 409, "not-running")
	}
	for path, body := range map[string]string{
		"connection/close": `{"id":"x"}`, "acl/explain": `{}`, "revocations/add": `{}`, "revocations/remove": `{}`, "log": `{"level":"info"}`, "drain": `{}`,
	} {
		wantRefusal(t, d.do(t, "POST", apiPrefix+path, body), 409, "not-running")
	}
}
