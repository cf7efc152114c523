package main

import "github.com/spf13/cobra"

// newRootCommand returns the whole command line, ready for SetArgs and Execute. Errors are returned, not printed.
func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "hoofbeat",
		Short:         "A STOMP-over-WebSocket message broker",
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.PersistentFlags().String("config", "", "configuration `file` (default ./hoofbeat.yaml, then /etc/hoofbeat/hoofbeat.yaml)")
	root.AddCommand(
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
	return root
}

// newGroup returns a command that only holds others.
func newGroup(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(commands...)
	return cmd
}
