package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestRelations(t *testing.T) {
	for _, tt := range []struct {
		name, yaml string
		want       []string
	}{
		{"no listener", "listen: { websocket: { address: '' } }", []string{
			`listen.websocket.address: "" (hoofbeat.yaml): expected an address here or at listen.tcp.address, as nothing would be listened on`}},
		{"tcp alone", "listen: { websocket: { address: '' }, tcp: { address: '127.0.0.1:61613' } }", nil},
		{"one address twice", "listen: { tcp: { address: '127.0.0.1:15674' } }", []string{
			`listen.tcp.address: "127.0.0.1:15674" (hoofbeat.yaml): expected another address than that of listen.websocket.address`}},
		{"one address, two spellings", "listen: { websocket: { address: ':015674' }, tcp: { address: '[::]:15674' } }", []string{
			`listen.tcp.address: "[::]:15674" (hoofbeat.yaml): expected another address than that of listen.websocket.address`}},
		{"port 0 twice", "listen: { websocket: { address: ':0' }, tcp: { address: ':0' } }", nil},
		{"two hosts", "listen: { websocket: { address: 'a:1' }, tcp: { address: 'b:1' } }", nil},
		{"admin elsewhere", "listen: { admin: { address: ':15680', hosts: [broker.example.com, b] } }", nil},
		{"admin with odd hosts", "listen: { admin: { hosts: ['a:1', 127.0.0.1, '*.a', ''] } }", []string{
			`listen.admin.hosts: "" (hoofbeat.yaml): expected the name of a host without a port, such as broker.example.com`,
			`listen.admin.hosts: "*.a" (hoofbeat.yaml): expected the name of a host without a port, such as broker.example.com`,
			`listen.admin.hosts: "127.0.0.1" (hoofbeat.yaml): expected the name of a host without a port, such as broker.example.com`,
			`listen.admin.hosts: "a:1" (hoofbeat.yaml): expected the name of a host without a port, such as broker.example.com`}},
		{"admin with a key alone", "listen: { admin: { tls: { client_ca: relations_test.go } } }", []string{
			`listen.admin.tls.client_ca: "relations_test.go" (hoofbeat.yaml): expected a PEM file with a certificate`,
			`listen.admin.tls.client_ca: "relations_test.go" (hoofbeat.yaml): expected listen.admin.tls.cert and listen.admin.tls.key to be set with it`}},
		{"admin off", "listen: { admin: { address: '' } }", nil},
		{"admin by name", "listen: { admin: { address: 'localhost:0' } }", nil},
		{"admin alone", "listen: { websocket: { address: '' } , admin: { address: '[::1]:1' } }", []string{
			`listen.websocket.address: "" (hoofbeat.yaml): expected an address here or at listen.tcp.address, as nothing would be listened on`}},
		{"admin where websocket is", "listen: { admin: { address: '127.0.0.1:15674' } }", []string{
			`listen.admin.address: "127.0.0.1:15674" (hoofbeat.yaml): expected another address than that of listen.websocket.address`}},
		{"admin where tcp is", "listen: { tcp: { address: '127.0.0.1:15680' } }", []string{
			`listen.admin.address: "127.0.0.1:15680" (default): expected another address than that of listen.tcp.address`}},
		{"interval without its sync", "storage: { sync_interval: 20ms }", []string{
			`storage.sync_interval: "20ms" (hoofbeat.yaml): expected storage.sync to be interval beside it; with always there is none`}},
		{"interval that is the default", "storage: { sync: never, sync_interval: 1000ms }", nil},
		{"interval", "storage: { sync: interval, sync_interval: 20ms }", nil},
		{"interval beside a fault", "storage: { sync: no, sync_interval: 20ms }", []string{
			`storage.sync: "no" (hoofbeat.yaml): expected one of always, interval, never`}},
		{"storage in a file", "storage: { directory: policies_test.go }", []string{
			`storage.directory: "policies_test.go" (hoofbeat.yaml): expected a directory; this is a file`}},
		{"storage elsewhere", "storage: { directory: none/such }", nil},
		{"frames", "limits: { frame_bytes_before_connect: 3KiB, frame_header_bytes: 1KiB, frame_body_bytes: 1KiB }", []string{
			`limits.frame_bytes_before_connect: "3KiB" (hoofbeat.yaml): expected at most limits.frame_header_bytes and limits.frame_body_bytes together`}},
		{"memory", "limits: { memory_per_connection: 32MiB }", []string{
			`limits.memory_per_connection: "32MiB" (hoofbeat.yaml): expected at least as much as limits.transaction_bytes_per_connection, which is 64MiB`}},
		{"too little memory", "limits: { memory: 1MiB }", []string{`limits.memory: "1MiB" (hoofbeat.yaml): expected at least 32MiB`}},
		{"memory as a part", "limits: { memory: 25% }", nil},
		{"memory by default", "limits: { transaction_bytes_per_connection: 1GiB }", nil},
		{"frames that just fit", "limits: { frame_bytes_before_connect: 2KiB, frame_header_bytes: 1KiB, frame_body_bytes: 1KiB }", nil},
		{"largest frames", "limits: { frame_header_bytes: 9223372036854775807, frame_body_bytes: 9223372036854775807 }", nil},
		{"heartbeat", "heartbeat: { min: 11s }", []string{
			`heartbeat.min: "11s" (hoofbeat.yaml): expected at most heartbeat.server, which is 10s`}},
		{"heartbeat equal", "heartbeat: { min: 10s }", nil},
		{"no prefixes", "prefixes: { topic: [], queue: [] }", []string{
			`prefixes.topic: [] (hoofbeat.yaml): expected a prefix here or at prefixes.queue, as no destination would mean anything`}},
		{"only queues", "prefixes: { topic: [] }", nil},
		{"prefix of another", "prefixes: { topic: [/a/], queue: [/a/b/, /c/, /c/] }", []string{
			`prefixes.queue: "/a/b/" (hoofbeat.yaml): expected no prefix of another; it and "/a/" overlap, as a dot and a slash are the same in a name`,
			`prefixes.queue: "/c/" (hoofbeat.yaml): expected no prefix of another; it and "/c/" overlap, as a dot and a slash are the same in a name`}},
		{"prefix with a dot", "prefixes: { topic: [/topic/, /topic.internal/], queue: [/topics/, /a.b/, /a/b/] }", []string{
			`prefixes.queue: "/a/b/" (hoofbeat.yaml): expected no prefix of another; it and "/a.b/" overlap, as a dot and a slash are the same in a name`,
			`prefixes.topic: "/topic.internal/" (hoofbeat.yaml): expected no prefix of another; it and "/topic/" overlap, as a dot and a slash are the same in a name`}},
		{"prefix within a list", "prefixes: { topic: [/a/b/, /a/] }", []string{
			`prefixes.topic: "/a/" (hoofbeat.yaml): expected no prefix of another; it and "/a/b/" overlap, as a dot and a slash are the same in a name`}},
		{"not after another fault", "heartbeat: { min: 11s, server: ten }", []string{
			`heartbeat.server: "ten" (hoofbeat.yaml): expected a duration such as 10s`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			trial{text: open + tt.yaml}.wantFaults(t, tt.want...)
		})
	}
}

