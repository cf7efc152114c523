// Package config reads what an operator writes: one file in YAML, TOML or JSON,
// environment variables over it, command line flags over those.
//
// One table of keys (schema.go) drives the defaults, the names of environment
// variables and flags, the checks, the printed forms and the search for
// misspelt keys. Nothing is coerced and nothing is ignored: a value of the
// wrong type and a key that does not exist are faults, and all faults are
// reported together.
package config

import (
	"net/netip"
	"time"

	"github.com/spf13/pflag"
)

// Config is a complete and checked configuration. Get one from Load; every
// number in it is within its range and every file that it names for reading
// could be read.
type Config struct {
	Listen   Listen
	Auth     Auth
	ACL      []Rule
	Prefixes Prefixes
	// Destinations are policies, of which the first that matches counts.
	Destinations []Policy
	Storage      Storage
	Limits       Limits
	Heartbeat    Heartbeat
	Transactions Transactions
	Log          Log
	Tracing      Tracing

	// File is the path of the file that was read, "" when there was none.
	File string

	settings []Setting
}

// Listen says where connections are accepted. At least one address for clients
// is set.
type Listen struct {
	WebSocket WebSocket
	TCP       TCP
	Admin     Admin
}

// WebSocket is the listener for STOMP over WebSocket.
type WebSocket struct {
	Address     string   // host:port; "" when the listener is off
	Path        string   // begins with '/'
	Origins     []string // see checkOrigin for the forms; empty means same origin only
	Hosts       []string // names and addresses, none with a port; they count where Auth.Anonymous is set
	Compression bool     // permessage-deflate
	SockJS      bool     // pages that use sockjs-client are served below Path
	// ProxyProtocol says that connections from Limits.TrustedProxies begin
	// with a PROXY header.
	ProxyProtocol bool
	TLS           TLS
}

// TCP is the listener for plain STOMP.
type TCP struct {
	Address       string // host:port; "" when the listener is off
	ProxyProtocol bool   // as for WebSocket
	TLS           TLS
}

// Admin is the listener for operators.
type Admin struct {
	Address string // host:port; "" when the listener is off
	// Hosts are the names by which it may be asked for, besides localhost and
	// addresses. None has a port.
	Hosts []string
	// LoopbackWithoutToken lets whoever connects from this machine do
	// everything without a proof of who it is.
	LoopbackWithoutToken bool
	MetricsWithoutToken  bool // shows /metrics to all who can connect
	Connections          int  // at least 1
	TLS                  TLS
}

// TLS names PEM files. Cert and Key are both set or both "", and ClientCA is
// set only with them.
type TLS struct {
	Cert, Key, ClientCA string
}

// Prefixes say which destinations are topics and which are queues. Each begins
// and ends with '/', and none is a prefix of another.
type Prefixes struct {
	Topic, Queue []string
}

// Storage says what is kept on disk.
type Storage struct {
	Directory    string        // "": nothing is kept on disk
	Sync         string        // always, interval or never
	SyncInterval time.Duration // at least 1ms; means something when Sync is interval
	MinFree      int           // bytes; 0: no limit
}

// Limits bound what one client, and all of them together, may cost. Counts and
// bytes are at least 1 except where 0 is said to mean no limit.
type Limits struct {
	Connections                   int
	ConnectionsPerIP              int           // 0: no limit
	ConnectRatePerIP              Rate          // 0 events: no limit
	ConnectTimeout                time.Duration // until CONNECT is complete and accepted
	FailedConnects                Rate          // of one user at one address, before more are held up; 0 events: no limit
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
	MemoryPerConnection         int    // if it is less than one of the others, the largest of them counts
	SlowConsumer                string // disconnect, drop-newest or drop-oldest
	Prefetch                    int
	DrainTimeout                time.Duration
	DrainDelay                  time.Duration // before DrainTimeout begins; 0: none
	RetryAfter                  time.Duration // the longest that is told; 0: none is
	// TrustedProxies are believed what they say of a client's address. The
	// bits behind each prefix are 0, and none is an IPv4 address in IPv6 form:
	// compare with an address that went through Unmap.
	TrustedProxies []netip.Prefix
}

// Heartbeat bounds STOMP heart-beats. 1ms <= Min <= Server.
type Heartbeat struct {
	Min    time.Duration // the shortest interval a client may ask for
	Server time.Duration // the interval the server offers and asks for when it may choose
}

// Transactions says how STOMP transactions are answered.
type Transactions struct {
	Receipts string // on-commit, or on-read
}

// Log says what is logged and how.
type Log struct {
	Level  string // debug, info, warn or error
	Format string // text or json
	Audit  string // file for the record of who was let in and what was refused, or stderr; "" for none
}

// Tracing says where spans of messages go.
type Tracing struct {
	Endpoint    string   // an http or https URL; "": there are none
	SampleRatio float64  // from 0 to 1
	Headers     []Secret // for Endpoint, each as name: value
}

// Options says where Load looks. Nothing else is read: not the environment of
// the process, nor any state of this package.
type Options struct {
	// File must exist when it is set. Otherwise the first of Search that
	// exists is read, or none.
	File string
	// Search is DefaultSearch when nil; an empty list that is not nil means
	// that no file is looked for.
	Search []string
	// Environ is in the form of os.Environ. Only names that begin with
	// HOOFBEAT_ matter, and each of those must belong to a key.
	Environ []string
	// Settings override the file, and the environment and flags override them.
	// They are keys with values in the form of environment variables.
	Settings map[string]string
	// Flags that Flags registered and that were changed override everything
	// else. Other flags in the set are left alone. May be nil.
	Flags *pflag.FlagSet
}

// DefaultSearch lists the files that are tried, in order, when none is named.
func DefaultSearch() []string {
	return []string{"hoofbeat.yaml", "/etc/hoofbeat/hoofbeat.yaml"}
}

// Load reads, overlays and checks. The error, if any, is of type Faults and
// holds every fault that was found; the Config is nil then.
//
// Each call reads afresh and shares nothing with another, so it may be called
// from any goroutine.
func Load(o Options) (*Config, error) {
	c, err := load(o, schema())
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Inspect is Load for a report of faults: with an error, it returns what is
// sound of the configuration, for the files that it names to be looked at too.
func Inspect(o Options) (*Config, error) { return load(o, schema()) }
