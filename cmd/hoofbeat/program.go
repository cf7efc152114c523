package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hoofbeat/admin"
)

func newOverviewCommand() *cobra.Command {
	var on operation
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "overview",
		Aliases: []string{"status"},
		Short:   "Print how a running broker is, and what it holds",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return on.with(cmd, func(o *operator) error {
				var v admin.Overview
				if err := o.get(cmd.Context(), "/api/v1/overview", nil, &v); err != nil {
					return err
				}
				if asJSON {
					return writeJSON(cmd.OutOrStdout(), v)
				}
				return printOverview(cmd.OutOrStdout(), v, time.Now())
			})
		},
	}
	on.addRunning(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

func printOverview(w io.Writer, v admin.Overview, now time.Time) error {
	n := strconv.Itoa
	rows := [][]string{{"version", strings.TrimSpace(v.Version + " " + v.Commit)}, {"running for", age(&v.Started, now)}, {"ready", readiness(v)}}
	for _, l := range v.Listeners {
		rows = append(rows, []string{l.Kind, l.URL})
	}
	storage := "nothing is kept on disk"
	if v.Storage.Directory {
		storage = "on disk, sync " + v.Storage.Sync
	}
	rows = append(rows, [][]string{
		{"storage", storage}, {"connections", n(v.Connections)}, {"users", n(v.Users)}, {"subscriptions", n(v.Subscriptions)}, {"topics", n(v.Topics)},
		{"queues", n(v.Queues)}, {"messages ready", n(v.MessagesReady)}, {"messages unacked", n(v.MessagesUnacked)}, {"messages delayed", n(v.MessagesDelayed)},
		{"outbound bytes", n(v.OutboundBytes)}, {"memory bytes", strconv.FormatUint(v.MemoryBytes, 10)}, {"goroutines", n(v.Goroutines)},
	}...)
	if m := v.ClientMemory; m != nil {
		rows = append(rows, []string{"client memory", fmt.Sprintf("%d of %d bytes", m.Used, m.Limit)})
	}
	t := v.Totals
	for _, c := range []counted{
		{"received", t.Received}, {"delivered", t.Delivered}, {"published", t.Published}, {"acked", t.Acked}, {"requeued", t.Requeued}, {"rejected", t.Rejected},
		{"exhausted", t.Exhausted}, {"expired", t.Expired}, {"overflowed", t.Overflowed}, {"dropped", t.Dropped}, {"dead-lettered", t.DeadLettered},
		{"unroutable", t.Unroutable}, {"refused", t.Refused},
	} {
		if c.count != 0 {
			rows = append(rows, []string{c.name + " since the start", strconv.FormatInt(c.count, 10)})
		}
	}
	return printTableOf(w, rows)
}

// A counted is a counter that is printed unless it is zero.
type counted struct {
	name  string
	count int64
}

func readiness(v admin.Overview) string {
	if v.Ready {
		return "yes"
	}
	var why []string
	for _, r := range v.Reasons {
		why = append(why, r.Check+": "+r.Message)
	}
	return "no: " + strings.Join(why, "; ")
}

func newDrainCommand() *cobra.Command {
	var on operation
	var yes bool
	cmd := &cobra.Command{
		Use:   "drain",
		Short: "Stop a running broker as SIGTERM does",
		Long: `The broker says first that it is not ready, lets consumers finish, tells clients to come back, and ends. Whatever supervises it
may start it again. On a terminal it asks; elsewhere it takes --yes.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return on.with(cmd, func(o *operator) error {
				if err := agree(cmd, "stop the broker at "+o.base, yes); err != nil {
					return err
				}
				var done admin.Draining
				if err := o.post(cmd.Context(), "/api/v1/drain", struct{}{}, &done); err != nil {
					return err
				}
				_, err := fmt.Fprintln(cmd.OutOrStdout(), "the broker stops")
				return err
			})
		},
	}
	on.addRunning(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// agree asks for confirmation, unless --yes was given.
func agree(cmd *cobra.Command, what string, yes bool) error {
	if yes {
		return nil
	}
	if !asks(cmd) {
		return errors.New("expected --yes, as there is no terminal to ask on")
	}
	if _, err := fmt.Fprintf(cmd.ErrOrStderr(), "%s? [y/N] ", what); err != nil {
		return err
	}
	for line, err := range lines(cmd.Context(), cmd.InOrStdin()) {
		answer := strings.ToLower(strings.TrimSpace(string(line)))
		if err != nil || answer == "y" || answer == "yes" {
			return err
		}
		break
	}
	return errors.New("nothing was done")
}

// asks reports whether standard input is a terminal.
func asks(cmd *cobra.Command) bool {
	in, ok := cmd.InOrStdin().(*os.File)
	return ok && isTerminal(in)
}

func newLogLevelCommand() *cobra.Command {
	var on operation
	cmd := &cobra.Command{
		Use:     "log-level [debug | info | warn | error]",
		Short:   "Print the level of a running broker's log, or change it until the broker stops",
		Example: "  hoofbeat log-level debug",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return on.with(cmd, func(o *operator) error {
				var level admin.LogLevel
				err := o.logLevel(cmd, args, &level)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintln(cmd.OutOrStdout(), level.Level)
				return err
			})
		},
	}
	on.addRunning(cmd)
	return cmd
}

func (o *operator) logLevel(cmd *cobra.Command, args []string, level *admin.LogLevel) error {
	if len(args) == 0 {
		return o.get(cmd.Context(), "/api/v1/log", nil, level)
	}
	return o.post(cmd.Context(), "/api/v1/log", admin.LogLevel{Level: args[0]}, level)
}