func TestAnonymousInFile(t *testing.T) {
	const refused = "no client could connect; expected true, or a key for tokens at auth.jwt " +
		"(secret, secret_file, public_key_files, jwks_url or jwks_file), or users at auth.users or auth.users_file"
	trial{text: "log: { level: info }"}.wantFaults(t, "auth.anonymous: false (default): "+refused)
	trial{text: "auth: { anonymous: false }"}.wantFaults(t, "auth.anonymous: false (hoofbeat.yaml): "+refused)
	trial{text: "", environ: []string{"HOOFBEAT_AUTH_ANONYMOUS=true"}}.wantFaults(t)
	trial{text: open, flags: []string{"--auth-anonymous=false"}}.wantFaults(t,
		`auth.anonymous: "false" (flag --auth-anonymous): `+refused)
	trial{text: open + "listen: { websocket: { address: ':80' } }"}.wantFaults(t)
}

// TestAnonymousWithoutFile: the default for auth.anonymous is true on loopback
// only.
func TestAnonymousWithoutFile(t *testing.T) {
	for address, good := range map[string]bool{
		"127.0.0.1:1": true, "127.9.9.9:1": true, "[::1]:1": true, "LocalHost:1": true, "[::ffff:127.0.0.1]:1": true,
		":1": false, "0.0.0.0:1": false, "[::]:1": false, "192.0.2.1:1": false, "example.com:1": false,
	} {
		for _, listener := range []string{"WEBSOCKET", "TCP"} {
			environ := []string{"HOOFBEAT_LISTEN_" + listener + "_ADDRESS=" + address}
			_, err := Load(Options{Search: []string{}, Environ: environ})
			want := fmt.Sprintf("auth.anonymous: true (default): anonymous access on %s, which is not loopback; "+
				"expected auth.anonymous to be set to true on purpose, or a loopback address", address)
			if good && err != nil || !good && (err == nil || err.Error() != want) {
				t.Errorf("%s: %v", environ[0], err)
			}
			_, err = Load(Options{Search: []string{}, Environ: append(environ, "HOOFBEAT_AUTH_ANONYMOUS=true")})
			if err != nil {
				t.Errorf("%s on purpose: %v", environ[0], err)
			}
		}
	}
}

