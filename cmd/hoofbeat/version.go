package main

import (
	"encoding/json"
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Set by the linker with -ldflags "-X main.linkedVersion=... -X
// main.linkedCommit=...", and never modified. If empty, the values recorded by
// the go command are used.
var linkedVersion, linkedCommit string

// buildVersion describes the source of this binary.
type buildVersion struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Modified bool   `json:"modified,omitempty"` // the working tree had uncommitted changes
	Go       string `json:"go"`
}

// readVersion prefers the linked values to those recorded by the go command.
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

// String returns one line, like "hoofbeat v1.0.0 (3f2a91c, modified) go1.26.8".
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
