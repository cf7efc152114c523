package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"

	"github.com/spf13/cobra"

	"hoofbeat/auth"
)

func newUsersCommand() *cobra.Command {
	return newGroup("users", "Hash passwords of static users", newUsersHashCommand())
}

func newUsersHashCommand() *cobra.Command {
	var kind string
	cmd := &cobra.Command{
		Use:   "hash",
		Short: "Print the hash of a password, for auth.users or auth.users_file",
		Long: `Reads a password and prints its hash. On a terminal it is asked for twice and not shown, else it is the first line of the
standard input. It is never an argument, which other users of the machine could see.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 { // cobra's own check would print the argument
				return errors.New("a password is no argument, which others could see; it is read from the terminal or the standard input")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if kind != auth.Bcrypt && kind != auth.Argon2id {
				return errors.New("--kind must be bcrypt or argon2id")
			}
			password, err := readPassword(cmd.Context(), cmd.InOrStdin(), cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			hash, err := auth.HashPassword(kind, password)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), hash)
			return err
		},
	}
	cmd.Flags().StringVar(&kind, "kind", auth.Bcrypt, "`kind` of hash: bcrypt (passwords of 72 bytes at most) or argon2id")
	return cmd
}

// readPassword reads a line, on a terminal twice and without echo. It writes
// prompts to prompts.
func readPassword(ctx context.Context, stdin io.Reader, prompts io.Writer) (password string, err error) {
	next, stop := iter.Pull2(lines(ctx, stdin))
	defer stop()
	file, ok := stdin.(*os.File)
	if !ok || !isTerminal(file) {
		line, err := nextLine(next)
		return string(line), err
	}
	restore, err := silence(file)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, restore()) }()
	var typed [2][]byte
	for i, prompt := range []string{"Password: ", "Once more: "} {
		if _, err := io.WriteString(prompts, prompt); err != nil {
			return "", err
		}
		typed[i], err = nextLine(next)
		if _, failed := io.WriteString(prompts, "\n"); err != nil || failed != nil {
			return "", errors.Join(err, failed)
		}
	}
	if !bytes.Equal(typed[0], typed[1]) {
		return "", errors.New("the two passwords differ")
	}
	return string(typed[0]), nil
}

func nextLine(next func() ([]byte, error, bool)) ([]byte, error) {
	line, err, ok := next()
	if !ok {
		return nil, errors.New("the standard input has ended, without a password")
	}
	return line, err
}