// TestAnonymousWithCredentials: with credentials configured, anonymous clients
// need an explicit auth.anonymous.
func TestAnonymousWithCredentials(t *testing.T) {
	users := "HOOFBEAT_AUTH_USERS=" + twoUsersJSON
	for _, tt := range []struct {
		o         Options
		anonymous bool
	}{
		{Options{Environ: []string{users}}, false},
		{Options{Environ: []string{users, "HOOFBEAT_LISTEN_TCP_ADDRESS=:61613"}}, false},
		{Options{Environ: []string{"HOOFBEAT_AUTH_JWT_JWKS_URL=https://a/b"}}, false},
		{Options{Environ: []string{users, "HOOFBEAT_AUTH_ANONYMOUS=true"}}, true},
		{Options{Environ: []string{"HOOFBEAT_AUTH_USERS=[]", "HOOFBEAT_AUTH_JWT_SECRET="}}, true},
		{Options{Environ: []string{`HOOFBEAT_ACL=[{"deny":["send"],"destinations":["/queue/b"]}]`}}, true},
	} {
		tt.o.Search = []string{}
		c, err := Load(tt.o)
		if err != nil || c.Auth.Anonymous != tt.anonymous || settings(c)["auth.anonymous"].Value != fmt.Sprint(tt.anonymous) {
			t.Errorf("%v: %+v, %v", tt.o.Environ, c, err)
		}
	}
	_, err := Load(Options{Search: []string{}, Environ: []string{"HOOFBEAT_AUTH_USERS=x", "HOOFBEAT_LISTEN_TCP_ADDRESS=:61613"}})
	if err == nil || !strings.HasPrefix(err.Error(), "auth.users: ") || strings.Contains(err.Error(), "\n") {
		t.Errorf("faults:\n%v", err)
	}
}

