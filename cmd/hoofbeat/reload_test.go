package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"hoofbeat/auth"
)

const (
	reloadSecret = "a-secret-of-the-reload-tests-0123456789"
	// crowdPatience is the time limit for a thousand sessions with the race
	// detector on a busy machine.
	crowdPatience = time.Minute
	// reloaded is logged after a successful reload.
	reloaded = `level=INFO msg="reloaded: `
)

// reloadConfig returns a configuration with one rule that allows these
// destinations.
func reloadConfig(auth string, destinations ...string) string {
	return "listen: { tcp: { address: \"127.0.0.1:0\" } }\n" +
		"auth:\n  jwt: { algorithms: [HS256], secret: " + reloadSecret + " }\n" + auth +
		"acl:\n  - { name: all, allow: [send, subscribe], destinations: [" + strings.Join(destinations, ", ") + "] }\n"
}

// replace replaces a file by a rename.
func replace(t *testing.T, file, text string) {
	t.Helper()
	next := filepath.Join(filepath.Dir(file), "next")
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, file); err != nil {
		t.Fatal(err)
	}
}

// startWatched runs `hoofbeat serve` with a file, and returns once changes of
// the file will be noticed. Changes before the watch begins are missed.
func startWatched(t *testing.T, file string, args ...string) *serving {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := startServe(t, 2, append([]string{"--config", file}, args...)...)
	s.until(reloaded, func(n int) { replace(t, file, fmt.Sprintf("%s# %d\n", text, n)) })
	return s
}

// until repeats do until the log contains a text.
func (s *serving) until(text string, do func(n int)) {
	s.t.Helper()
	for n := range 30 {
		do(n)
		late := time.After(time.Second)
		for waiting := true; waiting; {
			if strings.Contains(s.log.String(), text) {
				return
			}
			select {
			case <-s.log.written:
			case <-late:
				waiting = false
			}
		}
	}
	s.t.Fatalf("%q is not in the log:\n%s", text, s.log)
}

// A member is one of many clients: a socket without a goroutine.
type member struct {
	user string
	conn net.Conn
	in   *bufio.Reader
}

