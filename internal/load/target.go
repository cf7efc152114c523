package load

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
)

// target is the address of a broker and the transport to it. It is static after
// construction and shared by all connections.
type target struct {
	address   string // host:port
	host      string // as in the URL, with the port if given
	path      string // of the WebSocket endpoint, including the query
	websocket bool
	protocol  protocol
	tls       *tls.Config // nil without TLS
}

// schemes has the properties of each URL scheme.
var schemes = map[string]struct {
	websocket, tls bool
	port           string
	protocol       protocol
}{
	"ws":      {true, false, "80", stomp{}},
	"wss":     {true, true, "443", stomp{}},
	"tcp":     {false, false, "61613", stomp{}},
	"stomp":   {false, false, "61613", stomp{}},
	"tcps":    {false, true, "61614", stomp{}},
	"stomps":  {false, true, "61614", stomp{}},
	"nats":    {false, false, "4222", nats{}},
	"nats+ws": {true, false, "80", nats{}},
}

// parseTarget parses a broker's URL. caFile is a PEM file of certificates to
// trust instead of the system's, or ""; insecure accepts any certificate.
func parseTarget(raw, caFile string, insecure bool) (*target, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	scheme, ok := schemes[u.Scheme]
	if !ok || u.Hostname() == "" {
		return nil, fmt.Errorf("url %q: want ws, wss, tcp, stomp, tcps, stomps, nats or nats+ws, then ://host:port", raw)
	}
	port := u.Port()
	if port == "" {
		port = scheme.port
	}
	t := &target{
		address:   net.JoinHostPort(u.Hostname(), port),
		host:      u.Host,
		path:      u.RequestURI(),
		websocket: scheme.websocket,
		protocol:  scheme.protocol,
	}
	if scheme.tls {
		t.tls = &tls.Config{ServerName: u.Hostname(), InsecureSkipVerify: insecure, MinVersion: tls.VersionTLS12}
		if t.tls.RootCAs, err = readRoots(caFile); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// readRoots returns the certificates in a PEM file. If file is "", it returns
// nil, which stands for the system's.
func readRoots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("certificates to trust: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("certificates to trust: no certificate in " + file)
	}
	return pool, nil
}