func TestWarnings(t *testing.T) {
	const (
		empty = "acl is empty: nobody may send or subscribe to anything"
		all   = "everybody who can connect may do everything"
		stay  = "durable subscriptions to /topic/** are kept for ever when nobody comes back to them, with their messages: destinations[].subscription_expiry ends them"
		roles = "auth.anonymous_roles are set but auth.anonymous is false: nobody has them"
		disk  = "storage.directory is empty: queues are in memory only, and what they hold is lost when the broker stops"
		plain = "listen.admin.address is not loopback and listen.admin.tls is not set: the tokens of operators travel in the clear"
		rules = "acl: [{ deny: [send], destinations: [/queue/b] }]\n"
		users = "users: [{ name: a, hash: '" + bcryptHash + "' }]"
	)
	for _, tt := range []struct {
		yaml string
		want []string
	}{
		{open, []string{all, stay}},
		{open + "acl: [{ allow: [subscribe], destinations: ['/topic/a.**'] }]", []string{stay}},
		{open + "acl: [{ allow: [subscribe], destinations: [/queue/a] }, { allow: [send], destinations: [/topic/a] }]", nil},
		{open + "destinations: [{ match: '/topic/**', subscription_expiry: 720h }]", []string{all}},
		{open + "destinations: [{ match: /topic/a, durable: true }, { match: '/topic/**', subscription_expiry: 720h }]", []string{all, stay}},
		{open + "destinations: [{ match: /topic/a, subscription_expiry: 1h }]", []string{all, stay}},
		{open + "acl: [{ allow: [subscribe], destinations: ['/topic/a.**', '/topic/b.{user}'] }]\n" +
			"destinations: [{ match: /topic/c }, { match: '/topic/a.**', subscription_expiry: 1h }, { match: '/topic/b.*', subscription_expiry: 1h }]", nil},
		{open + "acl: [{ allow: [subscribe], destinations: ['/topic/a.**'] }]\n" +
			"destinations: [{ match: /topic/a.b }, { match: '/topic/a.**', subscription_expiry: 1h }]", []string{stay}},
		{open + "acl: [{ allow: [subscribe], destinations: ['/**'] }]\ndestinations: [{ match: '/topic/**', subscription_expiry: 1h }]", nil},
		{open + rules, nil},
		{"auth: { anonymous: true, " + users + " }", []string{empty}},
		{"auth: { jwt: { jwks_url: 'https://a/b', required_claims: [exp] } }", []string{empty}},
		{"auth: { " + users + " }\n" + rules, nil},
		{open + rules + "storage: { directory: '' }", []string{disk}},
		{open + "storage: { directory: '' }", []string{all, disk}},
		{"auth: { anonymous_roles: [a], " + users + " }\n" + rules, []string{roles}},
		{open + rules + "listen: { admin: { address: ':1' } }", []string{plain}},
		{open + rules + "listen: { admin: { address: '' } }", nil},
		{open + rules + "listen: { admin: { address: '', metrics_without_token: true }, tcp: { tls: { cert: '' } } }", []string{
			"listen.tcp.tls.cert means nothing: listen.tcp.address is empty",
			"listen.admin.metrics_without_token means nothing: listen.admin.address is empty",
		}},
		{open + rules + "limits: { trusted_proxies: [10.0.0.0/8, 0.0.0.0/0] }", []string{
			"limits.trusted_proxies has 0.0.0.0/0: everybody is believed what they say of their address, which limits and logs go by",
		}},
		{"auth: { jwt: { jwks_url: 'https://a/b', cookie: c, required_claims: [exp] } }\nlisten: { websocket: { origins: ['*'] } }\n" + rules, []string{
			"listen.websocket.origins has * and auth.jwt.cookie is set: any page that a user visits may act in the user's name",
		}},
		{open + "acl: [{ allow: ['admin:read'] }, { allow: ['admin:write', send], destinations: [/**] }]", nil},
	} {
		if got := (trial{text: tt.yaml}).mustLoad(t).Warnings(); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.yaml, got, tt.want)
		}
	}
}

func TestAuditFile(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFile(t, "log", "")
	const directory = "expected a file in a directory that exists, or stderr"
	for path, want := range map[string]string{
		"stderr": "", "audit.log": "", "log": "", "''": "",
		"none/audit.log": directory, "log/audit": directory, ".": "expected a file, not a directory",
		"' a'": checkFileName(""), `"a\nb"`: checkFileName(""),
	} {
		_, faults := trial{text: open + "log.audit: " + path}.load(t)
		switch {
		case want == "" && faults != nil, want != "" && len(faults) != 1, want != "" && !strings.HasSuffix(faults[0], ": "+want):
			t.Errorf("%s: %q", path, faults)
		}
	}
}

func TestFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"users", "revoked"} {
		writeFile(t, name, "")
	}
	writeKeys(t)
	writeFile(t, "a.yaml", "auth: { users_file: users, revoked_file: revoked, jwt: { secret_file: secret32, "+
		"public_key_files: [rsa.pem, ed.pem, rsa.pem], jwks_file: jwks, algorithms: [HS256, RS256, EdDSA] } }")
	c, err := Load(Options{File: "a.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.Files(), []string{"a.yaml", "users", "revoked", "secret32", "rsa.pem", "ed.pem", "jwks"}; !slices.Equal(got, want) {
		t.Errorf("files %q", got)
	}
	if got := (&Config{}).Files(); len(got) != 0 {
		t.Errorf("files %q", got)
	}
}
