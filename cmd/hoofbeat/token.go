package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hoofbeat/internal/setup"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"hoofbeat/auth"
	"hoofbeat/config"
)

func newTokenCommand() *cobra.Command {
	return newGroup("token", "Make and look into tokens, for development", newTokenSignCommand(), newTokenShowCommand())
}

// tokenDraft has the options of `hoofbeat token sign`.
type tokenDraft struct {
	claims, algorithm, key, kid string
	expires                     time.Duration
}

func newTokenSignCommand() *cobra.Command {
	d := &tokenDraft{}
	cmd := &cobra.Command{
		Use:   "sign --claims JSON",
		Short: "Print a token, signed with the configured secret or a private key",
		Long: `Signs with auth.jwt.secret or secret_file of the configuration, or with the private key of --key. The claims iat and exp are
set unless they are among the claims. Only the token is printed, so that it can be put into a file or a variable.`,
		Example: `  hoofbeat token sign --config hoofbeat.yaml --claims '{"sub":"anna","roles":["staff"]}' > token
  hoofbeat token sign --key private.pem --kid k1 --claims '{"sub":"anna"}' --expires 5m`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return d.run(cmd) },
	}
	flags := cmd.Flags()
	flags.StringVar(&d.claims, "claims", "", "the claims, one `JSON` object")
	flags.DurationVar(&d.expires, "expires", time.Hour, "how long the token lasts; 0: for ever, unless the claims have exp")
	flags.StringVar(&d.algorithm, "algorithm", "", "`name` such as HS256 or RS256 (default: the first configured one that fits the key)")
	flags.StringVar(&d.key, "key", "", "PEM `file` with the private key to sign with, instead of the configured secret")
	flags.StringVar(&d.kid, "kid", "", "`id` of the key, for the token's header")
	addKeys(cmd)
	return cmd
}

func (d *tokenDraft) run(cmd *cobra.Command) error {
	if d.claims == "" {
		return errors.New("--claims is missing; expected a JSON object, such as '{\"sub\":\"anna\"}'")
	}
	if d.expires < 0 {
		return errors.New("--expires must be at least 0; for a token that has expired, put exp among the claims")
	}
	var given map[string]json.RawMessage
	if err := json.Unmarshal([]byte(d.claims), &given); err == nil && given["exp"] != nil && cmd.Flags().Changed("expires") {
		return errors.New("expected either --expires or exp among the claims, not both")
	}
	c, err := loadConfig(cmd)
	if err != nil {
		return err
	}
	key, err := d.signingKey(c)
	if err != nil {
		return err
	}
	now := time.Now()
	draft := auth.Draft{Claims: []byte(d.claims), KeyID: d.kid, IssuedAt: now, Algorithm: d.algorithm}
	if d.algorithm == "" {
		draft.Algorithm = key.DefaultAlgorithm(c.Auth.JWT.Algorithms)
	}
	if d.expires > 0 {
		draft.Expires = now.Add(d.expires)
	}
	token, err := auth.Sign(key, draft)
	if err != nil {
		return err
	}
	if c.Auth.JWT.Configured() && !slices.Contains(c.Auth.JWT.Algorithms, draft.Algorithm) {
		if _, err := fmt.Fprintf(cmd.ErrOrStderr(), "notice: %s is not among auth.jwt.algorithms, so the broker refuses this token\n", draft.Algorithm); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), token)
	return err
}

func (d *tokenDraft) signingKey(c *config.Config) (auth.SigningKey, error) {
	if d.key != "" {
		key, err := auth.ReadPrivateKey(d.key)
		if err != nil {
			return key, fmt.Errorf("--key: %w", err)
		}
		return key, nil
	}
	key, err := auth.ConfiguredSecret(*setup.TokenOptions(c.Auth.JWT))
	if err != nil {
		return key, fmt.Errorf("%w; with public keys, name the private one with --key", err)
	}
	return key, nil
}

