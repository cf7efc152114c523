package hoofbeat

import (
	"cmp"
	"io"
	"log/slog"
	"os"
	"runtime/debug"

	"hoofbeat/config"
)

// Options configure a [Server]. The zero value is the broker that `hoofbeat
// serve` runs without a configuration file: it listens on loopback, keeps
// queues in memory, and lets every client do everything.
type Options struct {
	// File is a configuration file in YAML, TOML or JSON. If it is empty, no
	// file is read. With a file, clients need credentials unless it says
	// otherwise.
	File string
	// Settings override the file. They are keys of docs/configuration.md, such
	// as "listen.tcp.address", with values in the form that environment
	// variables have: "127.0.0.1:0", "30s", "64KiB", or JSON for a list of maps.
	Settings map[string]string

	// Config, if not nil, is the configuration, and File and Settings are
	// ignored.
	Config *config.Config
	// Load returns the configuration for each reload. It may be nil: File and
	// Settings are loaded again then, and Config stays in force.
	Load func() (*config.Config, error)

	// NoListeners makes New open no ports. Clients connect by way of
	// [Server.Handler], which may be reachable from anywhere: New fails unless
	// credentials are configured, or auth.anonymous is set to true.
	NoListeners bool

	// Logger receives the log; nil discards it. It should mask tokens, as
	// clients may put them into URLs.
	Logger *slog.Logger
	// Level is the level of Logger, which the admin API shows and changes. It
	// may be nil.
	Level *slog.LevelVar
	// AuditOutput is where records go if log.audit is "stderr". If it is nil,
	// os.Stderr is used.
	AuditOutput io.Writer

	// Version and Commit are those of the program, for CONNECTED frames, metrics
	// and the admin API. If Version is empty, that of the hoofbeat module is
	// used.
	Version, Commit string

	// OnReady is called by Serve when all listeners accept connections, and
	// OnDrain when Serve begins to drain. Both may be nil.
	OnReady, OnDrain func()
}

// load completes the options, of which Config is not nil afterwards.
func (o Options) load() (Options, error) {
	if o.Config == nil {
		settings := config.Options{File: o.File, Search: []string{}, Settings: o.Settings, Mounted: o.NoListeners}
		if o.Load == nil {
			o.Load = func() (*config.Config, error) { return config.Load(settings) }
		}
		var err error
		if o.Config, err = config.Load(settings); err != nil {
			return o, err
		}
	}
	if o.Load == nil {
		same := o.Config
		o.Load = func() (*config.Config, error) { return same, nil }
	}
	return o.withDefaults(), nil
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Level == nil {
		o.Level = new(slog.LevelVar)
	}
	if o.AuditOutput == nil {
		o.AuditOutput = os.Stderr
	}
	if o.OnReady == nil {
		o.OnReady = func() {}
	}
	if o.OnDrain == nil {
		o.OnDrain = func() {}
	}
	o.Version = cmp.Or(o.Version, moduleVersion())
	return o
}

// moduleVersion returns the version of this module in the running program.
func moduleVersion() string {
	const module, unknown = "hoofbeat", "(devel)"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return unknown
	}
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == module {
			return cmp.Or(m.Version, unknown)
		}
	}
	return unknown
}
