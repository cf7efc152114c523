package tlsfiles

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A pair is a self-signed certificate for a name and its key, in PEM.
type pair struct{ cert, key []byte }

func newPair(t *testing.T, name string) pair {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
	}, &x509.Certificate{Subject: pkix.Name{CommonName: name}}, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pair{
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	}
}

func write(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (p pair) write(t *testing.T, f Files) {
	t.Helper()
	write(t, f.Cert, p.cert)
	write(t, f.Key, p.key)
}

// A server is a TLS configuration under test, with its log.
type server struct {
	*tls.Config
	log bytes.Buffer
}

func start(t *testing.T, f Files) *server {
	t.Helper()
	s := &server{}
	var err error
	if s.Config, err = New(f, slog.New(slog.NewTextHandler(&s.log, nil))); err != nil {
		t.Fatal(err)
	}
	return s
}

// handshake performs one, and returns the name in the server's certificate.
func (s *server) handshake(client *tls.Config) (name string, err error) {
	here, there := net.Pipe()
	defer here.Close()
	done := make(chan error, 1)
	go func() {
		c := tls.Server(there, s.Config)
		done <- c.HandshakeContext(context.Background())
		_ = there.Close()
	}()
	c := tls.Client(here, client)
	err = c.Handshake()
	if err == nil {
		_, _ = io.Copy(io.Discard, c) // a rejected client certificate is reported after the handshake
	}
	if failed := <-done; err == nil {
		err = failed
	}
	if certs := c.ConnectionState().PeerCertificates; len(certs) > 0 {
		name = certs[0].Subject.CommonName
	}
	return name, err
}

// want expects handshakes to show the certificate of this name.
func (s *server) want(t *testing.T, name string) {
	t.Helper()
	if got, err := s.handshake(&tls.Config{InsecureSkipVerify: true}); got != name || err != nil {
		t.Errorf("the certificate is of %q, %v; want %q", got, err, name)
	}
}

// wantLog expects this many new lines, each with part.
func (s *server) wantLog(t *testing.T, lines int, part string) {
	t.Helper()
	if log := s.log.String(); strings.Count(log, "\n") != lines || strings.Count(log, part) != lines {
		t.Errorf("logged was %q, want %d lines with %q", log, lines, part)
	}
	s.log.Reset()
}

// inBubble runs a test in a bubble, where the interval between checks costs no
// time.
func inBubble(t *testing.T, f func(t *testing.T, f Files)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		f(t, Files{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")})
	})
}

const (
	reloaded = "level=INFO"
	kept     = "level=ERROR"
)

func TestReload(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, f Files, to pair){
		"in place": func(t *testing.T, f Files, to pair) { to.write(t, f) },
		"by rename": func(t *testing.T, f Files, to pair) {
			next := Files{Cert: f.Cert + ".new", Key: f.Key + ".new"}
			to.write(t, next)
			rename(t, next.Cert, f.Cert)
			rename(t, next.Key, f.Key)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f Files) {
				newPair(t, "one").write(t, f)
				s := start(t, f)
				s.want(t, "one")
				change(t, f, newPair(t, "two"))
				s.want(t, "one") // the files were checked within this second
				time.Sleep(checkEvery)
				s.want(t, "two")
				s.wantLog(t, 1, reloaded)
				time.Sleep(checkEvery)
				s.want(t, "two")
				s.wantLog(t, 0, "level")
			})
		})
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// Kubernetes swaps a symbolic link to the directory of all files.
func TestReloadOfLinks(t *testing.T) {
	inBubble(t, func(t *testing.T, f Files) {
		dir := filepath.Dir(f.Cert)
		link := func(version string) {
			t.Helper()
			next := filepath.Join(dir, "..data_tmp")
			if err := os.Symlink(version, next); err != nil {
				t.Fatal(err)
			}
			rename(t, next, filepath.Join(dir, "..data"))
		}
		for _, version := range []string{"one", "two"} {
			if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
				t.Fatal(err)
			}
			newPair(t, version).write(t, Files{Cert: filepath.Join(dir, version, "cert.pem"), Key: filepath.Join(dir, version, "key.pem")})
		}
		for _, name := range []string{"cert.pem", "key.pem"} {
			if err := os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		link("one")
		s := start(t, f)
		s.want(t, "one")
		link("two")
		time.Sleep(checkEvery)
		s.want(t, "two")
		s.wantLog(t, 1, reloaded)
	})
}

// A new file behind a name is a change, even with the same size and time.
func TestReloadOfTheSameSizeAndTime(t *testing.T) {
	inBubble(t, func(t *testing.T, f Files) {
		one, two := newPair(t, "one"), newPair(t, "two")
		for len(two.cert) != len(one.cert) || len(two.key) != len(one.key) {
			two = newPair(t, "two") // signatures differ in length
		}
		one.write(t, f)
		next := Files{Cert: f.Cert + ".new", Key: f.Key + ".new"}
		two.write(t, next)
		at := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
		for _, name := range []string{f.Cert, f.Key, next.Cert, next.Key} {
			if err := os.Chtimes(name, at, at); err != nil {
				t.Fatal(err)
			}
		}
		s := start(t, f)
		s.want(t, "one")
		rename(t, next.Cert, f.Cert)
		rename(t, next.Key, f.Key)
		time.Sleep(checkEvery)
		s.want(t, "two")
	})
}

