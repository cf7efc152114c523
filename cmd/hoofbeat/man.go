package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"hoofbeat/config"
)

// newManCommand returns the command that writes a release's manual pages. It is
// hidden, because packages contain the pages.
func newManCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIRECTORY",
		Short: "Write manual pages of all commands and of the configuration file",
		Long: `Writes a page of section 1 for each command, and hoofbeat.yaml(5), into a directory that exists. Their date is that of
the environment variable SOURCE_DATE_EPOCH (seconds since 1970), so that the same version always gives the same pages.`,
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			date, err := sourceDate(os.Getenv("SOURCE_DATE_EPOCH"))
			if err != nil {
				return err
			}
			return writeManual(cmd.Root(), args[0], date)
		},
	}
}

// sourceDate parses SOURCE_DATE_EPOCH; today if it is empty.
func sourceDate(epoch string) (time.Time, error) {
	if epoch == "" {
		return time.Now().UTC(), nil
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH is %q; expected seconds since 1970", epoch)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

func writeManual(root *cobra.Command, directory string, date time.Time) error {
	source := "hoofbeat " + readVersion().Version
	header := &doc.GenManHeader{Section: "1", Source: source, Manual: "hoofbeat", Date: &date}
	root.DisableAutoGenTag = true // it would add today's date
	if err := doc.GenManTree(root, header, directory); err != nil {
		return err
	}
	page, err := configPage(source, date)
	return errors.Join(err, os.WriteFile(filepath.Join(directory, "hoofbeat.yaml.5"), page, 0o644))
}

// configPage returns hoofbeat.yaml(5), which contains the output of `hoofbeat
// config default`.
func configPage(source string, date time.Time) ([]byte, error) {
	var page bytes.Buffer
	fmt.Fprintf(&page, `%% "HOOFBEAT.YAML" "5" %q %q "hoofbeat"

# NAME

hoofbeat.yaml - configuration of the hoofbeat message broker

# SYNOPSIS

./hoofbeat.yaml, /etc/hoofbeat/hoofbeat.yaml, or the file that \-\-config names

# DESCRIPTION

The first of these files that exists is read; a name that ends in .toml or .json is read as that. Each key is an environment
variable and a flag of **hoofbeat serve** as well. An unknown key is a fault. **hoofbeat config check** tells all faults of the
file, **hoofbeat config print** shows what is in force and where that came from. While the broker runs, changes of rules, users,
keys, revocations and policies are applied within a second; a file with faults changes nothing.

# KEYS

All of them, with their defaults:

~~~
`, date.Format("Jan 2006"), source)
	if err := config.WriteDefault(&page); err != nil {
		return nil, err
	}
	page.WriteString("~~~\n\n# SEE ALSO\n\n**hoofbeat(1)**, **hoofbeat-config-check(1)**, **hoofbeat-serve(1)**\n")
	return md2man.Render(page.Bytes()), nil
}
