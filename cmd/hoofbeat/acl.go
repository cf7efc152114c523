package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hoofbeat/auth/acl"
	"hoofbeat/internal/setup"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"hoofbeat/auth"
	"hoofbeat/config"
)

func newACLCommand() *cobra.Command {
	return newGroup("acl", "Explain what the rules allow to whom", newACLTestCommand(), newACLListCommand())
}

// A question asks whether an action is allowed.
type question struct {
	action      acl.Action
	destination string
}

// questionFlag is a flag that adds a question. The flags share a list, which
// keeps the order of the command line.
type questionFlag struct {
	action acl.Action
	all    *[]question
}

var _ pflag.Value = questionFlag{}

func (q questionFlag) String() string { return "" }
func (q questionFlag) Type() string   { return "destination" }
func (q questionFlag) Set(destination string) error {
	*q.all = append(*q.all, question{q.action, destination})
	return nil
}

func newACLTestCommand() *cobra.Command {
	var who subject
	var questions []question
	var explain, asJSON, adminRead, adminWrite bool
	cmd := &cobra.Command{
		Use:   "test (--token T | --token-file F | --claims JSON | --user NAME | --anonymous) (--send DEST | --subscribe DEST | --admin-read | --admin-write)...",
		Short: "Say whether somebody may do something, and by which rule",
		Long: `Decides as the broker would with this configuration. A token is verified; who is named by --claims or --user need not prove
anything. Exit code 0: all is allowed; 1: something is denied; 2: it could not be decided.`,
		Example: `  hoofbeat acl test --config hoofbeat.yaml --token-file token --send /queue/orders --subscribe '/topic/news.**'
  hoofbeat acl test --claims '{"sub":"anna","roles":["staff"]}' --send /queue/orders --explain
  hoofbeat acl test --user billing --subscribe /queue/invoices`,
		Args: faultyArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if adminRead {
				questions = append(questions, question{action: acl.AdminRead})
			}
			if adminWrite {
				questions = append(questions, question{action: acl.AdminWrite})
			}
			if len(questions) == 0 {
				return asFault(errors.New("expected at least one --send, --subscribe, --admin-read or --admin-write"))
			}
			found, err := who.permissions(cmd)
			if err != nil {
				return asFault(err)
			}
			return found.answer(cmd.OutOrStdout(), questions, explain, asJSON)
		},
	}
	flags := cmd.Flags()
	who.add(cmd)
	flags.Var(questionFlag{acl.Send, &questions}, "send", "ask for SEND to this `destination` (repeatable)")
	flags.Var(questionFlag{acl.Subscribe, &questions}, "subscribe", "ask for SUBSCRIBE to this `destination` or pattern (repeatable)")
	flags.BoolVar(&adminRead, "admin-read", false, "ask for looking at the broker through the admin API")
	flags.BoolVar(&adminWrite, "admin-write", false, "ask for changing it there")
	flags.BoolVar(&explain, "explain", false, "tell every rule that has to do with it")
	flags.BoolVar(&asJSON, "json", false, "print one JSON object with user, roles, verified and decisions")
	return cmd
}

func newACLListCommand() *cobra.Command {
	var who subject
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list (--token T | --token-file F | --claims JSON | --user NAME | --anonymous)",
		Short: "Print all that somebody may do, and may not",
		Long: `Prints what the rules of the configuration allow and deny to somebody, with templates such as {user} filled in. Whatever no
line allows is denied, and a denial wins over any permission. What is under /temp-queue/ is allowed without a rule.`,
		Args: faultyArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			found, err := who.permissions(cmd)
			if err != nil {
				return asFault(err)
			}
			return asFault(found.list(cmd.OutOrStdout(), asJSON))
		},
	}
	who.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object with user, roles, verified and grants")
	return cmd
}

// asFault gives an error the exit code of faults, because 1 means that an
// action is denied. An error that has been printed is returned unchanged.
func asFault(err error) error {
	if _, shown := err.(*exitError); shown || err == nil {
		return err
	}
	// Wrapped, so that the error is printed.
	return fmt.Errorf("%w", &exitError{code: exitFaults, err: err})
}

func faultyArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error { return asFault(check(cmd, args)) }
}

