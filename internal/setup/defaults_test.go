package setup

import (
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"

	"hoofbeat/auth"
	"hoofbeat/auth/acl"
	"hoofbeat/broker"
	"hoofbeat/config"
	"hoofbeat/connections"
	"hoofbeat/session"
	"hoofbeat/transport"
)

// loadSettings loads a configuration that has no file.
func loadSettings(t *testing.T, settings map[string]string) *config.Config {
	t.Helper()
	c, err := config.Load(config.Options{Search: []string{}, Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newBroker(t *testing.T) *broker.Broker {
	t.Helper()
	b, err := broker.New(broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// The defaults of the configuration are those of the packages.
func TestDefaults(t *testing.T) {
	b := newBroker(t)
	got, want := Connections(loadSettings(t, nil), b, "v1", slog.New(slog.DiscardHandler)).Session, session.DefaultOptions(b)
	got.Limits.SendRatePer = 0 // it means nothing without a rate
	for name, pair := range map[string][2]any{
		"Limits":          {got.Limits, want.Limits},
		"HeartBeat":       {got.HeartBeat, want.HeartBeat},
		"Namespace":       {got.Namespace, want.Namespace},
		"ConnectTimeout":  {got.ConnectTimeout, want.ConnectTimeout},
		"CloseTimeout":    {got.CloseTimeout, want.CloseTimeout},
		"CloseGrace":      {got.CloseGrace, want.CloseGrace},
		"ReceiptsOnRead":  {got.ReceiptsOnRead, want.ReceiptsOnRead},
		"KeepAfterDenied": {got.KeepAfterDenied, want.KeepAfterDenied},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%s: the configuration has %+v, the package %+v", name, pair[0], pair[1])
		}
	}
}

// outcome is everything that this package makes of a configuration, but for an
// open store.
type outcome struct {
	connections connections.Options
	transport   transport.Options
	auth        auth.Options
	policies    broker.Policies
	quotas      broker.Quotas
	list        *acl.List
}

func outcomeOf(t *testing.T, b *broker.Broker, c *config.Config) outcome {
	t.Helper()
	policies, err := Policies(c)
	if err != nil {
		t.Fatal(err)
	}
	list, err := ACL(c)
	if err != nil {
		t.Fatal(err)
	}
	o := outcome{Connections(c, b, "v1", nil), Transport(c), AuthOptions(c, nil), policies, Quotas(c), list}
	o.connections.Session.Timers, o.connections.Session.Counters = nil, nil // new ones for each configuration
	return o
}

// changes has another value for each key that this package copies into Options.
var changes = map[string]string{
	"listen.websocket.origins": "https://a.example", "listen.websocket.compression": "true", "listen.websocket.compression_threshold": "1KiB", "listen.websocket.sockjs": "false",
	"auth.anonymous": "true", "auth.anonymous_roles": "guest",
	"auth.jwt.secret": strings.Repeat("y", 64), "auth.jwt.secret_file": "+", "auth.jwt.public_key_files": "+", "auth.jwt.jwks_url": "+", "auth.jwt.jwks_file": "+",
	"auth.jwt.jwks_refresh": "7m", "auth.jwt.jwks_max_age": "7h", "auth.jwt.algorithms": "HS256,HS384", "auth.jwt.issuer": "me", "auth.jwt.audience": "you",
	"auth.jwt.leeway": "7s", "auth.jwt.required_claims": "exp", "auth.jwt.claims.user": "name", "auth.jwt.claims.roles": "groups", "auth.jwt.static_names": "true",
	"auth.jwt.sources": "connect", "auth.jwt.query_parameter": "t", "auth.jwt.cookie": "c",
	"auth.users": "+", "auth.users_file": "+", "auth.revoked_file": "+",
	"acl": `[{"allow":["send"],"destinations":["/queue/a"]}]`, "prefixes.topic": "/t/", "prefixes.queue": "/q/",
	"destinations": `[{"match":"/queue/a","prefetch":7}]`, "storage.directory": "+",
	"limits.connections": "7", "limits.connections_per_ip": "7", "limits.connect_rate_per_ip": "7/s", "limits.connect_timeout": "7s",
	"limits.trusted_proxies": "192.0.2.1", "limits.retry_after": "7s",
	"limits.frame_header_bytes": "7KiB", "limits.frame_headers": "7", "limits.frame_body_bytes": "7KiB", "limits.frame_bytes_before_connect": "70KiB",
	"limits.subscriptions_per_connection": "7", "limits.transactions_per_connection": "7", "limits.frames_per_transaction": "7",
	"limits.transaction_bytes_per_connection": "70MiB", "limits.send_rate_per_connection": "7/s", "limits.denied_rate_per_connection": "7/s",
	"limits.outbound_bytes_per_connection": "7MiB", "limits.slow_consumer": "drop-oldest", "limits.memory_per_connection": "200MiB", "limits.prefetch": "7",
	"limits.queues": "700000", "limits.queues_per_user": "7", "limits.durable_subscriptions": "700000", "limits.durable_subscriptions_per_user": "7",
	"limits.stored_bytes_per_user": "7GiB", "limits.temporary_queues": "700000", "limits.temporary_queues_per_user": "7",
	"heartbeat.min": "2s", "heartbeat.server": "7s", "transactions.receipts": "on-read",
}

// elsewhere has the beginnings of the keys that the root package reads itself,
// and those of an open store.
var elsewhere = []string{
	"listen.websocket.address", "listen.websocket.path", "listen.websocket.hosts", "listen.websocket.proxy_protocol", "listen.websocket.tls.", "listen.tcp.", "listen.admin.",
	"auth.on_denied_subscribe", "storage.sync", "storage.min_free",
	"limits.failed_connects", "limits.drain_", "limits.memory", "log.", "tracing.",
}

// Every key changes the options of a package, or is one that the root reads.
func TestEveryKeyGoesSomewhere(t *testing.T) {
	b := newBroker(t)
	base := map[string]string{"auth.jwt.secret": strings.Repeat("x", 64), "auth.jwt.algorithms": "HS256"}
	before := outcomeOf(t, b, loadSettings(t, base))
	for _, s := range loadSettings(t, nil).Effective() {
		value, known := changes[s.Key]
		reads := slices.ContainsFunc(elsewhere, func(beginning string) bool { return strings.HasPrefix(s.Key, beginning) })
		switch {
		case !known && !reads:
			t.Errorf("%s has no entry in this test: where does it go?", s.Key)
		case known && value != "+": // "+" needs a file, or a configuration of its own
			settings := map[string]string{"auth.jwt.secret": base["auth.jwt.secret"], "auth.jwt.algorithms": "HS256"}
			settings[s.Key] = value
			if after := outcomeOf(t, b, loadSettings(t, settings)); reflect.DeepEqual(before, after) {
				t.Errorf("%s changes nothing", s.Key)
			}
		}
	}
}
