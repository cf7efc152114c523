package setup

import (
	"log/slog"
	"slices"
	"strings"

	"hoofbeat/broker"
	"hoofbeat/config"
	"hoofbeat/connections"
	"hoofbeat/session"
	"hoofbeat/session/outbox"
	"hoofbeat/transport"
	"hoofbeat/transport/sockjs"
)

// Connections returns the options of connections and their sessions. Version is
// that of the program, for the header server of CONNECTED.
func Connections(c *config.Config, b *broker.Broker, version string, log *slog.Logger) connections.Options {
	l := c.Limits
	return connections.Options{
		Session: sessionOptions(c, b, version, log), TrustedProxies: l.TrustedProxies, RetryAfter: l.RetryAfter, Log: log,
		Limits: connections.Limits{
			Connections: l.Connections, PerAddress: l.ConnectionsPerIP,
			ConnectRate: l.ConnectRatePerIP.Events, ConnectRatePer: l.ConnectRatePerIP.Per,
		},
	}
}

// Transport returns the options of the endpoints.
func Transport(c *config.Config) transport.Options {
	ws := c.Listen.WebSocket
	return transport.Options{
		Origins: ws.Origins, Compression: ws.Compression, CompressionThreshold: ws.CompressionThreshold,
		SockJS: sockjs.Options{Enabled: ws.SockJS}, Credentials: credentials(c.Auth),
	}
}

// credentials returns the parts of an upgrade request that may hold
// credentials. Without keys for tokens, the Authorization header may hold a
// static user's passcode.
func credentials(a config.Auth) transport.Credentials {
	inHeader := slices.Contains(a.JWT.Sources, "http")
	if !a.JWT.Configured() {
		return transport.Credentials{HTTPAuthorization: inHeader && a.CanAuthenticate()}
	}
	return transport.Credentials{HTTPAuthorization: inHeader, QueryParameter: a.JWT.QueryParameter, Cookie: a.JWT.Cookie}
}

func sessionOptions(c *config.Config, b *broker.Broker, version string, log *slog.Logger) session.Options {
	o := session.DefaultOptions(b)
	l := c.Limits
	o.Namespace = Namespace(c)
	o.Log = log
	o.Server = "hoofbeat/" + strings.Trim(version, "()")
	o.ConnectTimeout = l.ConnectTimeout
	o.ReceiptsOnRead = c.Transactions.Receipts == "on-read"
	o.HeartBeat = session.HeartBeat{Min: c.Heartbeat.Min, Server: c.Heartbeat.Server}
	o.Limits = session.Limits{
		Subscriptions:     l.SubscriptionsPerConnection,
		Transactions:      l.TransactionsPerConnection,
		TransactionFrames: l.FramesPerTransaction,
		TransactionBytes:  l.TransactionBytesPerConnection,
		Outbound:          l.OutboundBytesPerConnection,
		SlowConsumer:      slowPolicy(l.SlowConsumer),
		Memory:            max(l.MemoryPerConnection, l.FrameBodyBytes, l.TransactionBytesPerConnection, l.OutboundBytesPerConnection),
		Prefetch:          l.Prefetch,
		SendRate:          l.SendRatePerConnection.Events,
		SendRatePer:       l.SendRatePerConnection.Per,
		DeniedRate:        l.DeniedRatePerConnection.Events,
		DeniedRatePer:     l.DeniedRatePerConnection.Per,
	}
	o.Limits.HeaderBytes, o.Limits.Headers = l.FrameHeaderBytes, l.FrameHeaders
	o.Limits.BodyBytes, o.Limits.BytesBeforeConnect = l.FrameBodyBytes, l.FrameBytesBeforeConnect
	return o
}

// Quotas returns the limits of what users store.
func Quotas(c *config.Config) broker.Quotas {
	l := c.Limits
	return broker.Quotas{
		Queues: l.Queues, QueuesPerUser: l.QueuesPerUser,
		Subscriptions: l.DurableSubscriptions, SubscriptionsPerUser: l.DurableSubscriptionsPerUser,
		TempQueues: l.TemporaryQueues, TempQueuesPerUser: l.TemporaryQueuesPerUser,
		StoredPerUser: l.StoredBytesPerUser,
	}
}

func slowPolicy(s string) outbox.Policy {
	switch s {
	case "drop-newest":
		return outbox.DropNewest
	case "drop-oldest":
		return outbox.DropOldest
	}
	return outbox.Disconnect
}
