package deps

import (
	"os"
	"testing"
)

// Other modules, by the paths that their packages start with.
const (
	stompFrame   = "github.com/go-stomp/stomp/v3/frame"
	stompClient  = "github.com/go-stomp/stomp/v3"
	websocketLib = "github.com/coder/websocket"
	goleak       = "go.uber.org/goleak"
	systemdLib   = "github.com/coreos/go-systemd/v22/daemon"
	md2manLib    = "github.com/cpuguy83/go-md2man/v2"
	jsonSchema   = "github.com/santhosh-tekuri/jsonschema/v6"
	otel         = "go.opentelemetry.io/otel"
	otlpProto    = "go.opentelemetry.io/proto/otlp"
	protobuf     = "google.golang.org/protobuf"
	proxyproto   = "github.com/pires/go-proxyproto"
)

// testLibs may be imported by the tests of every package: they find leaked
// goroutines, provide independent peers, validate JSON against a schema, and
// decode exported traces.
var testLibs = []string{goleak, stompClient, websocketLib, jsonSchema, otlpProto, protobuf, proxyproto}

// table has one row per package, in the order of the layers, lowest first.
// Tests may import any package of this module, and testLibs.
var table = []rule{
	{
		pkg: "frames", third: []string{stompFrame}, without: []string{"net", "os"},
		reason: "a pure codec, bytes in and frames out; connections import it, never the other way",
	},
	{
		pkg: "destination", without: []string{"net", "os"},
		reason: "one parser of names and patterns for broker, auth and config, so it imports none of them",
	},
	{
		pkg: "broker", own: []string{"destination", "frames", "internal/memory", "internal/timers"}, third: []string{stompFrame}, without: []string{"net", "os"},
		reason: "routing must be testable and portable without sockets or files: subscribers and storage are interfaces; " +
			"go-stomp's Frame and Header are data types, which frames uses for decoded frames",
	},
	{
		pkg: "auth", own: []string{"internal/mask"}, third: []string{"github.com/go-jose/go-jose/v4", "golang.org/x/crypto"},
		reason: "authentication: tokens and static users; rights are the business of auth/acl",
	},
	{
		pkg: "auth/acl", own: []string{"auth", "destination"},
		reason: "authorization as a pure decision: rules are compiled once, and asked by sessions and the admin API",
	},

	{
		pkg: "config", own: []string{"destination"}, third: []string{
			"github.com/spf13/viper", "github.com/spf13/pflag", "github.com/go-viper/mapstructure/v2",
			"github.com/dustin/go-humanize", "github.com/agnivade/levenshtein", "github.com/fsnotify/fsnotify",
			"go.yaml.in/yaml/v3", "github.com/pelletier/go-toml/v2",
		},
		reason: "internal/setup copies values into each package's Options, so viper stays here; the YAML and TOML readers find the lines of keys",
	},
	{
		pkg: "session/outbox", own: []string{"broker", "frames", "internal/memory"},
		reason: "what waits to be written, and the goroutine that writes; it knows its session by an interface",
	},
	{
		pkg: "session", own: []string{"destination", "frames", "broker", "auth", "auth/acl", "session/outbox", "internal/mask", "internal/memory", "internal/timers"}, third: []string{stompFrame}, without: []string{"net"},
		reason: "the state machine of one connection over an interface, so a new transport needs no change here; " +
			"go-stomp's Frame and Header are data types, which frames uses for decoded frames",
	},
	{
		pkg: "connections", own: []string{"session", "frames"},
		reason: "counts, admits, runs and drains connections of any transport",
	},
	{
		pkg: "transport", own: []string{"connections", "session", "frames", "transport/internal/wire", "transport/sockjs"},
		reason: "listeners and the WebSocket endpoint; sessions interpret the bytes, so this package must not reach the broker",
	},
	{
		pkg: "transport/sockjs", own: []string{"connections", "session", "frames", "transport/internal/wire", "internal/timers"},
		reason: "a protocol around frames; it sees the server through its Host",
	},
	{
		pkg: "transport/internal/wire", own: []string{"connections", "session", "frames"}, third: []string{websocketLib},
		reason: "moves bytes over one connection; it knows no listeners and no other connections",
	},
	{
		pkg: "store/pebble", own: []string{"broker", "destination", "frames"}, third: []string{"github.com/cockroachdb/pebble/v2"},
		reason: "a broker.Store that another engine could replace, so only internal/setup and cmd import it",
	},
	{
		pkg: "admin", own: []string{"destination", "broker", "session", "auth", "auth/acl", "internal/mask"},
		reason: "inspects the layers below, which do not depend on it",
	},
	{
		pkg:    "admin/console",
		reason: "an embedded page; it uses the admin API like any other page",
	},
	{
		pkg: "admin/metrics", own: []string{"destination", "broker", "session", "auth"}, third: []string{"github.com/prometheus/client_golang"},
		reason: "exports the counters of each package, so that only this one depends on Prometheus; figures of packages that only " +
			"the root may import are passed as values",
	},
	{
		pkg: "internal/setup", own: []string{"auth", "auth/acl", "broker", "config", "destination", "connections", "session", "session/outbox", "store/pebble", "transport", "transport/sockjs"},
		reason: "copies the configuration into each package's Options, for the server and for commands that need one part of it",
	},
	{
		pkg: ".", own: []string{
			"admin", "admin/console", "admin/metrics", "auth", "auth/acl", "broker", "config", "connections", "examples/browser", "session", "transport",
			"internal/logs", "internal/memory", "internal/setup", "internal/timers", "internal/tlsfiles", "internal/tracing",
		},
		third:  []string{proxyproto},
		reason: "the whole broker, for Go programs to embed: it puts the parts together and runs them; go-proxyproto wraps its listeners",
	},
	{
		pkg: "cmd/hoofbeat", own: []string{
			".", "config", "internal/setup", "internal/client", "internal/load", "internal/logs",
			"admin", "auth", "auth/acl", "broker", "destination", "store/pebble",
		},
		third: []string{"github.com/spf13/cobra", "github.com/spf13/pflag", stompClient, "golang.org/x/sys", systemdLib, md2manLib},
		reason: "the program: flags, output, signals and settings of the Go runtime; the root package is the broker. " +
			"The packages of the last line are for commands that work without a running broker (acl, token, users, queue --directory, store) or read the admin API's JSON; " +
			"go-stomp is there for pub and sub, which are clients, x/sys to ask whether somebody is looking at a terminal, " +
			"go-systemd to say that listeners are open, go-md2man for the manual",
	},
	{
		pkg:    "examples/browser",
		reason: "an embedded page; it connects to the broker like any other page",
	},
	{
		pkg:    "internal/mask",
		reason: "masks tokens, for every layer that shows clients' text",
	},
	{
		pkg: "internal/logs", own: []string{"internal/mask"},
		reason: "slog handlers; other packages log without knowing that their records are masked and limited",
	},
	{
		pkg:    "internal/memory",
		reason: "counters that every layer charges, so it imports none",
	},
	{
		pkg:    "internal/patterntest",
		reason: "a model for the tests of destination and auth/acl, which shares no code with what it judges",
	},
	{
		pkg:    "internal/timers",
		reason: "a timer structure for every layer, so it imports none",
	},
	{
		pkg:    "internal/tlsfiles",
		reason: "certificates that are reloaded when their files change, for every listener",
	},
	{
		pkg: "internal/tracing", own: []string{"destination", "session", "broker", "internal/mask"}, third: []string{stompFrame, otel, otlpProto, protobuf},
		reason: "a session.Tracer, so that only this package depends on OpenTelemetry; sessions and broker know no spans. " +
			"It encodes OTLP itself, because OpenTelemetry's exporter needs gRPC",
	},
	{
		pkg: "internal/load", third: []string{"github.com/HdrHistogram/hdrhistogram-go", "golang.org/x/sys"},
		reason: "a load generator that shares no code with the broker that it measures, and uses no library that could be its bottleneck",
	},
	{
		pkg: "internal/client", third: []string{stompClient, websocketLib},
		reason: "an independent client, which does not share the broker's misreadings of STOMP; it imports no package of this module for the same reason",
	},
	{
		pkg: "internal/client/fakebroker", third: []string{stompClient, websocketLib},
		reason: "a scripted server for tests of clients, as independent of the broker as the client",
	},
	{
		pkg: "internal/stomptest", own: []string{"frames"}, third: []string{stompFrame},
		reason: "the client side in tests of every layer above frames, so it imports none of them",
	},
	{
		pkg: "internal/servertest", own: []string{"connections", "transport"},
		reason: "the server side in tests of sessions and of everything around them",
	},
	{
		pkg: "internal/socktest", own: []string{"internal/stomptest"}, third: []string{websocketLib},
		reason: "the client side of SockJS, below STOMP; it uses the in-memory connection of stomptest",
	},
	{
		pkg: "internal/storetest", own: []string{"broker", "destination", "frames"}, third: []string{stompFrame},
		reason: "the contract of broker.Store, expressed with the broker's exported names",
	},
	{
		pkg: "internal/proctest", own: []string{"frames"},
		reason: "starts the program in tests, talks to it and ends it; the tests decide the rest",
	},
	{
		pkg:    "internal/soak",
		reason: "tests only: the program with thousands of clients for a long time",
	},
	{
		pkg:    "internal/durable",
		reason: "tests only: the program as an operator starts it",
	},
	{
		pkg:    "internal/attack",
		reason: "tests only: the program under attack by its clients",
	},
	{
		pkg:    "internal/dialects",
		reason: "tests only: the bytes that clients send and can parse",
	},
	{
		pkg:    "internal/deploy",
		reason: "tests only: releases, packages, images and the files in deploy",
	},
	{
		pkg:    "internal/docs",
		reason: "the pages of this tree, for their own and other tests",
	},
	{
		pkg:    "internal/deps",
		reason: "this table",
	},
}

func TestImports(t *testing.T) {
	for _, fault := range check(os.DirFS("../.."), "hoofbeat", table, testLibs) {
		t.Error(fault)
	}
}