// A subject is the user that the flags describe.
type subject struct {
	token, tokenFile, claims, user string
	roles                          []string
	anonymous                      bool
}

func (s *subject) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&s.token, "token", "", "bearer token; other users of the machine can see it, prefer --token-file")
	flags.StringVar(&s.tokenFile, "token-file", "", "`file` with the bearer token")
	flags.StringVar(&s.claims, "claims", "", "claims as of a token, one `JSON` object; nothing is verified")
	flags.StringVar(&s.user, "user", "", "`name` of a user, who need not exist; nothing is verified")
	flags.StringArrayVar(&s.roles, "role", nil, "a role of --user (repeatable; default: those of the static user of that name)")
	flags.BoolVar(&s.anonymous, "anonymous", false, "a client without credentials")
	addKeys(cmd)
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return asFault(err) })
}

// A finding is a user with permissions.
type finding struct {
	id          *auth.Identity
	permissions *acl.Permissions
	verified    bool
	how         string // a sentence on how the user was determined
}

// permissions determines the user and the permissions.
func (s *subject) permissions(cmd *cobra.Command) (*finding, error) {
	if err := s.validate(cmd); err != nil {
		return nil, err
	}
	c, err := loadConfig(cmd)
	if err != nil {
		return nil, err
	}
	list, err := setup.ACL(c)
	if err != nil {
		return nil, err
	}
	f, err := s.identify(cmd.Context(), c)
	if err != nil {
		return nil, err
	}
	f.permissions = list.For(f.id)
	return f, nil
}

func (s *subject) validate(cmd *cobra.Command) error {
	named := 0
	for _, flag := range []string{"token", "token-file", "claims", "user", "anonymous"} {
		if cmd.Flags().Changed(flag) {
			named++
		}
	}
	switch {
	case named != 1:
		return errors.New("expected one of --token, --token-file, --claims, --user and --anonymous")
	case len(s.roles) > 0 && s.user == "":
		return errors.New("--role goes with --user; a token or claims have their own roles")
	case s.token+s.tokenFile+s.claims+s.user == "" && !s.anonymous:
		return errors.New("expected more than nothing after --token, --token-file, --claims or --user")
	}
	return readSecret(&s.token, "--token-file", s.tokenFile)
}

// identify determines the user according to the configuration. It fetches keys
// for tokens only.
func (s *subject) identify(ctx context.Context, c *config.Config) (*finding, error) {
	if s.claims != "" {
		id, err := auth.UnverifiedIdentity([]byte(s.claims), *setup.TokenOptions(c.Auth.JWT))
		return &finding{id: id, how: "by the claims as they were given: no signature, date, issuer or audience was verified"}, err
	}
	o := setup.AuthOptions(c, nil)
	if s.token == "" {
		o.JWT = nil
	}
	a, err := auth.New(ctx, o)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	switch {
	case s.token != "":
		id, err := a.Verify(s.token)
		return &finding{id: id, verified: true, how: "by a token that was verified"}, told("the token is refused", err)
	case s.user != "":
		return s.named(a), nil
	case !c.Auth.Anonymous:
		return nil, errors.New("clients without credentials are refused: auth.anonymous is false")
	}
	id, err := a.Authenticate(auth.Request{})
	return &finding{id: id, how: "without credentials"}, told("clients without credentials are refused", err)
}

// named returns the user of --user.
func (s *subject) named(a *auth.Authenticator) *finding {
	id := &auth.Identity{User: s.user, Roles: s.roles}
	how := "as named, without a proof"
	if roles, known := a.UserRoles(s.user); known && s.roles == nil {
		id.Roles, how = roles, "as named, without a proof, with the roles of the static user"
	}
	return &finding{id: id, how: how}
}

// told adds the reason of a refusal, which clients do not get.
func told(what string, err error) error {
	if r := (*auth.Refusal)(nil); errors.As(err, &r) {
		return fmt.Errorf("%s: %s", what, r.Why())
	}
	return err
}

// person is the common beginning of JSON outputs.
type person struct {
	User     string   `json:"user"`
	Roles    []string `json:"roles"`
	Verified bool     `json:"verified"`
}

func (f *finding) person() person {
	return person{User: f.id.User, Roles: append([]string{}, f.id.Roles...), Verified: f.verified}
}

