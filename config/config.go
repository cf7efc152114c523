// Package config loads an operator's configuration: one file in YAML, TOML or
// JSON, overridden by environment variables, overridden by command-line flags.
//
// One table of keys (schema.go) determines the defaults, the names of
// environment variables and flags, the checks, the printed forms and the
// suggestions for misspelt keys. Values are never coerced or ignored: a value
// of the wrong type and an unknown key are faults, and all faults are reported
// together.
package config

import (
	"net/netip"
	"time"

	"github.com/spf13/pflag"
)

// Config is a complete and valid configuration, returned by Load: every number
// is within its range, and every file that it names for reading was readable.
type Config struct {
	Listen   Listen
	Auth     Auth
	ACL      []Rule
	Prefixes Prefixes
	// Destinations are the policies; the first that matches applies.
	Destinations []Policy
	Storage      Storage
	Limits       Limits
	Heartbeat    Heartbeat
	Transactions Transactions
	Log          Log
	Tracing      Tracing

	// File is the path of the configuration file, "" without one.
	File string

	settings []Setting
}

// Listen configures the listeners. At least one address for clients is set.
type Listen struct {
	WebSocket WebSocket
	TCP       TCP
	Admin     Admin
}

// WebSocket is the listener for STOMP over WebSocket.
type WebSocket struct {
	Address     string   // host:port; "" when the listener is off
	Path        string   // begins with '/'
	Origins     []string // see checkOrigin for the forms; empty: same origin only
	Hosts       []string // names and addresses without ports; used if Auth.Anonymous is set
	Compression bool     // permessage-deflate
	// CompressionThreshold is the length of the shortest frame that is compressed.
	CompressionThreshold int
	SockJS               bool // serves sockjs-client below Path
	// ProxyProtocol: connections from Limits.TrustedProxies begin with a PROXY
	// header.
	ProxyProtocol bool
	TLS           TLS
}

// TCP is the listener for plain STOMP.
type TCP struct {
	Address       string // host:port; "" when the listener is off
	ProxyProtocol bool   // as for WebSocket
	TLS           TLS
}

// Admin is the listener of the admin API.
type Admin struct {
	Address string // host:port; "" when the listener is off
	// Hosts are the names under which it may be addressed, besides localhost
	// and addresses. They have no ports.
	Hosts []string
	// LoopbackWithoutToken gives full access, without credentials, to
	// connections from this machine.
	LoopbackWithoutToken bool
	MetricsWithoutToken  bool // /metrics needs no token
	Connections          int  // at least 1
	TLS                  TLS
}

// TLS names PEM files. Cert and Key are both set or both "", and ClientCA is
// set only with them.
type TLS struct {
	Cert, Key, ClientCA string
}

// Prefixes are the prefixes of topics and queues. Each begins and ends with
// '/', and none is a prefix of another.
type Prefixes struct {
	Topic, Queue []string
}

// Storage configures the persistence of messages.
type Storage struct {
	Directory    string        // "": nothing is stored
	Sync         string        // always, interval or never
	SyncInterval time.Duration // at least 1ms; used if Sync is interval
	MinFree      int           // bytes; 0: no limit
}

// Limits bound the resources of one client, and of all together. Counts and
// bytes are at least 1, except where 0 means no limit.
type Limits struct {
	Connections                   int
	ConnectionsPerIP              int           // 0: no limit
	ConnectRatePerIP              Rate          // 0 events: no limit
	ConnectTimeout                time.Duration // until CONNECT is complete and accepted
	FailedConnects                Rate          // of one user at one address, before further ones are delayed; 0 events: no limit
	FrameHeaderBytes              int
	FrameHeaders                  int
	FrameBodyBytes                int
	FrameBytesBeforeConnect       int // at most FrameHeaderBytes+FrameBodyBytes
	SubscriptionsPerConnection    int
	TransactionsPerConnection     int
	FramesPerTransaction          int
	TransactionBytesPerConnection int
	SendRatePerConnection         Rate // 0 events: no limit
	DeniedRatePerConnection       Rate // 0 events: no limit
	// Quotas; 0: no limit.
	Queues                      int
	QueuesPerUser               int
	DurableSubscriptions        int
	DurableSubscriptionsPerUser int
	TemporaryQueues             int
	TemporaryQueuesPerUser      int
	StoredBytesPerUser          int
	OutboundBytesPerConnection  int
	Memory                      Share  // of the process; at least 32MiB
	MemoryPerConnection         int    // if less than one of the others, the largest of them applies
	SlowConsumer                string // disconnect, drop-newest or drop-oldest
	Prefetch                    int
	DrainTimeout                time.Duration
	DrainDelay                  time.Duration // before DrainTimeout begins; 0: none
	RetryAfter                  time.Duration // the longest hint; 0: no hint
	// TrustedProxies may state a client's address. The bits after each prefix
	// are 0, and none is an IPv4 address in IPv6 form: compare them with an
	// address after Unmap.
	TrustedProxies []netip.Prefix
}

// Heartbeat bounds STOMP heart-beats. 1ms <= Min <= Server.
type Heartbeat struct {
	Min    time.Duration // the shortest interval that a client may request
	Server time.Duration // the interval that the server offers and requests
}

// Transactions configures RECEIPTs within transactions.
type Transactions struct {
	Receipts string // on-commit, or on-read
}

// Log configures logging.
type Log struct {
	Level  string // debug, info, warn or error
	Format string // text or json
	Audit  string // file for the audit log, or stderr; "": none
}

// Tracing configures the export of spans.
type Tracing struct {
	Endpoint    string   // an http or https URL; "": no tracing
	SampleRatio float64  // from 0 to 1
	Headers     []Secret // for Endpoint, each as name: value
}

// Options are the sources for Load. It reads nothing else, neither the
// process's environment nor any package state.
type Options struct {
	// File must exist if it is set. Otherwise the first existing file of Search
	// is read, or none.
	File string
	// Search is DefaultSearch if nil; an empty list that is not nil means no
	// file.
	Search []string
	// Environ has the form of os.Environ. Only names that begin with HOOFBEAT_
	// are used, and each of them must belong to a key.
	Environ []string
	// Settings are keys with values in the form of environment variables. They
	// override the file; the environment and flags override them.
	Settings map[string]string
	// Flags are the flags that Flags has registered; those that were changed
	// override every other source. Other flags in the set are ignored. May be
	// nil.
	Flags *pflag.FlagSet
	// Mounted says that clients come by an endpoint which the program mounts
	// itself: anonymous access must be set on purpose then, as beyond loopback.
	Mounted bool
}

// DefaultSearch lists the files to try, in order, if none is named.
func DefaultSearch() []string {
	return []string{"hoofbeat.yaml", "/etc/hoofbeat/hoofbeat.yaml"}
}

// Load reads the sources and validates the result. An error is of type Faults
// and holds every fault found; the Config is nil then.
//
// Calls share no state, so Load may be called from any goroutine.
func Load(o Options) (*Config, error) {
	c, err := load(o, schema())
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Inspect is Load for a report of faults: together with an error, it returns
// the valid part of the configuration, so that the files it names can be
// checked as well.
func Inspect(o Options) (*Config, error) { return load(o, schema()) }
