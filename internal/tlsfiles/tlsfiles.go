// Package tlsfiles builds a TLS configuration from files and reloads them when
// they change, so that a renewed certificate needs no restart.
package tlsfiles

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Files names the PEM files.
type Files struct {
	Cert     string // the certificate, followed by the intermediate ones
	Key      string
	ClientCA string // authorities of client certificates, which are then required; empty: none are requested
}

// checkEvery is the minimal interval between checks of the files. Handshakes
// trigger the checks; without connections there are none.
const checkEvery = time.Second

// New loads the files and returns a configuration for a listener. The files are
// reloaded when one of them changes: in place, by a rename, or by a new target
// of a symbolic link. If they cannot be loaded, the last valid ones stay in use
// and log reports it.
func New(f Files, log *slog.Logger) (*tls.Config, error) {
	s := &source{files: f, log: log}
	if err := s.load(); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.current(), nil },
	}, nil
}

// A source holds the files loaded last.
type source struct {
	files Files
	log   *slog.Logger

	mu      sync.Mutex // guards the fields below
	config  *tls.Config
	seen    [3]os.FileInfo // state of the files when they were loaded; nil: missing
	checked time.Time
}

func (s *source) current() *tls.Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); now.Sub(s.checked) >= checkEvery {
		s.checked = now
		if s.changed() {
			s.reload()
		}
	}
	return s.config
}

func (s *source) reload() {
	if err := s.load(); err != nil {
		s.log.Error("the TLS files have changed and cannot be used; the old ones stay in force", "error", err)
		return
	}
	s.log.Info("the TLS files have changed and were loaded again", "certificate", s.files.Cert)
}

func (s *source) changed() bool {
	now := s.look()
	for i, fi := range s.seen {
		if !same(fi, now[i]) {
			return true
		}
	}
	return false
}

// same reports whether a name still refers to the same, unchanged file. It
// compares more than size and time, because a file may be replaced by one with
// the same: package managers set all times alike.
func same(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}

func (s *source) look() (all [3]os.FileInfo) {
	for i, name := range []string{s.files.Cert, s.files.Key, s.files.ClientCA} {
		if fi, err := os.Stat(name); name != "" && err == nil {
			all[i] = fi
		}
	}
	return all
}

// load loads the files. Whether it succeeds or not, the next attempt waits
// until one of them has changed since this one began.
func (s *source) load() error {
	s.seen = s.look()
	cert, err := tls.LoadX509KeyPair(s.files.Cert, s.files.Key)
	if err != nil {
		return fmt.Errorf("certificate %s with key %s: %w", s.files.Cert, s.files.Key, err)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}, NextProtos: []string{"http/1.1"}}
	if s.files.ClientCA != "" {
		if config.ClientCAs, err = pool(s.files.ClientCA); err != nil {
			return err
		}
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	s.config = config
	return nil
}

func pool(name string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("client CA %s: %w", name, errors.New("no certificate in it"))
	}
	return p, nil
}
