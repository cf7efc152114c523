package config

import (
	"strings"
	"time"
)

// entry describes one key. The table of entries is the only place that defines
// it.
type entry struct {
	key      string // lower case, dots between sections
	kind     kind
	fallback string  // the default, in the form of the environment variable
	alone    *string // the default without a file, if it differs
	doc      string  // one line, for a flag's help and the default file
	check    check   // further checks of a value of this kind; may be nil
	secret   bool    // never shown
	handy    bool    // worth listing among the flags
	reload   bool    // a change is applied without a restart
	example  string  // the key in YAML with a typical value; may be ""
	field    func(*Config) any
}

// envName returns the environment variable that overrides the key.
func (e *entry) envName() string { return envName(e.key) }

// flagName returns the flag that overrides the key, without the leading dashes.
func (e *entry) flagName() string {
	return strings.NewReplacer(".", "-", "_", "-").Replace(e.key)
}

func envName(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

const envPrefix = "HOOFBEAT_"

// schema returns the table, in the best order for reading a file.
func schema() []entry {
	var all []entry
	for _, part := range [][]entry{
		webSocketKeys(), tcpKeys(), adminKeys(), anonymousKeys(), keySources(), tokenKeys(), tokenPlaces(), userKeys(), accessKeys(),
		queueKeys(), connectionLimits(), frameLimits(), flowLimits(), quotaKeys(), otherKeys(), tracingKeys(),
	} {
		all = append(all, part...)
	}
	return all
}

func webSocketKeys() []entry {
	keys := []entry{
		{key: "listen.websocket.address", kind: textKind{}, fallback: "127.0.0.1:15674", check: optional(checkAddress), handy: true,
			doc:   "host:port to accept STOMP over WebSocket on; empty turns it off",
			field: func(c *Config) any { return &c.Listen.WebSocket.Address }},
		{key: "listen.websocket.path", kind: textKind{}, fallback: "/ws", check: single(checkPath),
			doc:   "path of the WebSocket endpoint",
			field: func(c *Config) any { return &c.Listen.WebSocket.Path }},
		{key: "listen.websocket.origins", kind: listKind{}, check: each(checkOrigin),
			doc:   "browser origins allowed: https://host:port, or a host with * for a label, * for any port, null, or * for all; empty: same origin only",
			field: func(c *Config) any { return &c.Listen.WebSocket.Origins }},
		{key: "listen.websocket.hosts", kind: listKind{}, check: each(checkAnyHost),
			doc:   "where auth.anonymous is true: names by which pages may ask for the broker, besides localhost, its own address, and pages of origins",
			field: func(c *Config) any { return &c.Listen.WebSocket.Hosts }},
		{key: "listen.websocket.compression", kind: boolKind{}, fallback: "false",
			doc:   "permessage-deflate, for clients that ask for it; a message is compressed once for all its subscribers",
			field: func(c *Config) any { return &c.Listen.WebSocket.Compression }},
		{key: "listen.websocket.compression_threshold", kind: sizeKind{}, fallback: "512",
			doc:   "frames of fewer bytes are sent uncompressed",
			field: func(c *Config) any { return &c.Listen.WebSocket.CompressionThreshold }},
		{key: "listen.websocket.sockjs", kind: boolKind{}, fallback: "true",
			doc:   "serve pages that use sockjs-client, below the path; without WebSocket where a network blocks it",
			field: func(c *Config) any { return &c.Listen.WebSocket.SockJS }},
		{key: "listen.websocket.proxy_protocol", kind: boolKind{}, fallback: "false",
			doc:   "whether connections from limits.trusted_proxies begin with a PROXY header",
			field: func(c *Config) any { return &c.Listen.WebSocket.ProxyProtocol }},
	}
	return append(keys, tlsKeys("listen.websocket.tls", func(c *Config) *TLS { return &c.Listen.WebSocket.TLS })...)
}

func tcpKeys() []entry {
	keys := []entry{
		{key: "listen.tcp.address", kind: textKind{}, check: optional(checkAddress), handy: true,
			doc:   "host:port to accept STOMP over TCP on, such as 127.0.0.1:61613; empty turns it off",
			field: func(c *Config) any { return &c.Listen.TCP.Address }},
		{key: "listen.tcp.proxy_protocol", kind: boolKind{}, fallback: "false",
			doc:   "whether connections from limits.trusted_proxies begin with a PROXY header",
			field: func(c *Config) any { return &c.Listen.TCP.ProxyProtocol }},
	}
	return append(keys, tlsKeys("listen.tcp.tls", func(c *Config) *TLS { return &c.Listen.TCP.TLS })...)
}

func adminKeys() []entry {
	keys := []entry{
		{key: "listen.admin.address", kind: textKind{}, fallback: "127.0.0.1:15680", check: optional(checkAddress),
			doc:   "host:port for operators: health, metrics, the admin API and the console; empty turns it off",
			field: func(c *Config) any { return &c.Listen.Admin.Address }},
		{key: "listen.admin.hosts", kind: listKind{}, check: each(checkHost),
			doc:   "names by which browsers may ask for it, such as broker.example.com, besides localhost and addresses",
			field: func(c *Config) any { return &c.Listen.Admin.Hosts }},
		{key: "listen.admin.loopback_without_token", kind: boolKind{}, fallback: "false", alone: new("true"),
			doc:   "whether everybody on this machine may do everything there without a token",
			field: func(c *Config) any { return &c.Listen.Admin.LoopbackWithoutToken }},
		{key: "listen.admin.metrics_without_token", kind: boolKind{}, fallback: "false",
			doc:   "whether /metrics is shown to all who can connect; otherwise it takes admin:read",
			field: func(c *Config) any { return &c.Listen.Admin.MetricsWithoutToken }},
		{key: "listen.admin.connections", kind: countKind{}, fallback: "128", check: positive,
			doc:   "connections there at one time; beyond, the oldest on which nobody has proven anything is closed; sessions count in limits.connections",
			field: func(c *Config) any { return &c.Listen.Admin.Connections }},
	}
	return append(keys, tlsKeys("listen.admin.tls", func(c *Config) *TLS { return &c.Listen.Admin.TLS })...)
}

func tlsKeys(section string, of func(*Config) *TLS) []entry {
	return []entry{
		{key: section + ".cert", kind: textKind{},
			doc:   "PEM file of the certificate and its chain; empty: no TLS",
			field: func(c *Config) any { return &of(c).Cert }},
		{key: section + ".key", kind: textKind{},
			doc:   "PEM file of the certificate's private key",
			field: func(c *Config) any { return &of(c).Key }},
		{key: section + ".client_ca", kind: textKind{},
			doc:   "PEM file of the authorities that client certificates must come from; empty: none is asked for",
			field: func(c *Config) any { return &of(c).ClientCA }},
	}
}

func queueKeys() []entry {
	return []entry{
		{key: destinationsKey, reload: true, kind: policyKind(), fallback: "[]", example: destinationsExample,
			doc:   "how queues and durable subscriptions treat messages; the first that matches counts; JSON in the environment and in flags",
			field: func(c *Config) any { return &c.Destinations }},
		{key: "storage.directory", kind: textKind{}, fallback: "data", alone: new(""), check: optional(checkDirectory), handy: true,
			doc:   "directory for durable queues, made if there is none; empty: nothing is kept on disk",
			field: func(c *Config) any { return &c.Storage.Directory }},
		{key: "storage.sync", kind: choiceKind{"always", "interval", "never"}, fallback: "always",
			doc:   "when a receipt promises that the disk has it: always, interval (within sync_interval) or never (when the system likes)",
			field: func(c *Config) any { return &c.Storage.Sync }},
		{key: "storage.sync_interval", kind: durationKind{}, fallback: "1s", check: atLeast(time.Millisecond),
			doc:   "how much of the last messages a power failure may cost, where sync is interval",
			field: func(c *Config) any { return &c.Storage.SyncInterval }},
		{key: "storage.min_free", kind: sizeKind{}, fallback: "256MiB",
			doc:   "free space on the disk below which messages to durable queues are refused; 0: none",
			field: func(c *Config) any { return &c.Storage.MinFree }},
	}
}

func connectionLimits() []entry {
	return []entry{
		{key: "limits.connections", kind: countKind{}, fallback: "100000", check: positive,
			doc:   "connections of clients at one time, from accept on; fewer where the process may not have so many open files (ulimit -n)",
			field: func(c *Config) any { return &c.Limits.Connections }},
		{key: "limits.connections_per_ip", kind: countKind{}, fallback: "0",
			doc:   "connections at one time from one address, or one IPv6 network of 64 bits, from accept on; 0: no limit",
			field: func(c *Config) any { return &c.Limits.ConnectionsPerIP }},
		{key: "limits.connect_rate_per_ip", kind: rateKind{}, fallback: "0/s",
			doc:   "new connections from one address, such as 5/s or 100/m; 0/s: no limit",
			field: func(c *Config) any { return &c.Limits.ConnectRatePerIP }},
		{key: "limits.connect_timeout", kind: durationKind{}, fallback: "10s", check: atLeast(time.Millisecond),
			doc:   "time until CONNECT must be complete and accepted",
			field: func(c *Config) any { return &c.Limits.ConnectTimeout }},
		{key: "limits.failed_connects", kind: rateKind{}, fallback: "10/m",
			doc:   "wrong passcodes of one user at one address, and ten times as many of one address, before further ones are held up; 0/m: no limit",
			field: func(c *Config) any { return &c.Limits.FailedConnects }},
		{key: "limits.trusted_proxies", kind: networksKind{},
			doc:   "addresses and networks whose X-Forwarded-For or PROXY header is believed",
			field: func(c *Config) any { return &c.Limits.TrustedProxies }},
		{key: "limits.drain_timeout", kind: durationKind{}, fallback: "10s", check: atLeast(time.Millisecond),
			doc:   "how long a shutdown waits for consumers to finish and clients to take what is queued for them",
			field: func(c *Config) any { return &c.Limits.DrainTimeout }},
		{key: "limits.drain_delay", kind: durationKind{}, fallback: "0s",
			doc:   "how long a shutdown goes on as before while /readyz says no, so that load balancers look elsewhere first",
			field: func(c *Config) any { return &c.Limits.DrainDelay }},
		{key: "limits.retry_after", kind: durationKind{}, fallback: "10s",
			doc:   "when the broker stops, each client is told to come back after a random time of whole seconds up to this; 0s: none is told",
			field: func(c *Config) any { return &c.Limits.RetryAfter }},
	}
}

func frameLimits() []entry {
	return []entry{
		{key: "limits.frame_header_bytes", kind: sizeKind{}, fallback: "64KiB", check: positive,
			doc:   "bytes of one frame's command and headers",
			field: func(c *Config) any { return &c.Limits.FrameHeaderBytes }},
		{key: "limits.frame_headers", kind: countKind{}, fallback: "100", check: positive,
			doc:   "headers of one frame",
			field: func(c *Config) any { return &c.Limits.FrameHeaders }},
		{key: "limits.frame_body_bytes", kind: sizeKind{}, fallback: "16MiB", check: positive,
			doc:   "bytes of one frame's body",
			field: func(c *Config) any { return &c.Limits.FrameBodyBytes }},
		{key: "limits.frame_bytes_before_connect", kind: sizeKind{}, fallback: "64KiB", check: positive,
			doc:   "bytes that a client may send before it is connected",
			field: func(c *Config) any { return &c.Limits.FrameBytesBeforeConnect }},
		{key: "limits.subscriptions_per_connection", kind: countKind{}, fallback: "1000", check: positive,
			doc:   "subscriptions of one connection",
			field: func(c *Config) any { return &c.Limits.SubscriptionsPerConnection }},
		{key: "limits.transactions_per_connection", kind: countKind{}, fallback: "16", check: positive,
			doc:   "open transactions of one connection",
			field: func(c *Config) any { return &c.Limits.TransactionsPerConnection }},
		{key: "limits.frames_per_transaction", kind: countKind{}, fallback: "10000", check: positive,
			doc:   "frames in one transaction",
			field: func(c *Config) any { return &c.Limits.FramesPerTransaction }},
		{key: "limits.transaction_bytes_per_connection", kind: sizeKind{}, fallback: "64MiB", check: positive,
			doc:   "bytes in all open transactions of one connection",
			field: func(c *Config) any { return &c.Limits.TransactionBytesPerConnection }},
	}
}

func flowLimits() []entry {
	return []entry{
		{key: "limits.send_rate_per_connection", kind: rateKind{}, fallback: "0/s",
			doc:   "SEND frames of one connection, such as 100/s; 0/s: no limit",
			field: func(c *Config) any { return &c.Limits.SendRatePerConnection }},
		{key: "limits.denied_rate_per_connection", kind: rateKind{}, fallback: "100/m",
			doc:   "refused SUBSCRIBE frames of one connection where auth.on_denied_subscribe leaves it open; one more ends it; 0/s: no limit",
			field: func(c *Config) any { return &c.Limits.DeniedRatePerConnection }},
		{key: "limits.outbound_bytes_per_connection", kind: sizeKind{}, fallback: "8MiB", check: positive,
			doc:   "bytes that may wait for a slow client before slow_consumer applies",
			field: func(c *Config) any { return &c.Limits.OutboundBytesPerConnection }},
		{key: "limits.slow_consumer", kind: choiceKind{"disconnect", "drop-newest", "drop-oldest"}, fallback: "disconnect",
			doc:   "what happens to a topic subscriber that is too slow: disconnect, drop-newest or drop-oldest",
			field: func(c *Config) any { return &c.Limits.SlowConsumer }},
		{key: "limits.memory", kind: shareKind{}, fallback: "50%", check: enoughMemory,
			doc:   "bytes that all clients together may make the broker hold in memory, or a part of what the machine or its cgroup has",
			field: func(c *Config) any { return &c.Limits.Memory }},
		{key: "limits.memory_per_connection", kind: sizeKind{}, fallback: "128MiB", check: positive,
			doc:   "bytes that one connection may make the broker hold: frames, ids, transactions, what waits for the disk or for its client",
			field: func(c *Config) any { return &c.Limits.MemoryPerConnection }},
		{key: "limits.prefetch", kind: countKind{}, fallback: "100", check: positive,
			doc:   "messages that a queue consumer may hold unacknowledged, unless it says otherwise",
			field: func(c *Config) any { return &c.Limits.Prefetch }},
	}
}

// quotaKeys limit the objects that users can create. Their defaults exceed the
// needs of an honest application; clients without a login share one user.
func quotaKeys() []entry {
	return []entry{
		{key: "limits.queues", reload: true, kind: countKind{}, fallback: "1000000",
			doc:   "queues in all; those that exist stay, new ones are refused; 0: no limit",
			field: func(c *Config) any { return &c.Limits.Queues }},
		{key: "limits.queues_per_user", reload: true, kind: countKind{}, fallback: "100000",
			doc:   "queues that one user was the first to use, as long as they exist; 0: no limit",
			field: func(c *Config) any { return &c.Limits.QueuesPerUser }},
		{key: "limits.durable_subscriptions", reload: true, kind: countKind{}, fallback: "1000000",
			doc:   "durable subscriptions in all; those that exist stay, new ones are refused; 0: no limit",
			field: func(c *Config) any { return &c.Limits.DurableSubscriptions }},
		{key: "limits.durable_subscriptions_per_user", reload: true, kind: countKind{}, fallback: "10000",
			doc:   "durable subscriptions of one user; 0: no limit",
			field: func(c *Config) any { return &c.Limits.DurableSubscriptionsPerUser }},
		{key: "limits.stored_bytes_per_user", reload: true, kind: sizeKind{}, fallback: "1TiB",
			doc:   "bytes on disk in the queues and durable subscriptions of one user; beyond it, SENDs to these queues are refused and these subscriptions miss messages; 0: no limit",
			field: func(c *Config) any { return &c.Limits.StoredBytesPerUser }},
		{key: "limits.temporary_queues", reload: true, kind: countKind{}, fallback: "1000000",
			doc:   "temporary queues of all connections; 0: no limit",
			field: func(c *Config) any { return &c.Limits.TemporaryQueues }},
		{key: "limits.temporary_queues_per_user", reload: true, kind: countKind{}, fallback: "100000",
			doc:   "temporary queues of all connections of one user; 0: no limit",
			field: func(c *Config) any { return &c.Limits.TemporaryQueuesPerUser }},
	}
}

func otherKeys() []entry {
	return []entry{
		{key: "heartbeat.min", kind: durationKind{}, fallback: "1s", check: atLeast(time.Millisecond),
			doc:   "the shortest heart-beat interval that a client gets, whatever it asks for",
			field: func(c *Config) any { return &c.Heartbeat.Min }},
		{key: "heartbeat.server", kind: durationKind{}, fallback: "10s", check: atLeast(time.Millisecond),
			doc:   "the heart-beat interval that the server offers, and asks for, where it may choose",
			field: func(c *Config) any { return &c.Heartbeat.Server }},
		{key: "transactions.receipts", kind: choiceKind{"on-commit", "on-read"}, fallback: "on-commit",
			doc:   "when a frame within a transaction gets its RECEIPT: on-commit, or on-read, which promises nothing but lets clients go on that wait for it before COMMIT",
			field: func(c *Config) any { return &c.Transactions.Receipts }},
		{key: "log.level", kind: choiceKind{"debug", "info", "warn", "error"}, fallback: "info", handy: true,
			doc:   "debug, info, warn or error",
			field: func(c *Config) any { return &c.Log.Level }},
		{key: "log.format", kind: choiceKind{"text", "json"}, fallback: "text", handy: true,
			doc:   "text or json",
			field: func(c *Config) any { return &c.Log.Format }},
		{key: "log.audit", kind: textKind{}, check: optional(checkFileName),
			doc:   "file for the record of who was let in and what was refused, or stderr; empty: none",
			field: func(c *Config) any { return &c.Log.Audit }},
	}
}

func tracingKeys() []entry {
	return []entry{
		{key: tracingEndpointKey, kind: textKind{}, check: checkTracingEndpoint,
			doc:   "URL of a receiver of OpenTelemetry traces (OTLP over HTTP), such as http://127.0.0.1:4318; empty: there are none",
			field: func(c *Config) any { return &c.Tracing.Endpoint }},
		{key: tracingRatioKey, kind: decimalKind{}, fallback: "0", check: fraction,
			doc:   "share of the messages without traceparent that are traced, from 0 to 1; where there is one, it decides",
			field: func(c *Config) any { return &c.Tracing.SampleRatio }},
		{key: tracingHeadersKey, kind: listKind{}, check: eachHidden(checkHeader), secret: true,
			doc:   "headers for the receiver, each as name: value, such as Authorization: Bearer ...",
			field: func(c *Config) any { return &c.Tracing.Headers }},
	}
}
