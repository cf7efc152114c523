package main

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"
)

// talk opens a TCP connection that begins with a PROXY header, and returns the
// command of the first frame.
func talk(t *testing.T, url string, header []byte) string {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "tcp://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(append(header, "CONNECT\naccept-version:1.2\n\n\x00"...)); err != nil {
		t.Fatal(err)
	}
	answer, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		t.Fatalf("%q, %v", answer, err)
	}
	return strings.TrimSpace(answer)
}

func proxyHeader(t *testing.T, version byte, client string) []byte {
	t.Helper()
	from, err := net.ResolveTCPAddr("tcp", client)
	if err != nil {
		t.Fatal(err)
	}
	to := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 61613}
	var b bytes.Buffer
	if _, err := proxyproto.HeaderProxyFromAddrs(version, from, to).WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestProxyProtocol(t *testing.T) {
	s := startServe(t, 2, "--listen-tcp-address", "127.0.0.1:0", "--listen-tcp-proxy-protocol", "--limits-trusted-proxies", "127.0.0.0/8")
	for i, client := range []string{"203.0.113.7:4711", "203.0.113.8:4712"} {
		if answer := talk(t, s.urls[1], proxyHeader(t, byte(i+1), client)); answer != "CONNECTED" {
			t.Errorf("version %d: got %q", i+1, answer)
		}
		s.log.wait(t, "remote="+client, 1)
	}
}

// A PROXY header from an untrusted address is not accepted.
func TestProxyProtocolOfStrangers(t *testing.T) {
	s := startServe(t, 2, "--listen-tcp-address", "127.0.0.1:0", "--listen-tcp-proxy-protocol", "--limits-trusted-proxies", "192.0.2.0/24")
	if answer := talk(t, s.urls[1], nil); answer != "CONNECTED" {
		t.Errorf("without a header: got %q", answer)
	}
	if answer := talk(t, s.urls[1], proxyHeader(t, 1, "203.0.113.7:4711")); answer != "ERROR" {
		t.Errorf("with one: got %q", answer)
	}
	if strings.Contains(s.log.String(), "remote=203.0.113.7") {
		t.Errorf("it was believed:\n%s", s.log)
	}
}

func TestForwardedFor(t *testing.T) {
	for _, c := range []struct{ name, trusted, header, want string }{
		{"trusted", "127.0.0.0/8", "203.0.113.7", "203.0.113.7:0"},
		{"the last that is not trusted", "127.0.0.0/8,192.0.2.0/24", "10.9.9.9, 203.0.113.7, 192.0.2.1", "203.0.113.7:0"},
		{"nonsense ends the chain", "127.0.0.0/8,192.0.2.0/24", "203.0.113.7, unknown, 192.0.2.1", "192.0.2.1:0"},
		{"with a port", "127.0.0.0/8", "[2001:db8::1]:4711", "[2001:db8::1]:0"},
		{"not trusted", "192.0.2.0/24", "203.0.113.7", "127.0.0.1:"},
		{"none", "127.0.0.0/8", "", "127.0.0.1:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := startServe(t, 1, "--limits-trusted-proxies", c.trusted)
			r, err := http.NewRequest(http.MethodGet, strings.Replace(s.urls[0], "ws", "http", 1), nil)
			if err != nil {
				t.Fatal(err)
			}
			for k, v := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
				"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Origin": "https://elsewhere.example", "X-Forwarded-For": c.header} {
				r.Header.Set(k, v)
			}
			resp, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusForbidden { // logged with the address
				t.Errorf("status %d", resp.StatusCode)
			}
			s.log.wait(t, "remote="+c.want, 1)
			http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		})
	}
}
