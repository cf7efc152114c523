package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// openTerminal opens a pseudo-terminal and the typist's side of it.
func openTerminal(t *testing.T) (terminal, typist *os.File) {
	t.Helper()
	typist, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("there are no pseudo-terminals here:", err)
	}
	t.Cleanup(func() { _ = typist.Close() })
	fd := int(typist.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	if terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Skip("there are no pseudo-terminals here:", err)
	}
	t.Cleanup(func() { _ = terminal.Close() })
	return terminal, typist
}

func echoes(t *testing.T, terminal *os.File) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

// On a terminal the password is asked for twice and not shown. The terminal's
// mode is restored, even if nothing is typed.
func TestUsersHashOnATerminal(t *testing.T) {
	for name, tc := range map[string]struct {
		typed []string
		want  string // contained in the output
	}{
		"twice":     {[]string{"s3cret\n", "s3cret\n"}, "Password: \nOnce more: \n"},
		"different": {[]string{"s3cret\n", "other\n"}, "the two passwords differ"},
		"given up":  {nil, "Password: \n"},
	} {
		t.Run(name, func(t *testing.T) {
			terminal, typist := openTerminal(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			said := newOutput()
			var printed bytes.Buffer
			cmd := newRootCommand()
			cmd.SetArgs([]string{"users", "hash", "--kind", "argon2id"})
			cmd.SetIn(terminal)
			cmd.SetOut(&printed)
			cmd.SetErr(said)
			code := make(chan int)
			go func() { code <- report(said, cmd.ExecuteContext(apart(ctx))) }()
			for i, prompt := range []string{"Password: ", "Once more: "}[:max(len(tc.typed), 1)] {
				said.wait(t, prompt, 1)
				if echoes(t, terminal) {
					t.Error("what is typed is shown")
				}
				if i < len(tc.typed) {
					if _, err := typist.WriteString(tc.typed[i]); err != nil {
						t.Fatal(err)
					}
				}
			}
			if tc.typed == nil {
				cancel()
			}
			if c := <-code; (c == 0) != (name == "twice") || !strings.Contains(said.String(), tc.want) || strings.Contains(said.String(), "s3cret") {
				t.Errorf("code %d, it said %q", c, said)
			}
			if !echoes(t, terminal) {
				t.Error("the terminal is left without an echo")
			}
			if name == "twice" {
				wantHash(t, strings.TrimSpace(printed.String()), "s3cret")
			}
			// Ends the goroutine that waits for more input.
			_, _ = typist.WriteString("\n\n\n")
		})
	}
}