// Unusable files are logged once, and the old ones stay in use.
func TestBrokenFiles(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, f Files){
		"rubbish":      func(t *testing.T, f Files) { write(t, f.Cert, []byte("rubbish")) },
		"empty":        func(t *testing.T, f Files) { write(t, f.Key, nil) },
		"another key":  func(t *testing.T, f Files) { write(t, f.Key, newPair(t, "other").key) },
		"missing":      func(t *testing.T, f Files) { rename(t, f.Cert, f.Cert+".away") },
		"a folder now": func(t *testing.T, f Files) { rename(t, f.Cert, f.Cert+".away"); _ = os.Mkdir(f.Cert, 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f Files) {
				newPair(t, "one").write(t, f)
				s := start(t, f)
				spoil(t, f)
				for range 3 {
					time.Sleep(checkEvery)
					s.want(t, "one")
				}
				s.wantLog(t, 1, kept)
				_ = os.Remove(f.Cert)
				newPair(t, "two").write(t, f)
				time.Sleep(checkEvery)
				s.want(t, "two")
				s.wantLog(t, 1, reloaded)
			})
		})
	}
}

// A handshake after only one of the two files was written keeps the old ones; a
// later one uses the new pair.
func TestChangeIsHalfDone(t *testing.T) {
	inBubble(t, func(t *testing.T, f Files) {
		newPair(t, "one").write(t, f)
		s := start(t, f)
		two := newPair(t, "two")
		write(t, f.Cert, two.cert)
		time.Sleep(checkEvery)
		s.want(t, "one")
		s.wantLog(t, 1, kept)
		write(t, f.Key, two.key)
		time.Sleep(checkEvery)
		s.want(t, "two")
		s.wantLog(t, 1, reloaded)
	})
}

// A file written while the failure is logged is not missed.
func TestChangeAmidReload(t *testing.T) {
	inBubble(t, func(t *testing.T, f Files) {
		newPair(t, "one").write(t, f)
		two := newPair(t, "two")
		config, err := New(f, slog.New(slog.NewTextHandler(writerFunc(func() { write(t, f.Key, two.key) }), nil)))
		if err != nil {
			t.Fatal(err)
		}
		s := &server{Config: config}
		write(t, f.Cert, two.cert)
		time.Sleep(checkEvery)
		s.want(t, "one")
		time.Sleep(checkEvery)
		s.want(t, "two")
	})
}

// A writerFunc is called for each line of a log.
type writerFunc func()

func (f writerFunc) Write(p []byte) (int, error) {
	f()
	return len(p), nil
}

func TestClientCA(t *testing.T) {
	inBubble(t, func(t *testing.T, f Files) {
		f.ClientCA = filepath.Join(filepath.Dir(f.Cert), "ca.pem")
		newPair(t, "server").write(t, f)
		ann, bob := newPair(t, "ann"), newPair(t, "bob")
		write(t, f.ClientCA, ann.cert)
		s := start(t, f)
		try := func(p *pair, want bool) {
			t.Helper()
			config := &tls.Config{InsecureSkipVerify: true}
			if p != nil {
				c, err := tls.X509KeyPair(p.cert, p.key)
				if err != nil {
					t.Fatal(err)
				}
				// Present the certificate whatever authorities the server
				// names.
				config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c, nil }
			}
			if _, err := s.handshake(config); (err == nil) != want {
				t.Errorf("the handshake gave %v", err)
			}
		}
		try(nil, false)
		try(&ann, true)
		try(&bob, false)
		write(t, f.ClientCA, bob.cert)
		time.Sleep(checkEvery)
		try(&ann, false)
		try(&bob, true)
		s.wantLog(t, 1, reloaded)
		write(t, f.ClientCA, []byte("rubbish"))
		time.Sleep(checkEvery)
		try(&ann, false)
		try(&bob, true)
		s.wantLog(t, 1, "no certificate in it")
	})
}

func TestNewFails(t *testing.T) {
	dir := t.TempDir()
	f := Files{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	log := slog.New(slog.DiscardHandler)
	if _, err := New(f, log); err == nil || !strings.Contains(err.Error(), f.Cert) {
		t.Errorf("no files: %v", err)
	}
	newPair(t, "one").write(t, f)
	f.ClientCA = filepath.Join(dir, "ca.pem")
	if _, err := New(f, log); err == nil || !strings.Contains(err.Error(), f.ClientCA) {
		t.Errorf("no client CA: %v", err)
	}
	write(t, f.ClientCA, []byte("rubbish"))
	if _, err := New(f, log); err == nil || !strings.Contains(err.Error(), f.ClientCA) {
		t.Errorf("a broken client CA: %v", err)
	}
}

func TestOldVersionsAreRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, f Files) {
		newPair(t, "one").write(t, f)
		s := start(t, f)
		if _, err := s.handshake(&tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
			t.Error("TLS 1.1 was accepted")
		}
	})
}
