package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"hoofbeat/internal/setup"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"hoofbeat/config"
)

// exitFaults is the exit code for a configuration with faults.
const exitFaults = 2

func newConfigCommand() *cobra.Command {
	return newGroup("config", "Check and show the configuration", newConfigCheckCommand(), newConfigPrintCommand(), newConfigDefaultCommand(),
		newConfigReferenceCommand())
}

func newConfigCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check [FILE]",
		Short: "Report every fault of a configuration file, together with the environment",
		Long: `Prints one line for each fault, with its key, where it stands and what is expected, or that there is none. Without FILE, it checks
the file that ` + "`hoofbeat serve`" + ` would read here: that of --config, or hoofbeat.yaml, or /etc/hoofbeat/hoofbeat.yaml. Files that the
configuration names are read, nothing is fetched. What is no fault but probably not meant is a warning on the standard error.
Exit code 0: no fault; 2: there are some.`,
		Example: "  hoofbeat config check /etc/hoofbeat/hoofbeat.yaml",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := optionsToCheck(cmd, args)
			if err != nil {
				return err
			}
			c, err := config.Inspect(o)
			if err == nil {
				_, faults := setup.Policies(c)
				err = errors.Join(faults, setup.CheckAccess(cmd.Context(), c))
			} else {
				err = errors.Join(err, setup.CheckLists(cmd.Context(), c.Auth))
			}
			if err != nil {
				return showFaults(cmd, err)
			}
			return showSound(cmd, c)
		},
	}
}

// optionsToCheck selects the named file, or else the one that serve would use.
func optionsToCheck(cmd *cobra.Command, args []string) (config.Options, error) {
	if len(args) > 0 {
		return config.Options{File: args[0], Environ: environment()}, nil
	}
	return configOptions(cmd)
}

// showSound prints which configuration is valid, and its warnings.
func showSound(cmd *cobra.Command, c *config.Config) error {
	for _, w := range c.Warnings() {
		if _, err := fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s\n", w); err != nil {
			return err
		}
	}
	name := c.File
	if name == "" {
		name = "no configuration file"
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: ok\n", name)
	return err
}

func newConfigPrintCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "print",
		Short: "Show every key with its value and where that came from",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), c.Effective())
			}
			return printTable(cmd.OutOrStdout(), c.Effective())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array of objects with key, value and source")
	config.Flags(cmd.Flags())
	return cmd
}

func newConfigDefaultCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "default",
		Short: "Write a commented file with every key and its default",
		Long: `Writes it to the standard output. A file that says nothing else lets nobody connect: it is for auth to say who may
(auth.anonymous: true to try it), and for acl what they may do.`,
		Example: "  hoofbeat config default > hoofbeat.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return config.WriteDefault(cmd.OutOrStdout())
		},
	}
}

func newConfigReferenceCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "reference",
		Short: "Write a page in Markdown about every key",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return config.WriteReference(cmd.OutOrStdout())
		},
	}
}

// addKeys accepts every configuration key as a flag. The flags are hidden,
// because they are rarely needed in these commands.
func addKeys(cmd *cobra.Command) {
	keys := pflag.NewFlagSet("", pflag.ContinueOnError)
	config.Flags(keys)
	keys.VisitAll(func(f *pflag.Flag) { f.Hidden = true })
	cmd.Flags().SetNormalizeFunc(keys.GetNormalizeFunc())
	cmd.Flags().AddFlagSet(keys)
}

// loadConfig loads the configuration of the command's flags, the environment
// and the named or default file. It returns an exitError if it has printed
// faults.
func loadConfig(cmd *cobra.Command) (*config.Config, error) {
	c, err := readConfig(cmd)
	if err != nil {
		return nil, showFaults(cmd, err)
	}
	return c, nil
}

// environment returns the process's environment without the variables that are
// not configuration keys.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(pair string) bool { return strings.HasPrefix(pair, tokenVariable+"=") })
}

// readConfig is loadConfig without output.
func readConfig(cmd *cobra.Command) (*config.Config, error) {
	o, err := configOptions(cmd)
	if err != nil {
		return nil, err
	}
	return config.Load(o)
}

// searchKey is the context key of a replacement for config.DefaultSearch.
type searchKey struct{}

// configOptions returns the sources of a command's configuration.
func configOptions(cmd *cobra.Command) (config.Options, error) {
	o := config.Options{Environ: environment(), Flags: cmd.Flags()}
	if search, ok := cmd.Context().Value(searchKey{}).([]string); ok {
		o.Search = search
	}
	if cmd.Flags().Lookup("config") == nil {
		return o, nil
	}
	var err error
	o.File, err = cmd.Flags().GetString("config")
	return o, err
}

// showFaults prints the faults, one per line, and keeps cobra from printing
// them again with the usage.
func showFaults(cmd *cobra.Command, err error) error {
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	_, failed := fmt.Fprintln(cmd.ErrOrStderr(), err)
	return &exitError{code: exitFaults, err: errors.Join(err, failed)}
}

func printJSON(w io.Writer, settings []config.Setting) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return out.Encode(settings)
}

func printTable(w io.Writer, settings []config.Setting) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if _, err := fmt.Fprintln(table, "KEY\tVALUE\tSOURCE"); err != nil {
		return err
	}
	for _, s := range settings {
		value := s.Value
		if value == "" {
			value = `""`
		}
		if _, err := fmt.Fprintf(table, "%s\t%s\t%s\n", s.Key, value, s.Source); err != nil {
			return err
		}
	}
	return table.Flush()
}
