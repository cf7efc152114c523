package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hoofbeat/admin"
)

func newRevocationCommand() *cobra.Command {
	cmd := newGroup("revocation", "Refuse tokens and users, whatever they can prove",
		listing[admin.Revocation]{
			what: "revocations", short: "Print the tokens and users that are refused",
			filters: []filter{{"filter", "q", "only those with this `text` in them"}},
			header:  "KIND\tVALUE",
			row:     func(r admin.Revocation, _ time.Time) []string { return []string{r.Kind, r.Value} },
		}.command(),
		newRevocationChange("add", "Refuse a token or a user from now on", "revoked", "it was revoked already"),
		newRevocationChange("remove", "Take a revocation back", "no longer revoked", "it was not revoked"))
	cmd.Long = `Changes the file of auth.revoked_file on the machine of a running broker, and ends the connections that it is about at once. A
revocation is jti:ID, a token by its claim of that name, or user:NAME.`
	return cmd
}

func newRevocationChange(verb, short, done, before string) *cobra.Command {
	var on operation
	cmd := &cobra.Command{
		Use:     verb + " (jti:ID | user:NAME)",
		Short:   short,
		Example: "  hoofbeat revocation " + verb + " user:mallory",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			kind, value, ok := strings.Cut(args[0], ":")
			if !ok {
				return errors.New("expected jti:ID or user:NAME")
			}
			return on.with(cmd, func(o *operator) error {
				var answer admin.Revoked
				if err := o.post(cmd.Context(), "/api/v1/revocations/"+verb, admin.Revocation{Kind: kind, Value: value}, &answer); err != nil {
					return err
				}
				how := done
				if !answer.Changed {
					how = before
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", printable(args[0]), how)
				return err
			})
		},
	}
	on.addRunning(cmd)
	return cmd
}
