//go:build unix

package deploy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hoofbeat/config"
)

// shipped are the configurations in deploy, with the paths that they expect on
// a machine.
var shipped = map[string]map[string]string{
	"debian/hoofbeat.yaml": {
		"/etc/hoofbeat/jwt.secret": "jwt.secret", "/var/log/hoofbeat/audit.log": "audit.log", "/var/lib/hoofbeat/data": "data",
	},
	"docker/hoofbeat.yaml":           {"/run/secrets/hoofbeat-jwt": "jwt.secret", "/data": "data"},
	"compose/hoofbeat/hoofbeat.yaml": {"/run/secrets/hoofbeat-jwt": "jwt.secret", "/data": "data"},
	"kubernetes/hoofbeat.yaml":       {"/run/secrets/hoofbeat/jwt.secret": "jwt.secret", "/data/queues": "data"},
}

// load loads a shipped configuration, with its paths in a temporary folder.
func load(t *testing.T, name string) *config.Config {
	t.Helper()
	folder := t.TempDir()
	writeSecret(t, filepath.Join(folder, "jwt.secret"))
	text := read(t, filepath.Join(root, "deploy", name))
	for from, to := range shipped[name] {
		if !strings.Contains(text, from) {
			t.Errorf("%s does not have %s", name, from)
		}
		text = strings.ReplaceAll(text, from, filepath.Join(folder, to))
	}
	file := filepath.Join(folder, "hoofbeat.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(config.Options{File: file})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return c
}

// Each shipped configuration is valid, stores queues on disk, and admits only
// clients with a token that expires.
func TestConfigurations(t *testing.T) {
	for name := range shipped {
		c := load(t, name)
		if c.Auth.Anonymous || c.Auth.JWT.SecretFile == "" || c.Auth.JWT.Secret != "" || len(c.Auth.JWT.RequiredClaims) != 1 || len(c.ACL) == 0 {
			t.Errorf("%s lets in too many: %+v", name, c.Auth)
		}
		if c.Storage.Directory == "" {
			t.Errorf("%s keeps nothing", name)
		}
		if open := !strings.HasPrefix(c.Listen.Admin.Address, "127."); open && c.Listen.Admin.LoopbackWithoutToken {
			t.Errorf("%s: operators need no token, and may come from anywhere", name)
		}
	}
}

// The package's configuration listens on loopback only, until it is changed.
func TestConfigurationOfThePackage(t *testing.T) {
	listen := load(t, "debian/hoofbeat.yaml").Listen
	for _, address := range []string{listen.WebSocket.Address, listen.TCP.Address, listen.Admin.Address} {
		if address != "" && !strings.HasPrefix(address, "127.0.0.1:") {
			t.Errorf("it listens on %s", address)
		}
	}
}

// effective returns a duration of the default configuration.
func effective(t *testing.T, key string) time.Duration {
	t.Helper()
	c, err := config.Load(config.Options{Search: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range c.Effective() {
		if s.Key == key {
			d, err := time.ParseDuration(s.Value)
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
	}
	t.Fatalf("there is no key %s", key)
	return 0
}

// writeSecret writes a secret that every user may read, because the image runs
// as another user.
func writeSecret(t *testing.T, name string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(strings.Repeat("s", 64)), 0o644); err != nil {
		t.Fatal(err)
	}
}
