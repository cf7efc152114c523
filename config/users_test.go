package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
)

const (
	bcryptHash = "$2b$12$abcdefghijklmnopqrstuvABCDEFGHIJKLMNOPQRSTUVWXYZ01234"
	argonHash  = "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2g"
)

func twoUsers() []User {
	return []User{{Name: "Ada", Hash: bcryptHash, Roles: []string{"Staff", "a,b"}}, {Name: "ada", Hash: argonHash}}
}

const twoUsersJSON = `[{"name": "Ada", "hash": "` + bcryptHash + `", "roles": ["Staff", "a,b"]}, {"name": "ada", "hash": "` + argonHash + `"}]`

// TestUsersForms loads the same users in every supported form, with no other
// means of authentication.
func TestUsersForms(t *testing.T) {
	for name, tr := range map[string]trial{
		"yaml": {text: "auth: { users: [{ Name: Ada, hash: '" + bcryptHash + "', roles: [Staff, 'a,b'] }, { name: ada, HASH: '" + argonHash + "' }] }"},
		"toml": {name: "a.toml", text: "[[auth.users]]\nname = 'Ada'\nhash = '" + bcryptHash + "'\nroles = ['Staff', 'a,b']\n" +
			"[[auth.users]]\nname = 'ada'\nhash = '" + argonHash + "'\n"},
		"json":        {name: "a.json", text: `{"auth": {"users": ` + twoUsersJSON + `}}`},
		"environment": {environ: []string{"HOOFBEAT_AUTH_USERS=" + twoUsersJSON}},
		"flag":        {flags: []string{"--auth-users", twoUsersJSON}},
	} {
		t.Run(name, func(t *testing.T) {
			c := tr.mustLoad(t)
			if !reflect.DeepEqual(c.Auth.Users, twoUsers()) || c.Auth.Anonymous || !c.Auth.CanAuthenticate() {
				t.Errorf("got %#v", c.Auth)
			}
			want := `[{"name":"Ada","hash":"********","roles":["Staff","a,b"]},{"name":"ada","hash":"********"}]`
			if got := settings(c)["auth.users"].Value; got != want {
				t.Errorf("printed %s", got)
			}
		})
	}
}

func TestUsersFaults(t *testing.T) {
	const (
		user = `such as {"name": "ada", "hash": "$2b$12$...", "roles": ["staff"]}`
		good = ", hash: '" + bcryptHash + "'"
	)
	hash := checkHash("")
	for _, tt := range []struct {
		yaml string
		want []string
	}{
		{"hunter2", []string{"auth.users: ******** (hoofbeat.yaml): expected a list such as [" + user[len("such as "):] + "]"}},
		{"{ bob: hunter2 }", []string{"auth.users: {...} (hoofbeat.yaml): expected a list such as [" + user[len("such as "):] + "]"}},
		{"[hunter2, [hunter2]]", []string{
			"auth.users[0]: ******** (hoofbeat.yaml): expected a map " + user,
			"auth.users[1]: [...] (hoofbeat.yaml): expected a map " + user,
		}},
		{"[{}]", []string{
			"auth.users[0]: {...} (hoofbeat.yaml): expected the hash of the user's password",
			"auth.users[0]: {...} (hoofbeat.yaml): expected the name of the user",
		}},
		{"[{ name: a, hash: hunter2 }, { name: b, hash: [hunter2] }, { name: c, hsh: hunter2 }, { name: d, password: [hunter2] }]", []string{
			"auth.users[0].hash: ******** (hoofbeat.yaml): " + hash,
			"auth.users[1].hash: ******** (hoofbeat.yaml): expected a string",
			"auth.users[2].hsh: ******** (hoofbeat.yaml): unknown key; did you mean hash?",
			"auth.users[3].password: ******** (hoofbeat.yaml): unknown key; did you mean hash?",
		}},
		{"[{ name: a" + good + " }, { name: A" + good + " }, { name: a" + good + " }, { name: a, hash: x }]", []string{
			`auth.users[2].name: "a" (hoofbeat.yaml): expected another name, as auth.users[0] has it`,
			`auth.users[3].hash: ******** (hoofbeat.yaml): ` + hash,
			`auth.users[3].name: "a" (hoofbeat.yaml): expected another name, as auth.users[0] has it`,
		}},
		{"[{ name: a, hash: " + argonHash + " }]", []string{
			"auth.users[0].********: ******** (hoofbeat.yaml): unknown key; did you mean hash?",
			"auth.users[0].********: ******** (hoofbeat.yaml): unknown key; did you mean name?",
			"auth.users[0].hash: ******** (hoofbeat.yaml): " + hash,
		}},
		{"[{ name: anonymous" + good + " }, { name: ''" + good + " }, { name: ''" + good + ", roles: [''] }]", []string{
			`auth.users[0].name: "anonymous" (hoofbeat.yaml): expected another name, as this is that of clients without credentials`,
			`auth.users[1].name: "" (hoofbeat.yaml): ` + checkName(""),
			`auth.users[2].name: "" (hoofbeat.yaml): ` + checkName(""),
			`auth.users[2].roles: "" (hoofbeat.yaml): ` + checkName(""),
		}},
	} {
		t.Run(tt.yaml, func(t *testing.T) {
			trial{text: "auth: { anonymous: true, users: " + tt.yaml + " }"}.wantFaults(t, tt.want...)
		})
	}
}

