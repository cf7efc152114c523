package config

import (
	"net/netip"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func defaults() *Config {
	return &Config{
		Listen: Listen{
			WebSocket: WebSocket{Address: "127.0.0.1:15674", Path: "/ws", SockJS: true, CompressionThreshold: 512, Origins: []string{}, Hosts: []string{}},
			Admin:     Admin{Address: "127.0.0.1:15680", Hosts: []string{}, Connections: 128},
		},
		Auth: Auth{
			Anonymous:      true,
			AnonymousRoles: []string{},
			JWT: JWT{
				Algorithms:     []string{"RS256", "ES256", "EdDSA"},
				PublicKeyFiles: []string{},
				JWKSRefresh:    5 * time.Minute,
				JWKSMaxAge:     24 * time.Hour,
				Audience:       []string{},
				Leeway:         30 * time.Second,
				RequiredClaims: []string{},
				UserClaim:      "sub",
				RolesClaim:     "roles",
				Sources:        []string{"connect", "passcode", "http"},
				QueryParameter: "access_token",
			},
			Users:             []User{},
			OnDeniedSubscribe: "close",
		},
		ACL:      []Rule{},
		Prefixes: Prefixes{Topic: []string{"/topic/"}, Queue: []string{"/queue/"}},
		Limits: Limits{
			Connections:                   100000,
			ConnectRatePerIP:              Rate{Per: time.Second},
			ConnectTimeout:                10 * time.Second,
			FailedConnects:                Rate{Events: 10, Per: time.Minute},
			TrustedProxies:                []netip.Prefix{},
			FrameHeaderBytes:              64 << 10,
			FrameHeaders:                  100,
			FrameBodyBytes:                16 << 20,
			FrameBytesBeforeConnect:       64 << 10,
			SubscriptionsPerConnection:    1000,
			TransactionsPerConnection:     16,
			FramesPerTransaction:          10000,
			TransactionBytesPerConnection: 64 << 20,
			Queues:                        1_000_000,
			QueuesPerUser:                 100_000,
			DurableSubscriptions:          1_000_000,
			DurableSubscriptionsPerUser:   10_000,
			StoredBytesPerUser:            1 << 40,
			TemporaryQueues:               1_000_000,
			TemporaryQueuesPerUser:        100_000,
			SendRatePerConnection:         Rate{Per: time.Second},
			DeniedRatePerConnection:       Rate{100, time.Minute},
			OutboundBytesPerConnection:    8 << 20,
			Memory:                        Share{Percent: 50},
			MemoryPerConnection:           128 << 20,
			SlowConsumer:                  "disconnect",
			Prefetch:                      100,
			DrainTimeout:                  10 * time.Second,
			RetryAfter:                    10 * time.Second,
		},
		Destinations: []Policy{},
		Storage:      Storage{Directory: "data", Sync: "always", SyncInterval: time.Second, MinFree: 256 << 20},
		Heartbeat:    Heartbeat{Min: time.Second, Server: 10 * time.Second},
		Transactions: Transactions{Receipts: "on-commit"},
		Log:          Log{Level: "info", Format: "text"},
		Tracing:      Tracing{Headers: []Secret{}},
	}
}

// same compares the values that Load promises, without their sources.
func same(t *testing.T, got, want *Config) {
	t.Helper()
	g := *got
	g.settings, g.File = nil, want.File
	if !reflect.DeepEqual(&g, want) {
		t.Errorf("got  %+v\nwant %+v", &g, want)
	}
}

func TestLoadWithoutFile(t *testing.T) {
	c, err := Load(Options{Search: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	want := defaults()
	want.Storage.Directory = "" // nothing is stored unless configured
	want.Listen.Admin.LoopbackWithoutToken = true
	same(t, c, want)
	if c.File != "" {
		t.Errorf("file %q", c.File)
	}
}

func TestLoadSearch(t *testing.T) {
	dir := t.TempDir()
	first, second := filepath.Join(dir, "first.yaml"), filepath.Join(dir, "second.yaml")
	search := []string{first, second}
	for _, path := range []string{"", second, first} {
		if path != "" {
			writeFile(t, path, open)
		}
		c, err := Load(Options{Search: search})
		if err != nil || c.File != path {
			t.Errorf("got %+v, %v, want file %q", c, err, path)
		}
	}
	if got := strings.Join(DefaultSearch(), " "); got != "hoofbeat.yaml /etc/hoofbeat/hoofbeat.yaml" {
		t.Errorf("default search %s", got)
	}
}

// TestLoadDefaultSearch finds the file in the working directory.
func TestLoadDefaultSearch(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFile(t, "hoofbeat.yaml", open)
	c, err := Load(Options{})
	if err != nil || c.File != "hoofbeat.yaml" {
		t.Fatalf("got %+v, %v", c, err)
	}
	if got := settings(c)["auth.anonymous"].Source; got != "file hoofbeat.yaml" {
		t.Errorf("source %q", got)
	}
}

func changed() *Config {
	c := defaults()
	c.Listen.WebSocket.Origins = []string{"https://app.example.com", "*.example.com"}
	c.Listen.WebSocket.Compression = true
	c.Listen.TCP.Address = "127.0.0.1:61613"
	c.Prefixes.Queue = []string{"/queue/", "/jobs/"}
	c.Limits.Connections = 5
	c.Limits.ConnectRatePerIP = Rate{Events: 100, Per: time.Minute}
	c.Limits.FrameBodyBytes = 1 << 20
	c.Limits.OutboundBytesPerConnection = 65536
	c.Limits.SlowConsumer = "drop-oldest"
	c.Limits.FailedConnects = Rate{Events: 3, Per: time.Hour}
	c.Limits.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	c.Auth.AnonymousRoles = []string{"Guest"}
	c.Auth.OnDeniedSubscribe = "receipt-error"
	c.ACL = []Rule{{Deny: []string{"send"}, Destinations: []string{"/topic/Audit.**"}}}
	c.Heartbeat.Server = 90 * time.Second
	c.Transactions.Receipts = "on-read"
	c.Log.Audit = "stderr"
	return c
}

func TestLoadFormats(t *testing.T) {
	for name, text := range map[string]string{
		"a.yaml": `
Listen:
  websocket: { origins: ["https://app.example.com", "*.example.com"], Compression: true }
  tcp: { address: "127.0.0.1:61613" }
auth: { anonymous: true, anonymous_roles: [Guest], on_denied_subscribe: receipt-error }
acl: [{ deny: [send], destinations: [/topic/Audit.**] }]
log: { audit: stderr }
prefixes: { queue: [/queue/, /jobs/] }
limits:
  connections: 5
  connect_rate_per_ip: 100/m
  frame_body_bytes: 1MiB
  outbound_bytes_per_connection: 65536
  SLOW_CONSUMER: drop-oldest
  failed_connects: 3/h
  trusted_proxies: [10.0.0.0/8]
heartbeat.server: 90s
transactions: { receipts: on-read }
`,
		"a.toml": `
prefixes.queue = ["/queue/", "/jobs/"]
auth.anonymous = true
auth.anonymous_roles = ["Guest"]
auth.on_denied_subscribe = "receipt-error"
acl = [{ deny = ["send"], destinations = ["/topic/Audit.**"] }]
log.audit = "stderr"
heartbeat = { server = "1m30s" }
transactions.receipts = "on-read"
[listen.websocket]
origins = ["https://app.example.com", "*.example.com"]
compression = true
[listen.tcp]
address = "127.0.0.1:61613"
[limits]
connections = 5
connect_rate_per_ip = "100/m"
frame_body_bytes = "1MiB"
outbound_bytes_per_connection = 65_536
slow_consumer = "drop-oldest"
failed_connects = "3/h"
trusted_proxies = ["10.0.0.0/8"]
`,
		"a.JSON": `{
"listen": {
	"websocket": {"origins": ["https://app.example.com", "*.example.com"], "compression": true},
	"tcp": {"address": "127.0.0.1:61613"}},
"auth": {"anonymous": true, "anonymous_roles": ["Guest"], "on_denied_subscribe": "receipt-error"},
"acl": [{"deny": ["send"], "destinations": ["/topic/Audit.**"]}],
"log": {"audit": "stderr"},
"prefixes": {"queue": ["/queue/", "/jobs/"]},
"limits": {"connections": 5, "connect_rate_per_ip": "100/m", "frame_body_bytes": "1MiB",
	"outbound_bytes_per_connection": 65536, "slow_consumer": "drop-oldest",
	"failed_connects": "3/h", "trusted_proxies": ["10.0.0.0/8"]},
"heartbeat": {"server": "90s"},
"transactions": {"receipts": "on-read"}
}`,
	} {
		t.Run(name, func(t *testing.T) {
			same(t, trial{name: name, text: text}.mustLoad(t), changed())
		})
	}
}

// TestLoadDesignExample loads the documented example with one source of keys
// added, without which no client could connect.
func TestLoadDesignExample(t *testing.T) {
	text := `
listen:
  websocket:
    address: 127.0.0.1:15674      # host:port; empty turns it off
    path: /ws
    origins: []
    compression: false
    tls: { cert: "", key: "", client_ca: "" }
  tcp:
    address: ""
    tls: { cert: "", key: "", client_ca: "" }
  admin:
    address: 127.0.0.1:15680
auth:
  anonymous: false
  anonymous_roles: []
  jwt:
    algorithms: [RS256, ES256, EdDSA]
    secret: ""
    secret_file: ""
    public_key_files: []
    jwks_url: ""
    jwks_file: ""
    issuer: ""
    audience: []
    leeway: 30s
    required_claims: []
    claims: { user: sub, roles: roles }
    query_parameter: access_token
    cookie: ""
acl:
  - name: staff read the news
    roles: [staff]
    allow: [subscribe]
    destinations: ["/topic/news.**"]
  - name: everybody owns their inbox
    allow: [subscribe, send]
    destinations: ["/queue/inbox.{user}", "/topic/teams.{claim:team}.**"]
  - name: nobody forges audit records
    deny: [send]
    destinations: ["/topic/audit.**"]
destinations:
  - match: "/queue/orders.**"
    durable: true
    max_deliveries: 5
    redelivery_delay: { initial: 1s, multiplier: 2, max: 1m }
    dead_letter: /queue/dead.orders
    ttl: 24h
    max_messages: 1000000
    max_bytes: 1GiB
    overflow: reject
    prefetch: 100
storage:
  directory: data
  sync: always
limits:
  connections: 100000
  connections_per_ip: 0
  connect_rate_per_ip: 0/s
  connect_timeout: 10s
  frame_header_bytes: 64KiB
  frame_headers: 100
  frame_body_bytes: 16MiB
  frame_bytes_before_connect: 64KiB
  subscriptions_per_connection: 1000
  transactions_per_connection: 16
  frames_per_transaction: 10000
  send_rate_per_connection: 0/s
  outbound_bytes_per_connection: 8MiB
  slow_consumer: disconnect
heartbeat: { min: 1s, server: 10s }
log: { level: info, format: text }
`
	trial{text: text}.wantFaults(t, "auth.anonymous: false (hoofbeat.yaml): "+nobodyCan)
	c := trial{text: text, environ: []string{"HOOFBEAT_AUTH_JWT_JWKS_URL=https://id.example.com/keys"}}.mustLoad(t)
	want := defaults()
	want.Auth.Anonymous = false
	want.Auth.JWT.JWKSURL = "https://id.example.com/keys"
	want.ACL = []Rule{
		{Name: "staff read the news", Roles: []string{"staff"}, Allow: []string{"subscribe"}, Destinations: []string{"/topic/news.**"}},
		{Name: "everybody owns their inbox", Allow: []string{"subscribe", "send"},
			Destinations: []string{"/queue/inbox.{user}", "/topic/teams.{claim:team}.**"}},
		{Name: "nobody forges audit records", Deny: []string{"send"}, Destinations: []string{"/topic/audit.**"}},
	}
	want.Destinations = []Policy{{
		Match: "/queue/orders.**", Durable: new(true), MaxDeliveries: 5, RedeliveryDelay: Delay{time.Second, 2, time.Minute},
		DeadLetter: "/queue/dead.orders", TTL: 24 * time.Hour, MaxMessages: 1000000, MaxBytes: 1 << 30, Overflow: "reject", Prefetch: 100,
	}}
	same(t, c, want)
}

func TestLoadPrecedence(t *testing.T) {
	const env, flag = "HOOFBEAT_LIMITS_PREFETCH=3", "--limits-prefetch=4"
	for _, tt := range []struct {
		trial  trial
		want   int
		source string
	}{
		{trial{text: open}, 100, "default"},
		{trial{text: open + "limits: { prefetch: 2 }"}, 2, "file "},
		{trial{text: open + "limits: { prefetch: 2 }", environ: []string{env}}, 3, "environment HOOFBEAT_LIMITS_PREFETCH"},
		{trial{text: open + "limits: { prefetch: 2 }", environ: []string{env}, flags: []string{flag}}, 4, "flag --limits-prefetch"},
		{trial{text: open, flags: []string{flag}}, 4, "flag --limits-prefetch"},
	} {
		c := tt.trial.mustLoad(t)
		got := settings(c)["limits.prefetch"]
		if c.Limits.Prefetch != tt.want || !strings.HasPrefix(got.Source, tt.source) {
			t.Errorf("%+v: got %d from %q", tt.trial, c.Limits.Prefetch, got.Source)
		}
	}
}

func TestLoadEnvironment(t *testing.T) {
	c := trial{text: open, environ: []string{
		"PATH=/bin", "HOOFBEATS=4", "broken", "=C:=x",
		"HOOFBEAT_LISTEN_WEBSOCKET_ADDRESS=",
		"HOOFBEAT_LISTEN_TCP_ADDRESS=127.0.0.1:0",
		"HOOFBEAT_LISTEN_WEBSOCKET_ORIGINS=https://a.example, *.b.example",
		"HOOFBEAT_LISTEN_WEBSOCKET_COMPRESSION=true",
		"HOOFBEAT_LIMITS_CONNECT_TIMEOUT=1m",
		"HOOFBEAT_LIMITS_FRAME_BODY_BYTES=1MB",
		"HOOFBEAT_LIMITS_SEND_RATE_PER_CONNECTION=5/h",
		"HOOFBEAT_LOG_LEVEL=debug", "HOOFBEAT_LOG_LEVEL=error",
	}}.mustLoad(t)
	want := defaults()
	want.Listen.WebSocket.Address = ""
	want.Listen.TCP.Address = "127.0.0.1:0"
	want.Listen.WebSocket.Origins = []string{"https://a.example", "*.b.example"}
	want.Listen.WebSocket.Compression = true
	want.Limits.ConnectTimeout = time.Minute
	want.Limits.FrameBodyBytes = 1000000
	want.Limits.SendRatePerConnection = Rate{5, time.Hour}
	want.Log.Level = "error"
	same(t, c, want)
}

func TestLoadEnvironmentEmptiesList(t *testing.T) {
	c := trial{
		text:    open + "listen: { websocket: { origins: ['*'] } }",
		environ: []string{"HOOFBEAT_LISTEN_WEBSOCKET_ORIGINS="},
	}.mustLoad(t)
	if len(c.Listen.WebSocket.Origins) != 0 {
		t.Errorf("origins %q", c.Listen.WebSocket.Origins)
	}
}

func TestLoadFlags(t *testing.T) {
	c := trial{text: "", flags: []string{
		"--config=ignored", "--auth-anonymous", "--limits-connect-timeout=3s",
		"--limits-frame_headers=9", "--prefixes-topic=/t/,/u/",
	}}.mustLoad(t)
	want := defaults()
	want.Limits.ConnectTimeout = 3 * time.Second
	want.Limits.FrameHeaders = 9
	want.Prefixes.Topic = []string{"/t/", "/u/"}
	same(t, c, want)
	if got := settings(c)["auth.anonymous"]; got.Source != "flag --auth-anonymous" || got.Value != "true" {
		t.Errorf("auth.anonymous: %+v", got)
	}
}

// TestLoadsShareNothing: changing the result of one load does not affect the
// next.
func TestLoadsShareNothing(t *testing.T) {
	first := trial{text: open}.mustLoad(t)
	first.Prefixes.Topic[0] = "/changed/"
	first.Effective()[0].Value = "changed"
	if first.Effective()[0].Value == "changed" {
		t.Error("Effective returned the settings themselves")
	}
	same(t, trial{text: open}.mustLoad(t), defaults())
}
