// Command release builds the parts of a release for which tools differ between
// machines: archives and bills of materials with the same bytes everywhere.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New("expected archive or sbom")
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	epoch := flags.Int64("time", 0, "seconds since 1970: the date of everything that has one")
	out := flags.String("out", "", "file to write")
	version := flags.String("version", "", "sbom: the version of the binary")
	lock := flags.String("lock", "", "sbom: package-lock.json with the scripts that the binary embeds")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if flags.NArg() != 1 || *out == "" || *epoch <= 0 {
		return fmt.Errorf("usage: release %s -time SECONDS -out FILE ... PATH", args[0])
	}
	date := time.Unix(*epoch, 0).UTC()
	switch args[0] {
	case "archive":
		return archive(*out, flags.Arg(0), date)
	case "sbom":
		return writeBill(*out, source{binary: flags.Arg(0), version: *version, lock: *lock, date: date})
	}
	return fmt.Errorf("expected archive or sbom, not %q", args[0])
}
