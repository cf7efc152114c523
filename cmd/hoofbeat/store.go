package main

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"hoofbeat/config"
	"hoofbeat/store/pebble"
)

func newStoreCommand() *cobra.Command {
	return newGroup("store", "Check and back up what is on disk", newStoreCheckCommand(), newStoreBackupCommand())
}

func newStoreCheckCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check [DIRECTORY]",
		Short: "Read all of a storage directory and report every fault; nothing is changed",
		Long: `Checks the directory, or storage.directory of the configuration. The broker must not run on it; a backup can be checked at any
time. Exit code 0: no fault was found; 1: there are faults, or not everything could be read.`,
		Example: "  hoofbeat store check /var/backups/hoofbeat/monday",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			directory := c.Storage.Directory
			if len(args) > 0 {
				directory = args[0]
			}
			if directory == "" {
				return errors.New("storage.directory is empty: there is nothing to check; name a directory")
			}
			return checkStore(cmd, directory, newLogger(config.Log{}, slog.LevelWarn, cmd.ErrOrStderr()))
		},
	}
	addKeys(cmd)
	return cmd
}

func checkStore(cmd *cobra.Command, directory string, log *slog.Logger) error {
	if err := pebble.Exists(directory); err != nil {
		return err
	}
	var failed error
	report := func(fault string) {
		_, err := fmt.Fprintln(cmd.OutOrStdout(), fault)
		failed = errors.Join(failed, err)
	}
	if err := errors.Join(pebble.Check(directory, pebble.Options{Log: log}, report), failed); err != nil {
		return err
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: ok\n", directory)
	return err
}

func newStoreBackupCommand() *cobra.Command {
	var on operation
	cmd := &cobra.Command{
		Use:   "backup DIRECTORY",
		Short: "Copy what is on disk, as it is at one moment, while the broker goes on",
		Long: `Makes a directory that a broker can be started on: with all that had its receipt when the command began, and no part of a
transaction. It must not exist, or be empty. The broker makes it, so it is on the broker's machine and belongs to its user; on the
same file system it takes little time and room.`,
		Example: "  hoofbeat store backup /var/backups/hoofbeat/monday",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			directory, err := absolute(args[0])
			if err != nil {
				return err
			}
			return on.with(cmd, func(o *operator) error {
				if err := o.post(cmd.Context(), "/api/v1/store/backup", map[string]string{"directory": directory}, &struct{}{}); err != nil {
					return err
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "backed up to %s\n", printable(directory))
				return err
			})
		},
	}
	on.add(cmd)
	return cmd
}
