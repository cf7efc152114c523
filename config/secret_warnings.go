package config

import (
	"bufio"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// secretWarnings reports secrets that others may learn, and authentication that
// is weaker than necessary.
func (c *Config) secretWarnings() []string {
	all := c.readableSecrets()
	all = append(all, c.secretFlags()...)
	all = append(all, c.plainListeners()...)
	if c.Auth.JWT.Configured() && !slices.Contains(c.Auth.JWT.RequiredClaims, "exp") {
		all = append(all, "auth.jwt.required_claims lacks exp: a token without it is valid for ever")
	}
	return append(all, c.cheapHashes()...)
}

// readableSecrets lists files with secrets that every user of the machine may
// read or write. Access by a group is fine: packages give the file to root and
// the group of the service.
func (c *Config) readableSecrets() []string {
	type file struct{ key, path string }
	files := []file{
		{"auth.users_file", c.Auth.UsersFile}, {secretFileKey, c.Auth.JWT.SecretFile},
		{"listen.websocket.tls.key", c.Listen.WebSocket.TLS.Key}, {"listen.tcp.tls.key", c.Listen.TCP.TLS.Key}, {"listen.admin.tls.key", c.Listen.Admin.TLS.Key},
	}
	if secrets := c.secretsFrom("file "); len(secrets) > 0 {
		files = append(files, file{"the configuration, which has " + strings.Join(secrets, ", "), c.File})
	}
	const others = 0o006
	var all []string
	for _, f := range files {
		about, err := os.Stat(f.path)
		if f.path == "" || err != nil || runtime.GOOS == "windows" || about.Mode().Perm()&others == 0 {
			continue
		}
		all = append(all, fmt.Sprintf("%s: every user of this machine may use %s (mode %04o): chmod o= %[2]s", f.key, f.path, about.Mode().Perm()))
	}
	return all
}

// secretFlags lists secrets on the command line.
func (c *Config) secretFlags() []string {
	var all []string
	for _, key := range c.secretsFrom("flag ") {
		all = append(all, key+" is given as a flag: every user of this machine can read it in the list of processes; use a file or the environment")
	}
	return all
}

// secretsFrom lists the keys of secrets whose source begins with a text.
func (c *Config) secretsFrom(source string) []string {
	var keys []string
	for _, s := range c.settings {
		if strings.HasPrefix(s.Source, source) && strings.Contains(s.Value, masked) {
			keys = append(keys, s.Key)
		}
	}
	return keys
}

// plainListeners lists client listeners without encryption. If proxies are
// trusted, these may terminate TLS.
func (c *Config) plainListeners() []string {
	var all []string
	for _, l := range []struct {
		section, address string
		tls              TLS
	}{{"listen.websocket", c.Listen.WebSocket.Address, c.Listen.WebSocket.TLS}, {"listen.tcp", c.Listen.TCP.Address, c.Listen.TCP.TLS}} {
		if l.address != "" && l.tls.Cert == "" && !isLoopback(l.address) && len(c.Limits.TrustedProxies) == 0 {
			all = append(all, fmt.Sprintf("%s.address is not loopback and %[1]s.tls is not set: credentials and messages travel in the clear", l.section))
		}
	}
	return all
}

// leastCost is the cost of bcrypt below which a stolen hash can be guessed too
// quickly.
const leastCost = 10

// cheapHashes names users whose passcode has a hash with too little cost.
func (c *Config) cheapHashes() []string {
	var names []string
	for _, u := range c.Auth.Users {
		if isCheap(string(u.Hash)) {
			names = append(names, u.Name)
		}
	}
	warn := func(key string) []string {
		if len(names) == 0 {
			return nil
		}
		const most = 5
		more := ""
		if len(names) > most {
			more = fmt.Sprintf(" and %d more", len(names)-most)
		}
		return []string{fmt.Sprintf("%s: the bcrypt hash of %s%s has a cost below %d: make it again with hoofbeat users hash",
			key, strings.Join(showSome(anyList(names[:min(len(names), most)])), ", "), more, leastCost)}
	}
	all := warn("auth.users")
	names = cheapUsers(c.Auth.UsersFile)
	return append(all, warn("auth.users_file")...)
}

// cheapUsers reads a users file with a line name:hash:roles per user.
func cheapUsers(path string) []string {
	f, err := os.Open(path)
	if err != nil {
		return nil // other checks report an unreadable file
	}
	defer f.Close() //nolint:errcheck // it was only read
	var names []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, rest, _ := strings.Cut(strings.TrimSpace(lines.Text()), ":")
		hash, _, _ := strings.Cut(rest, ":")
		if !strings.HasPrefix(name, "#") && isCheap(strings.TrimSpace(hash)) {
			names = append(names, strings.TrimSpace(name))
		}
	}
	return names
}

func isCheap(hash string) bool {
	cost := regexp.MustCompile(`^\$2[aby]\$(\d\d)\$`).FindStringSubmatch(hash)
	if cost == nil {
		return false
	}
	n, err := strconv.Atoi(cost[1])
	return err == nil && n < leastCost
}