// TestUsersNeverShown puts hashes, and values that may be hashes, in wrong
// places.
func TestUsersNeverShown(t *testing.T) {
	for _, text := range []string{
		"hunter2", `["hunter2"]`, `[["hunter2"]]`, `[{"hash": "hunter2"}`, `[{"name": "a", "hash": "hunter2"}]`, `[{"hash": ["hunter2"]}]`,
		`[{"name": "a", "hash": "` + bcryptHash + `", "pw": "hunter2"}]`, `"hunter2"`, `{"bob": "hunter2"}`,
	} {
		for _, tr := range []trial{
			{text: open, environ: []string{"HOOFBEAT_AUTH_USERS=" + text}},
			{text: open, flags: []string{"--auth-users=" + text}},
			{text: "auth: { anonymous: true, users: " + strings.ReplaceAll(text, `"hash"`, `"Hash"`) + " }"},
		} {
			_, faults := tr.load(t)
			if all := strings.Join(faults, "\n"); faults == nil || strings.Contains(all, "hunter") || strings.Contains(all, bcryptHash) {
				t.Errorf("%s: %q", text, faults)
			}
		}
	}
}

func TestHashes(t *testing.T) {
	for hash, good := range map[string]bool{
		bcryptHash: true, argonHash: true, "$2a" + bcryptHash[3:]: true, "$2y" + bcryptHash[3:]: true,
		"": false, "password": false, "$2x" + bcryptHash[3:]: false, bcryptHash[:59]: false, bcryptHash + "a": false,
		"b$12" + bcryptHash[6:]: false, "$2b$03" + bcryptHash[6:]: false, "$2b$17" + bcryptHash[6:]: false, bcryptHash + "\n": false,
		"$argon2i" + argonHash[9:]: false, "$argon2id$v=19": false, "{SHA}x": false, "$6$salt$hash": false,
	} {
		if got := checkHash(hash); (got == "") != good {
			t.Errorf("%q: %q", hash, got)
		}
	}
}

func TestSecretsPrintMasked(t *testing.T) {
	c := &Config{Auth: Auth{JWT: JWT{Secret: "hunter2"}, Users: []User{{Name: "a", Hash: "hunter3"}}}}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "config", c, "secret", c.Auth.JWT.Secret)
	asJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	all := fmt.Sprintf("%v %+v %#v %s %q %s %s", c, c, *c, c.Auth.JWT.Secret, c.Auth.Users, asJSON, log.String())
	if strings.Contains(all, "hunter") || strings.Count(all, masked) < 10 {
		t.Error(all)
	}
	if Secret("").String() != "" {
		t.Error("an empty secret is shown as if there were one")
	}
}

func TestCredentialFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFile(t, "users", "")
	writeFile(t, "revoked", "")
	c := trial{text: "auth: { users_file: users, revoked_file: revoked }"}.mustLoad(t)
	if c.Auth.UsersFile != "users" || c.Auth.RevokedFile != "revoked" || !c.Auth.CanAuthenticate() {
		t.Errorf("got %+v", c.Auth)
	}
	trial{text: "auth: { users_file: none, revoked_file: . }"}.wantFaults(t,
		`auth.revoked_file: "." (hoofbeat.yaml): expected a file that can be read: is a directory`,
		`auth.users_file: "none" (hoofbeat.yaml): expected a file that can be read: no such file or directory`)
	trial{text: open + "auth.users_file: ' '\n"}.wantFaults(t, `auth.users_file: " " (hoofbeat.yaml): `+checkFileName(""))
}

// FuzzUsers prints users without their hashes.
func FuzzUsers(f *testing.F) {
	f.Add(twoUsersJSON)
	f.Add(`[{"name":"a","` + bcryptHash + `":1}]`)
	f.Add(`[{"name":"a","hash":5},"x"]`)
	f.Fuzz(func(t *testing.T, text string) {
		kind := userKind()
		_ = kind.showText(text)
		users, found := kind.decode(text)
		if len(found) > 0 {
			return
		}
		again, found := kind.decode(kind.format(users))
		if len(again.([]User)) != len(users.([]User)) || len(found) != len(users.([]User)) {
			t.Errorf("%q: %+v, %v", text, again, found)
		}
	})
}
