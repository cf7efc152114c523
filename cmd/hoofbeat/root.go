package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// newRootCommand returns the whole command line, for SetArgs and Execute.
// Errors are returned, not printed.
func newRootCommand() *cobra.Command {
	root := newGroup("hoofbeat", "A message broker that speaks STOMP over WebSocket and TCP",
		newACLCommand(),
		newBenchCommand(),
		newConfigCommand(),
		newConnectionCommand(),
		newDrainCommand(),
		newHealthCommand(),
		newLogLevelCommand(),
		newManCommand(),
		newOverviewCommand(),
		newPubCommand(),
		newQueueCommand(),
		newRevocationCommand(),
		newServeCommand(),
		newStoreCommand(),
		newSubCommand(),
		newSubscriptionCommand(),
		newTokenCommand(),
		newTopicCommand(),
		newUserCommand(),
		newUsersCommand(),
		newVersionCommand(),
	)
	root.SilenceErrors, root.SilenceUsage = true, true
	root.PersistentFlags().String("config", "", "configuration `file` (default ./hoofbeat.yaml, then /etc/hoofbeat/hoofbeat.yaml)")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())
	})
	explainArgs(root)
	return root
}

// newGroup returns a command that only has subcommands.
func newGroup(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Args:  noSuchCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },

		SuggestionsMinimumDistance: 2,
	}
	cmd.AddCommand(commands...)
	return cmd
}

// noSuchCommand is the Args of a command that only has subcommands: any
// argument is an unknown command.
func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return fmt.Errorf("unknown command %q for %q; did you mean %s?", args[0], cmd.CommandPath(), strings.Join(near, " or "))
	}
	return fmt.Errorf("unknown command %q for %q; see %s --help", args[0], cmd.CommandPath(), cmd.CommandPath())
}

// explainArgs adds the usage to a command's error about the number of
// arguments.
func explainArgs(cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		explainArgs(c)
	}
	check := cmd.Args
	if check == nil || cmd.HasSubCommands() {
		return
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return fmt.Errorf("%w; usage: %s", err, cmd.UseLine())
		}
		return nil
	}
}