func newTokenShowCommand() *cobra.Command {
	var verify bool
	cmd := &cobra.Command{
		Use:   "show [TOKEN|-]",
		Short: "Print what is in a token; it is verified with --verify only",
		Long: `Prints the header and the claims of a token that is given as an argument or, without one or as -, on the standard
input. Nothing is verified without --verify, which asks the configuration as the broker does: exit code 0 if the broker
accepts the token, 1 if it does not.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 { // cobra's own check would print the argument
				return errors.New("expected one TOKEN at most")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			token, err := tokenArgument(cmd, args)
			if err != nil {
				return err
			}
			seen, err := auth.Inspect(token)
			if err != nil {
				return err
			}
			return showToken(cmd, token, seen, verify)
		},
	}
	cmd.Flags().BoolVar(&verify, "verify", false, "verify it against the configuration, as the broker does")
	addKeys(cmd)
	return cmd
}

// maxTokenInput limits the bytes read as a token. The broker's own limit is
// lower.
const maxTokenInput = 1 << 20

func tokenArgument(cmd *cobra.Command, args []string) (string, error) {
	token := "-"
	if len(args) > 0 {
		token = args[0]
	}
	if token == "-" {
		data, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), maxTokenInput))
		if err != nil {
			return "", fmt.Errorf("read the standard input: %w", err)
		}
		token = string(data)
	}
	token = strings.TrimSpace(token)
	if scheme, rest, found := strings.Cut(token, " "); found && strings.EqualFold(scheme, "Bearer") {
		token = strings.TrimSpace(rest)
	}
	return token, nil
}

// showToken prints the token. It returns an exitError if the token is not
// accepted.
func showToken(cmd *cobra.Command, token string, seen *auth.Inspection, verify bool) error {
	verdict, refused := "not verified: anybody could have written this; --verify asks the configuration", error(nil)
	if verify {
		c, err := loadConfig(cmd)
		if err != nil {
			return err
		}
		if verdict, refused, err = prove(cmd.Context(), c, token); err != nil {
			return err
		}
	}
	text := verdict + "\n"
	for _, part := range []struct {
		title  string
		object map[string]any
	}{{"header", seen.Header}, {"claims", seen.Claims}} {
		object, err := readableJSON(part.object)
		if err != nil {
			return err
		}
		text += part.title + ":\n" + object + "\n"
	}
	text += times(seen, time.Now())
	if _, err := io.WriteString(cmd.OutOrStdout(), text); err != nil {
		return err
	}
	if refused != nil {
		return &exitError{code: 1, err: refused}
	}
	return nil
}

// prove verifies a token with the configuration and returns the verdict in one
// line. err means that it could not be verified.
func prove(ctx context.Context, c *config.Config, token string) (verdict string, refused, err error) {
	a, err := auth.New(ctx, setup.AuthOptions(c, nil))
	if err != nil {
		return "", nil, err
	}
	defer a.Close()
	p, err := a.Prove(token)
	if r := (*auth.Refusal)(nil); errors.As(err, &r) {
		return "refused: " + r.Why(), err, nil
	}
	if err != nil {
		return "", nil, err
	}
	verdict = fmt.Sprintf("verified: signed by %s with a key of %s", p.Algorithm, p.Setting)
	if p.KeyID != "" {
		verdict += fmt.Sprintf(" (kid %q)", p.KeyID)
	}
	return verdict + "; it is a token of " + describeIdentity(p.Identity), nil, nil
}

// describeIdentity describes the user and the roles.
func describeIdentity(id *auth.Identity) string {
	if len(id.Roles) == 0 {
		return fmt.Sprintf("user %q without roles", id.User)
	}
	return fmt.Sprintf("user %q with roles %q", id.User, id.Roles)
}

// readableJSON returns indented JSON, in which characters that control a
// terminal or the text direction are escaped.
func readableJSON(object map[string]any) (string, error) {
	data, err := json.MarshalIndent(object, "", "  ")
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, r := range string(data) {
		switch {
		case r == '\n' || unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000 // as a surrogate pair
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String(), nil
}

// times describes the claims that are times.
func times(seen *auth.Inspection, now time.Time) string {
	var b strings.Builder
	for _, t := range []struct{ claim, means string }{
		{"iat", "issued"}, {"nbf", "not before"}, {"exp", "expires"}, {"auth_time", "authenticated"},
	} {
		at, ok := seen.Date(t.claim)
		if !ok {
			continue
		}
		distance := now.Sub(at).Round(time.Second)
		when := distance.String() + " ago"
		if distance < 0 {
			when = "in " + (-distance).String()
		}
		fmt.Fprintf(&b, "  %s  %s  %s, %s\n", t.claim, at.UTC().Format(time.RFC3339), t.means, when)
	}
	return "times:\n" + cmp.Or(b.String(), "  none\n")
}
