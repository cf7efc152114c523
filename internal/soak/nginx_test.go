package soak

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"hoofbeat/internal/proctest"
)

// nginx is Debian's nginx in front of the broker, with the configuration of
// deploy/nginx.
type nginx struct {
	t       *testing.T
	program string
	file    string
	// Its own addresses, plain and with TLS.
	ws, tcp, wss, tls string
	trust             *tls.Config // TLS configuration of its clients
	running           *proctest.Program
}

const nginxModule = "/usr/lib/nginx/modules/ngx_stream_module.so"

// startNginx returns nil if nginx is not installed. With CI=true, that is a
// failure.
func startNginx(t *testing.T, ws, tcp string) *nginx {
	t.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		program, err = exec.LookPath("/usr/sbin/nginx") // Debian's path
	}
	if _, missing := os.Stat(nginxModule); err != nil || missing != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("nginx or libnginx-mod-stream is not installed; with CI=true nothing may be left out")
		}
		t.Log("SKIPPED: connections through nginx; apt-get install nginx libnginx-mod-stream")
		return nil
	}
	n := &nginx{t: t, program: program}
	for _, address := range n.addresses() {
		*address = proctest.FreeAddress(t)
	}
	n.configure(ws, tcp)
	if err := n.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.stop(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// addresses returns the addresses that it listens on.
func (n *nginx) addresses() []*string { return []*string{&n.ws, &n.tcp, &n.wss, &n.tls} }

// configure writes the configuration with other addresses and paths, and with a
// shorter timeout for the connections of an old configuration.
func (n *nginx) configure(ws, tcp string) {
	n.t.Helper()
	dir := n.t.TempDir()
	cert, key := n.makeCertificate(dir)
	own, err := os.ReadFile("../../deploy/nginx/nginx.conf")
	if err != nil {
		n.t.Fatal(err)
	}
	text := string(own)
	var temporary strings.Builder
	for _, of := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		temporary.WriteString(of + "_temp_path " + filepath.Join(dir, of) + "; ")
	}
	for _, change := range [][2]string{
		{"pid /run/nginx.pid;", "pid " + filepath.Join(dir, "nginx.pid") + ";"},
		{"error_log /var/log/nginx/error.log;", "error_log stderr notice;"},
		{"access_log /var/log/nginx/access.log hoofbeat;", temporary.String() + "access_log off;"},
		{"access_log /var/log/nginx/stream.log hoofbeat;", "access_log off;"},
		{"worker_rlimit_nofile 65536;", ""},
		{"worker_connections 32768;", "worker_connections 8192;"},
		{"worker_shutdown_timeout 1h;", "worker_shutdown_timeout 5s;"},
		{"listen 80;", "listen " + n.ws + ";"},
		{"listen 443 ssl;", "listen " + n.wss + " ssl;"},
		{"listen 61613;", "listen " + n.tcp + ";"},
		{"listen 61614 ssl;", "listen " + n.tls + " ssl;"},
		{"/etc/nginx/tls/stomp.example.com.crt", cert},
		{"/etc/nginx/tls/stomp.example.com.key", key},
		{"server 127.0.0.1:15674 ", "server " + ws + " "},
		{"server 127.0.0.1:15613 ", "server " + tcp + " "},
	} {
		if !strings.Contains(text, change[0]) {
			n.t.Fatalf("deploy/nginx/nginx.conf has no longer: %s", change[0])
		}
		text = strings.ReplaceAll(text, change[0], change[1])
	}
	n.file = filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(n.file, []byte(text), 0o600); err != nil {
		n.t.Fatal(err)
	}
	// nginx's workers run as another user.
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil { //nolint:gosec // nothing in it is a secret
			n.t.Fatal(err)
		}
	}
}

// start starts nginx and waits until it accepts connections.
func (n *nginx) start() (err error) {
	n.running, err = proctest.Start(n.program, "-e", "stderr", "-c", n.file, "-g", "daemon off;")
	if err != nil {
		return err
	}
	for _, address := range n.addresses() {
		if err := n.running.WaitFor(*address); err != nil {
			return err
		}
	}
	return nil
}

// reload starts new workers; the old ones end within the configured time.
func (n *nginx) reload() { n.running.Signal(syscall.SIGHUP) }

// restart cuts all connections.
func (n *nginx) restart() error { return errors.Join(n.stop(), n.start()) }

func (n *nginx) stop() error { return n.running.End(syscall.SIGTERM) }

// makeCertificate writes a self-signed certificate for loopback, which clients
// trust, and returns the paths of certificate and key.
func (n *nginx) makeCertificate(dir string) (cert, key string) {
	t := n.t
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "stomp.example.com"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(forever),
	}
	public, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	n.trust = trusting(t, public)
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, data []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	return write("cert.pem", "CERTIFICATE", public), write("key.pem", "PRIVATE KEY", secret)
}

// trusting returns a configuration that trusts one certificate. It resumes TLS
// sessions, as browsers do, and avoids the key exchanges that nginx does not
// support.
func trusting(t *testing.T, public []byte) *tls.Config {
	t.Helper()
	c, err := x509.ParseCertificate(public)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(c)
	return &tls.Config{
		RootCAs: roots, ServerName: "127.0.0.1", ClientSessionCache: tls.NewLRUClientSessionCache(0), CurvePreferences: []tls.CurveID{tls.X25519},
	}
}