// join connects.
func join(address, user string) (*member, error) {
	key, err := auth.ConfiguredSecret(auth.TokenOptions{Secret: reloadSecret})
	if err != nil {
		return nil, err
	}
	token, err := auth.Sign(key, auth.Draft{Claims: []byte(`{"sub":"` + user + `"}`), Algorithm: "HS256", IssuedAt: time.Now()})
	if err != nil {
		return nil, err
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	m := &member{user: user, conn: conn, in: bufio.NewReaderSize(conn, 512)}
	if err := m.say("CONNECT\naccept-version:1.2\nhost:h\nAuthorization:Bearer " + token + "\n\n\x00"); err != nil {
		return m, err
	}
	return m, m.want("CONNECTED\n")
}

func (m *member) say(text string) error {
	_, err := io.WriteString(m.conn, text)
	return err
}

// want expects the next frame to begin with a command and to contain these
// headers.
func (m *member) want(command string, headers ...string) error {
	if err := m.conn.SetReadDeadline(time.Now().Add(crowdPatience)); err != nil {
		return err
	}
	frame, err := m.in.ReadString(0)
	if err != nil {
		return fmt.Errorf("%s waits for %q: %w", m.user, command, err)
	}
	frame = strings.TrimLeft(frame, "\n")
	if !strings.HasPrefix(frame, command) {
		return fmt.Errorf("%s got %q, want %q", m.user, frame, command)
	}
	for _, h := range headers {
		if !strings.Contains(frame, "\n"+h+"\n") {
			return fmt.Errorf("%s got %q, want the header %s", m.user, frame, h)
		}
	}
	return nil
}

// wantEnd expects the connection to be closed.
func (m *member) wantEnd() error {
	rest, err := io.ReadAll(m.in)
	if strings.Trim(string(rest), "\n") != "" || err != nil {
		return fmt.Errorf("%s got %q and %v, want the end", m.user, rest, err)
	}
	return nil
}

// subscribe subscribes to destinations with ids from 0.
func (m *member) subscribe(destinations ...string) error {
	for i, d := range destinations {
		if err := m.say(fmt.Sprintf("SUBSCRIBE\nid:%d\ndestination:%s\nreceipt:s%d\n\n\x00", i, d, i)); err != nil {
			return err
		}
	}
	for i := range destinations {
		if err := m.want("RECEIPT\n", fmt.Sprintf("receipt-id:s%d", i)); err != nil {
			return err
		}
	}
	return nil
}

// hears expects the member to be subscribed to a topic without other
// subscribers.
func (m *member) hears(id, destination string) error {
	if err := m.say("SEND\ndestination:" + destination + "\n\nhello\x00"); err != nil {
		return err
	}
	return m.want("MESSAGE\n", "subscription:"+id)
}

// isAlive expects the connection to be open.
func (m *member) isAlive() error {
	if err := m.say("BEGIN\ntransaction:t\n\n\x00ABORT\ntransaction:t\nreceipt:alive\n\n\x00"); err != nil {
		return err
	}
	return m.want("RECEIPT\n", "receipt-id:alive")
}

// A crowd is a group of members.
type crowd []*member

// gather connects n members, ten users in turn, each with all subscriptions.
func gather(t *testing.T, address string, n int, destinations ...string) crowd {
	t.Helper()
	c := make(crowd, n)
	t.Cleanup(func() {
		for _, m := range c {
			if m != nil {
				_ = m.conn.Close()
			}
		}
	})
	c.each(t, func(i int) (err error) {
		if c[i], err = join(address, fmt.Sprintf("u%d", i%10)); err != nil {
			return err
		}
		return c[i].subscribe(destinations...)
	})
	return c
}

// each calls do for every member, a few at a time, and ends the test after an
// error.
func (c crowd) each(t *testing.T, do func(i int) error) {
	t.Helper()
	const workers = 8
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < len(c); i += workers {
				if err := do(i); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

func crowdSize() int {
	if testing.Short() {
		return 100
	}
	return 1000
}

// Removing a rule ends the subscriptions that it allowed, in every session.
func TestReloadEndsWhatIsDenied(t *testing.T) {
	all := []string{"/topic/a", "/topic/b", "/topic/c", "/topic/d", "/topic/e"}
	fewer := append(append([]string{}, all[:3]...), all[4])
	for policy, after := range map[string]func(m *member) error{
		"close":         (*member).wantEnd,
		"receipt-error": (*member).isAlive,
	} {
		t.Run(policy, func(t *testing.T) {
			option := "  on_denied_subscribe: " + policy + "\n"
			file := writeConfig(t, reloadConfig(option, all...))
			s := startWatched(t, file)
			c := gather(t, host(s.urls[1]), crowdSize(), all...)
			start := time.Now()
			replace(t, file, reloadConfig(option, fewer...))
			c.each(t, func(i int) error { return c[i].want("ERROR\n", "message:access-denied", "subscription:3") })
			t.Logf("%d sessions with %d subscriptions knew of the change %v after it", len(c), len(all), time.Since(start))
			c.each(t, func(i int) error { return after(c[i]) })
			// For each of the ten users, 20 refusals are logged; the others are
			// counted.
			if log := s.log.String(); strings.Contains(log, "level=ERROR") || strings.Count(log, `msg="access denied"`) < min(len(c), 200) {
				t.Errorf("%d refusals are in the log", strings.Count(log, `msg="access denied"`))
			}
		})
	}
}

// A faulty file is rejected as a whole, and the next valid one applies.
func TestReloadRefusesFaults(t *testing.T) {
	file := writeConfig(t, reloadConfig("", "/topic/a", "/topic/b"))
	s := startWatched(t, file)
	c := gather(t, host(s.urls[1]), 1, "/topic/a", "/topic/b")
	replace(t, file, strings.Replace(reloadConfig("", "/topic/a", "topic/b", "/topic/c.x*"), "algorithms: [HS256]", "algorithms: [HS257]", 1)+
		"limits: { prefech: 3 }\n")
	const refused = `level=ERROR msg="the changed configuration is not used" fault=`
	s.log.wait(t, refused, 4)
	for _, part := range []string{`acl[0].destinations: \"topic/b\"`, `acl[0].destinations: \"/topic/c.x*\"`, "auth.jwt.algorithms: ", "limits.prefech: "} {
		if !strings.Contains(s.log.String(), refused+`"`+part) {
			t.Errorf("no fault is told of %s:\n%s", part, s.log)
		}
	}
	if log := s.log.String(); strings.Contains(log, reloadSecret) || strings.Count(log, refused) != 4 {
		t.Errorf("the log is\n%s", log)
	}
	if err := c[0].hears("1", "/topic/b"); err != nil {
		t.Fatal(err)
	}
	replace(t, file, reloadConfig("", "/topic/a"))
	if err := c[0].want("ERROR\n", "message:access-denied", "subscription:1"); err != nil {
		t.Error(err)
	}
}

// Users in the revocation file are disconnected, and no others.
func TestReloadRevokes(t *testing.T) {
	revoked := filepath.Join(t.TempDir(), "revoked")
	replace(t, revoked, "# nobody\n")
	file := writeConfig(t, reloadConfig("  revoked_file: "+revoked+"\n", "/topic/a"))
	s := startWatched(t, file)
	address := host(s.urls[1])
	c := gather(t, address, 40, "/topic/a")
	replace(t, revoked, "# somebody\nuser:u3\n")
	c.each(t, func(i int) error {
		m := c[i]
		if m.user != "u3" {
			return nil
		}
		if err := m.want("ERROR\n", "message:token-revoked"); err != nil {
			return err
		}
		return m.wantEnd()
	})
	c.each(t, func(i int) error {
		if c[i].user == "u3" {
			return nil
		}
		return c[i].isAlive()
	})
	if m, err := join(address, "u3"); err == nil || !strings.Contains(err.Error(), "authentication-failed") {
		t.Errorf("u3 is in again: %+v, %v", m, err)
	} else if m != nil {
		_ = m.conn.Close()
	}
}

// A rotated secret and a changed passcode end the sessions that used them, and
// no others.
func TestReloadWithdraws(t *testing.T) {
	const sesame, again = "$2a$04$DENGnxhW7tB0tl29bs3fkOBBeLi9h2mK7TAtnSEd3GOMGy8ULB2Ka", "$2a$04$wFSF1lnqC4aNxixLEWY0uy14G..yvUIXYD0ft9bZ31qJoWvCPKcOa"
	folder := t.TempDir()
	users, secret := filepath.Join(folder, "users"), filepath.Join(folder, "secret")
	replace(t, users, "otto:"+sesame+"\nolga:"+sesame+"\n")
	replace(t, secret, reloadSecret+"\n")
	file := writeConfig(t, strings.Replace(reloadConfig("  users_file: "+users+"\n", "/topic/a"), "secret: "+reloadSecret, "secret_file: "+secret, 1))
	s := startWatched(t, file)
	address := host(s.urls[1])
	ada := gather(t, address, 1)[0]
	var static []*member
	for _, name := range []string{"otto", "olga"} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close() //nolint:errcheck // the broker ends most of them
		m := &member{user: name, conn: conn, in: bufio.NewReader(conn)}
		static = append(static, m)
		if err := errors.Join(m.say("CONNECT\naccept-version:1.2\nhost:h\nlogin:"+name+"\npasscode:sesame\n\n\x00"), m.want("CONNECTED\n")); err != nil {
			t.Fatal(err)
		}
	}
	replace(t, users, "otto:"+again+"\nolga:"+sesame+"\n")
	if err := errors.Join(static[0].want("ERROR\n", "message:token-revoked"), static[1].isAlive(), ada.isAlive()); err != nil {
		t.Fatal(err)
	}
	replace(t, secret, "another-"+reloadSecret+"\n")
	if err := errors.Join(ada.want("ERROR\n", "message:token-revoked"), static[1].isAlive()); err != nil {
		t.Fatal(err)
	}
}

// A mounted ConfigMap is a folder of links through another link, ..data, which
// the kubelet swaps. The named file itself never changes.
func TestReloadOfConfigMap(t *testing.T) {
	mount := t.TempDir()
	publish := func(version, text string) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(mount, version), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(mount, version, "hoofbeat.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(version, filepath.Join(mount, "..data_tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(mount, "..data_tmp"), filepath.Join(mount, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(mount, "hoofbeat.yaml")
	publish("..1", reloadConfig("", "/topic/a", "/topic/b"))
	if err := os.Symlink(filepath.Join("..data", "hoofbeat.yaml"), file); err != nil {
		t.Fatal(err)
	}
	s := startServe(t, 2, "--config", file)
	c := gather(t, host(s.urls[1]), 1, "/topic/a", "/topic/b")
	s.until(reloaded, func(n int) { publish(fmt.Sprintf("..2.%d", n), reloadConfig("", "/topic/a")) })
	if err := c[0].want("ERROR\n", "message:access-denied", "subscription:1"); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(mount, "..1")); err != nil { // as the kubelet does
		t.Fatal(err)
	}
	if r := runProgram(t.Context(), nil, "config", "check", file); r.code != 0 {
		t.Errorf("%+v", r)
	}
}

// SIGHUP reloads everything, including the environment, and reopens the audit
// log.
func TestReloadOnHangup(t *testing.T) {
	survive := make(chan os.Signal, 1) // the signal may arrive before the program handles it
	signal.Notify(survive, syscall.SIGHUP)
	defer signal.Stop(survive)
	rules := func(destinations string) {
		t.Setenv("HOOFBEAT_ACL", `[{"name":"all","allow":["send","subscribe"],"destinations":[`+destinations+`]}]`)
	}
	rules(`"/topic/a","/topic/b"`)
	audit := filepath.Join(t.TempDir(), "audit")
	file := writeConfig(t, strings.Split(reloadConfig(""), "acl:")[0])
	s := startServe(t, 2, "--config", file, "--log-audit", audit)
	c := gather(t, host(s.urls[1]), 1, "/topic/a", "/topic/b")
	if err := os.Rename(audit, audit+".1"); err != nil {
		t.Fatal(err)
	}
	rules(`"/topic/a"`)
	s.until(reloaded, func(int) {
		self, err := os.FindProcess(os.Getpid())
		if err == nil {
			err = self.Signal(syscall.SIGHUP)
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	if err := c[0].want("ERROR\n", "message:access-denied", "subscription:1"); err != nil {
		t.Fatal(err)
	}
	if err := c[0].wantEnd(); err != nil {
		t.Error(err)
	}
	_ = c[0].conn.Close()
	s.stop()
	for name, want := range map[string]string{audit + ".1": `"connected"`, audit: `"access denied"`} {
		records, err := os.ReadFile(name)
		if err != nil || !strings.Contains(string(records), want) || strings.Contains(string(records), reloadSecret) {
			t.Errorf("%s: %v, %s", name, err, records)
		}
	}
}
