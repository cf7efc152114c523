package main

import (
	"encoding/json"
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Set when linking, by -ldflags "-X main.linkedVersion=... -X main.linkedCommit=...", and never written to. Empty means
// what the go command recorded.
var linkedVersion, linkedCommit string

// buildVersion says what this binary was built from.
type buildVersion struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Modified bool   `json:"modified,omitempty"` // the working tree had changes that are in no commit
	Go       string `json:"go"`
}

// readVersion prefers what was linked in to what the go command recorded.
func readVersion() buildVersion {
	v := buildVersion{Version: "(devel)"}
	if info, ok := debug.ReadBuildInfo(); ok {
		v.read(info)
	}
	if linkedVersion != "" {
		v.Version = linkedVersion
	}
	if linkedCommit != "" {
		v.Commit = linkedCommit
	}
	return v
}

func (v *buildVersion) read(info *debug.BuildInfo) {
	v.Go = info.GoVersion
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
}

// String is one line, such as "hoofbeat v1.0.0 (3f2a91c, modified) go1.26.8".
func (v buildVersion) String() string {
	s := "hoofbeat " + v.Version
	if v.Commit != "" {
		s += " (" + v.Commit
		if v.Modified {
			s += ", modified"
		}
		s += ")"
	}
	return s + " " + v.Go
}

func newVersionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := readVersion()
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(v)
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), v)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