func (f *finding) String() string { return describeIdentity(f.id) + ", " + f.how }

// decision is one result of `hoofbeat acl test`.
type decision struct {
	Action      string `json:"action"`
	Destination string `json:"destination"`
	Allowed     bool   `json:"allowed"`
	Rule        string `json:"rule,omitempty"`
	Reason      string `json:"reason"`
	Explanation string `json:"explanation,omitempty"`
}

// decide answers one question. Admin actions concern the whole broker, so their
// destination is fixed.
func (f *finding) decide(q *question) acl.Decision {
	if q.action != acl.AdminRead && q.action != acl.AdminWrite {
		return f.permissions.Decide(q.action, q.destination)
	}
	q.destination = "/**"
	return f.permissions.Administer(q.action)
}

// deciding returns the action whose rules decide: admin:write includes
// admin:read.
func (f *finding) deciding(action acl.Action) acl.Action {
	p := f.permissions
	if action == acl.AdminRead && p.Administer(action).Allowed && !p.Decide(action, "/**").Allowed {
		return acl.AdminWrite
	}
	return action
}

// answer prints the decisions. An exitError with code 1 means that an action is
// denied.
func (f *finding) answer(w io.Writer, questions []question, explain, asJSON bool) error {
	all := make([]decision, len(questions))
	denied := 0
	for i, q := range questions {
		d := f.decide(&q)
		all[i] = decision{Action: q.action.String(), Destination: q.destination, Allowed: d.Allowed, Rule: d.Rule, Reason: d.Reason}
		if explain {
			all[i].Explanation = f.permissions.Explain(f.deciding(q.action), q.destination)
		}
		if !d.Allowed {
			denied++
		}
	}
	var err error
	if asJSON {
		err = writeJSON(w, struct {
			person
			Decisions []decision `json:"decisions"`
		}{f.person(), all})
	} else {
		err = f.write(w, all)
	}
	if err != nil || denied == 0 {
		return asFault(err)
	}
	return &exitError{code: 1, err: fmt.Errorf("%d of %d are denied", denied, len(all))}
}

func (f *finding) write(w io.Writer, all []decision) error {
	var b strings.Builder
	fmt.Fprintln(&b, f)
	for _, d := range all {
		verb, why := "denied ", d.Reason
		if d.Allowed {
			verb = "allowed"
		}
		if d.Rule != "" {
			why = fmt.Sprintf("by rule %q", d.Rule)
		}
		fmt.Fprintf(&b, "%s  %s %s  %s\n", verb, d.Action, printable(d.Destination), why)
		for line := range strings.Lines(d.Explanation) {
			b.WriteString("    " + line)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// grant is one line of `hoofbeat acl list`.
type grant struct {
	Allowed bool   `json:"allowed"`
	Action  string `json:"action"`
	Pattern string `json:"pattern"`
	Rule    string `json:"rule,omitempty"`
	Note    string `json:"note,omitempty"`
}

// list prints the grants of the rules.
func (f *finding) list(w io.Writer, asJSON bool) error {
	all := []grant{}
	for _, g := range f.permissions.List() {
		all = append(all, grant{g.Allowed, g.Action.String(), g.Pattern, g.Rule, g.Note})
	}
	if asJSON {
		return writeJSON(w, struct {
			person
			Grants []grant `json:"grants"`
		}{f.person(), all})
	}
	if _, err := fmt.Fprintln(w, f); err != nil {
		return err
	}
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, "no rule concerns them: nothing is allowed")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	rows := "DECISION\tACTION\tPATTERN\tRULE\n"
	for _, g := range all {
		verb := "deny"
		if g.Allowed {
			verb = "allow"
		}
		rule := cmp.Or(printable(g.Rule), "(there are no rules)")
		if g.Note != "" {
			rule += " (" + printable(g.Note) + ")"
		}
		rows += fmt.Sprintf("%s\t%s\t%s\t%s\n", verb, g.Action, printable(g.Pattern), rule)
	}
	if _, err := io.WriteString(table, rows); err != nil {
		return err
	}
	return table.Flush()
}

// printable returns text, quoted if it contains characters that a terminal or a
// table would not show.
func printable(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(text)
	}
	return text
}

func writeJSON(w io.Writer, v any) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	return out.Encode(v)
}
