package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// secretWarningsOf loads a file in a directory with other files of this mode.
func secretWarningsOf(t *testing.T, mode os.FileMode, text string, args ...string) []string {
	t.Helper()
	t.Chdir(t.TempDir())
	writeFile(t, "secret", strings.Repeat("s", 40))
	writeFile(t, "users", "# a:$2b$04$x\nann:$2b$09$"+bcryptHash[7:]+":r\nbob:"+bcryptHash+"\n")
	writeFile(t, "hoofbeat.yaml", text)
	for _, name := range []string{"secret", "users", "hoofbeat.yaml"} {
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	c, err := Load(Options{File: "hoofbeat.yaml", Flags: parseFlags(t, args)})
	if err != nil {
		t.Fatal(err)
	}
	return c.secretWarnings()
}

func TestSecretWarnings(t *testing.T) {
	const (
		jwt    = "auth: { jwt: { secret_file: secret, algorithms: [HS256], required_claims: [exp] } }\n"
		inline = "auth: { jwt: { secret: 's0123456789012345678901234567890123456789', algorithms: [HS256], required_claims: [exp] } }\n"
		users  = "auth: { users_file: users }\n"
	)
	cheap := `auth.users_file: the bcrypt hash of "ann" has a cost below 10: make it again with hoofbeat users hash`
	for name, tt := range map[string]struct {
		mode os.FileMode
		text string
		args []string
		want []string
	}{
		"private":       {0o600, jwt, nil, nil},
		"of a group":    {0o640, inline, nil, nil},
		"secret file":   {0o604, jwt, nil, []string{"auth.jwt.secret_file: every user of this machine may use secret (mode 0604): chmod o= secret"}},
		"configuration": {0o644, inline, nil, []string{"the configuration, which has auth.jwt.secret: every user of this machine may use hoofbeat.yaml (mode 0644): chmod o= hoofbeat.yaml"}},
		"no secret":     {0o644, open, nil, nil},
		"users":         {0o602, users, nil, []string{"auth.users_file: every user of this machine may use users (mode 0602): chmod o= users", cheap}},
		"cheap hash":    {0o600, users, nil, []string{cheap}},
		"cheap in place": {0o600, "auth: { users: [{ name: ann, hash: '$2b$04$" + bcryptHash[7:] + "' }, { name: bob, hash: '" + bcryptHash + "' }] }", nil, []string{
			`auth.users: the bcrypt hash of "ann" has a cost below 10: make it again with hoofbeat users hash`}},
		"flag": {0o600, jwt, []string{"--tracing-headers", "a: b", "--tracing-endpoint", "http://127.0.0.1:1"}, []string{
			"tracing.headers is given as a flag: every user of this machine can read it in the list of processes; use a file or the environment"}},
		"flag without a secret": {0o600, jwt, []string{"--log-level", "warn"}, nil},
		"no exp": {0o600, "auth: { jwt: { secret_file: secret, algorithms: [HS256], required_claims: [sub] } }", nil, []string{
			"auth.jwt.required_claims lacks exp: a token without it is valid for ever"}},
		"plain listeners": {0o600, jwt + "listen: { websocket: { address: ':1' }, tcp: { address: '0.0.0.0:2' } }", nil, []string{
			"listen.websocket.address is not loopback and listen.websocket.tls is not set: credentials and messages travel in the clear",
			"listen.tcp.address is not loopback and listen.tcp.tls is not set: credentials and messages travel in the clear"}},
		"behind a proxy": {0o600, jwt + "listen: { websocket: { address: ':1' } }\nlimits: { trusted_proxies: [10.0.0.1] }", nil, nil},
		"loopback":       {0o600, jwt + "listen: { websocket: { address: '127.0.0.1:1' }, tcp: { address: '[::1]:2' } }", nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got := secretWarningsOf(t, tt.mode, tt.text, tt.args...); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// With many cheap hashes, the warning names a few users.
func TestManyCheapHashes(t *testing.T) {
	var users strings.Builder
	for _, name := range strings.Split("abcdefgh", "") {
		users.WriteString(name + ":$2a$05$" + bcryptHash[7:] + "\n")
	}
	path := filepath.Join(t.TempDir(), "users")
	writeFile(t, path, users.String())
	c := &Config{Auth: Auth{UsersFile: path}}
	if got := c.cheapHashes(); len(got) != 1 || !strings.Contains(got[0], `"d", "e" and 3 more has`) {
		t.Errorf("got %q", got)
	}
}
