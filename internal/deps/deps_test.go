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
)

// testLibs may be imported by the tests of every package: they find leaked
// goroutines, provide independent peers, validate JSON against a schema, and
// decode exported traces.
var testLibs = []string{goleak, stompClient, websocketLib, jsonSchema, otlpProto, protobuf}

// table has one row per package, in the order of the layers, lowest first.
// Tests may import any package of this module, and testLibs.
var table = []rule{
	{
		pkg: "frames", third: []string{stompFrame}, without: []string{"net", "os"},
		reason: "STOMP on the wire is bytes in, frames out; the owner of the bytes imports it, never the other way",
	},
	{
		pkg: "destination", without: []string{"net", "os"},
		reason: "names and patterns are read in one way everywhere: broker, auth and config use this package, so it uses none of them",
	},
	{
		pkg: "broker", own: []string{"destination", "frames", "internal/memory", "internal/timers"}, third: []string{stompFrame}, without: []string{"net", "os"},
		reason: "routing must be testable and portable without sockets or files: subscribers and storage are interfaces; " +
			"go-stomp's Frame and Header are data, the words in which frames speaks of a decoded frame",
	},
	{
		pkg: "auth", own: []string{"destination", "internal/mask"}, third: []string{"github.com/go-jose/go-jose/v4", "golang.org/x/crypto"},
		reason: "who is this and may they, as values in and values out; the session asks through an interface of its own",
	},
	{
		pkg: "config", own: []string{"destination"}, third: []string{
			"github.com/spf13/viper", "github.com/spf13/pflag", "github.com/go-viper/mapstructure/v2",
			"github.com/dustin/go-humanize", "github.com/agnivade/levenshtein", "github.com/fsnotify/fsnotify",
			"go.yaml.in/yaml/v3", "github.com/pelletier/go-toml/v2",
		},
		reason: "only cmd knows the operator's file and copies values into each package's Options, so viper stays here; its YAML and TOML readers say where keys stand",
	},
	{
		pkg: "session", own: []string{"destination", "frames", "broker", "auth", "internal/mask", "internal/memory", "internal/timers"}, third: []string{stompFrame}, without: []string{"net"},
		reason: "one connection's state machine over an interface: a new transport needs no change here; " +
			"go-stomp's Frame and Header are data, the words in which frames speaks of a decoded frame",
	},
	{
		pkg: "transport", own: []string{"session", "frames", "internal/timers", "internal/tlsfiles"}, third: []string{websocketLib},
		reason: "how bytes arrive; what they mean is the session's, so the broker is out of reach from here",
	},
	{
		pkg: "store/pebble", own: []string{"broker", "destination", "frames"}, third: []string{"github.com/cockroachdb/pebble/v2"},
		reason: "a broker.Store; another engine must be able to take its place, so nothing but cmd imports it",
	},
	{
		pkg: "admin", own: []string{"destination", "broker", "session", "auth", "internal/mask"},
		reason: "operators look at the layers below; the layers below do not know that they are looked at",
	},
	{
		pkg:    "admin/console",
		reason: "a page and the files that it needs, embedded; it talks to the admin API as any page does",
	},
	{
		pkg: "admin/metrics", own: []string{"destination", "broker", "session", "auth"}, third: []string{"github.com/prometheus/client_golang"},
		reason: "names for what each package counts for itself, so that only this one knows Prometheus; what is in packages that only " +
			"cmd may know comes as values",
	},
	{
		pkg: "cmd/hoofbeat", own: []string{
			"destination", "frames", "broker", "auth", "config", "session", "transport", "store/pebble", "admin", "admin/console", "admin/metrics",
			"internal/client", "internal/load", "internal/logs", "internal/memory", "internal/tlsfiles", "internal/timers", "internal/tracing", "examples/browser",
		},
		third: []string{"github.com/spf13/cobra", "github.com/spf13/pflag", stompClient, "golang.org/x/sys", "github.com/pires/go-proxyproto", systemdLib, md2manLib},
		reason: "the program: it alone puts the parts together; go-stomp is there for pub and sub, which are clients, " +
			"x/sys to ask whether somebody is looking at a terminal, go-proxyproto to wrap listeners, " +
			"go-systemd to say that they are open, go-md2man for the manual",
	},
	{
		pkg:    "examples/browser",
		reason: "a page and the files that it needs, embedded; it talks to the broker as any page does",
	},
	{
		pkg:    "internal/mask",
		reason: "takes tokens out of texts, for every layer that shows what clients wrote",
	},
	{
		pkg: "internal/logs", own: []string{"internal/mask"},
		reason: "handlers of slog; the other packages log as they like and do not know that they are masked and limited",
	},
	{
		pkg:    "internal/memory",
		reason: "counters that every layer charges, so it knows none",
	},
	{
		pkg:    "internal/timers",
		reason: "a timer structure, usable by any layer because it knows none",
	},
	{
		pkg:    "internal/tlsfiles",
		reason: "certificates reloaded when their files change, for every listener",
	},
	{
		pkg: "internal/tracing", own: []string{"destination", "session", "broker", "internal/mask"}, third: []string{stompFrame, otel, otlpProto, protobuf},
		reason: "a session.Tracer, so that only this package knows OpenTelemetry; sessions and broker do not know what a span is. " +
			"OTLP's messages are its own to send, as OpenTelemetry's exporter comes with gRPC",
	},
	{
		pkg: "internal/load", third: []string{"github.com/HdrHistogram/hdrhistogram-go", "golang.org/x/sys"},
		reason: "a load generator shares no code with what it measures, and no library that could be its bottleneck",
	},
	{
		pkg: "internal/client", third: []string{stompClient, websocketLib},
		reason: "a client not written by us, so that it does not share our misreadings of STOMP; no package of ours for the same reason",
	},
	{
		pkg: "internal/client/fakebroker", third: []string{stompClient, websocketLib},
		reason: "the other side for tests of clients; as independent of the broker as the client is",
	},
	{
		pkg: "internal/stomptest", own: []string{"frames"}, third: []string{stompFrame},
		reason: "the client's side in tests of every layer above frames, so it may know none of them",
	},
	{
		pkg: "internal/socktest", own: []string{"internal/stomptest"}, third: []string{websocketLib},
		reason: "the client's side of SockJS, below STOMP; of what stomptest has it needs the connection in memory",
	},
	{
		pkg: "internal/storetest", own: []string{"broker", "destination", "frames"}, third: []string{stompFrame},
		reason: "the contract of every broker.Store, by what the broker exports",
	},
	{
		pkg: "internal/proctest", own: []string{"frames"},
		reason: "starts and ends the program in tests and talks to it; what it is to do, the tests say",
	},
	{
		pkg:    "internal/soak",
		reason: "tests only, of the program with thousands of clients for a long time",
	},
	{
		pkg:    "internal/durable",
		reason: "tests only, of the program as an operator starts it",
	},
	{
		pkg:    "internal/attack",
		reason: "tests only, of the program under attack by its clients",
	},
	{
		pkg:    "internal/dialects",
		reason: "tests only, of what clients send and can read",
	},
	{
		pkg:    "internal/deploy",
		reason: "tests only, of releases, packages, images and what is in deploy",
	},
	{
		pkg:    "internal/docs",
		reason: "the pages of this tree, for tests, and tests of them",
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
