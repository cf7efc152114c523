package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"hoofbeat"
	"hoofbeat/config"
	"hoofbeat/internal/logs"
)

func newServeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the broker until SIGINT or SIGTERM",
		Long: `Runs the broker in the foreground. Without a configuration file it listens on loopback only, everybody may do everything, and
nothing is kept on disk.

Each key of the configuration is a flag, not only those below: --limits-connections for limits.connections. Lists of maps, such
as --acl, take JSON. ` + "`hoofbeat config default`" + ` prints all keys.`,
		Example: `  hoofbeat serve --listen-tcp-address 127.0.0.1:61613
  hoofbeat serve --config /etc/hoofbeat/hoofbeat.yaml --log-level debug`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			hangup, stop := catchHangups()
			defer stop()
			c, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			again := func() (*config.Config, error) { return readConfig(cmd) }
			return serve(cmd.Context(), serverOptions(c, again, cmd.ErrOrStderr()), hangup, cmd.OutOrStdout())
		},
	}
	config.Flags(cmd.Flags())
	return cmd
}

// serverOptions returns the options of a server that logs to errout.
func serverOptions(c *config.Config, load func() (*config.Config, error), errout io.Writer) hoofbeat.Options {
	v, level := readVersion(), levelOf(c.Log)
	log := newLogger(c.Log, level, errout)
	return hoofbeat.Options{
		Config: c, Load: load, Logger: log, Level: level, AuditOutput: errout, Version: v.Version, Commit: v.Commit,
		OnReady: func() { tellSupervisor(supervisedReady, log) }, OnDrain: func() { tellSupervisor(supervisedEnds, log) },
	}
}

// serve runs a server until the context is done, and reloads its configuration
// on each hangup. It prints the URLs of its listeners to out.
func serve(ctx context.Context, o hoofbeat.Options, hangup <-chan os.Signal, out io.Writer) error {
	s, err := hoofbeat.NewContext(ctx, o)
	if err != nil {
		return err
	}
	if o.Config.Storage.Directory != "" {
		debug.FreeOSMemory() // reading many queues leaves as much garbage
	}
	defer tuneRuntime(s.MemoryLimit())()
	if err := announce(out, s.Listeners()); err != nil {
		return errors.Join(err, s.Shutdown(ctx))
	}
	reloading, stop := context.WithCancel(ctx)
	reloaded := make(chan struct{})
	go func() {
		defer close(reloaded)
		reloadOn(reloading, hangup, s)
	}()
	err = s.Serve(ctx)
	stop()
	<-reloaded
	return err
}

// reloadOn reloads the server on each signal until the context ends.
func reloadOn(ctx context.Context, hangup <-chan os.Signal, s *hoofbeat.Server) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			_ = s.Reload(ctx) // the server has logged the error
		}
	}
}

// catchHangups delivers SIGHUP to a channel; by default it would end the
// program. stop undoes it.
func catchHangups() (hangup chan os.Signal, stop func()) {
	hangup = make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	return hangup, func() { signal.Stop(hangup) }
}

// announce prints the URLs of the listeners and of the example page.
func announce(out io.Writer, all []hoofbeat.Listener) error {
	for _, l := range all {
		line := "hoofbeat accepts STOMP on "
		if l.Kind == "admin" {
			line = "hoofbeat answers operators on "
		}
		if _, err := fmt.Fprintln(out, line+l.URL); err != nil {
			return err
		}
	}
	for _, l := range all {
		if l.Page == "" {
			continue
		}
		if _, err := fmt.Fprintf(out, "Open %s in a browser to try it.\n", l.Page); err != nil {
			return err
		}
	}
	return nil
}

// levelOf returns the configured log level, which the admin API may change.
func levelOf(c config.Log) *slog.LevelVar {
	level := new(slog.LevelVar)
	_ = level.UnmarshalText([]byte(c.Level)) // the configuration is valid
	return level
}

func newLogger(c config.Log, level slog.Leveler, w io.Writer) *slog.Logger {
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: logs.Mask}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}
