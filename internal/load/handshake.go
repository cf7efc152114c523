package load

import (
	"bytes"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // RFC 6455 section 4.2.2 asks for it
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
)

// handshakeLimit bounds the size of a handshake response, in bytes.
const handshakeLimit = 16 << 10

// upgrade performs the opening handshake of RFC 6455 section 4.1 and returns
// the bytes that followed it.
func upgrade(c io.ReadWriter, t *target, token string) (early []byte, err error) {
	nonce := make([]byte, 16)
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	key := base64.StdEncoding.EncodeToString(nonce)
	var b strings.Builder
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n", t.path, t.host)
	fmt.Fprintf(&b, "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n", key)
	if offered := t.protocol.subprotocols(); offered != "" {
		fmt.Fprintf(&b, "Sec-WebSocket-Protocol: %s\r\n", offered)
	}
	if token != "" {
		fmt.Fprintf(&b, "Authorization: Bearer %s\r\n", token)
	}
	b.WriteString("\r\n")
	if _, err := io.WriteString(c, b.String()); err != nil {
		return nil, err
	}
	head, early, err := readHead(c)
	if err != nil {
		return nil, err
	}
	return early, checkUpgrade(head, key)
}

// readHead reads up to the empty line that ends an HTTP response's header.
func readHead(c io.Reader) (head string, early []byte, err error) {
	buf := make([]byte, 0, 1024)
	for len(buf) < handshakeLimit {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := c.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if at := bytes.Index(buf, []byte("\r\n\r\n")); at >= 0 {
			return string(buf[:at]), bytes.Clone(buf[at+4:]), nil
		}
		if err != nil {
			return "", nil, fmt.Errorf("the broker closed during the handshake: %w", err)
		}
	}
	return "", nil, errors.New("the response is too long")
}

// checkUpgrade checks a handshake response (RFC 6455 section 4.1).
func checkUpgrade(head, key string) error {
	status, rest, _ := strings.Cut(head, "\r\n")
	if !strings.HasPrefix(status, "HTTP/1.1 101") {
		return fmt.Errorf("refused: %.100q", status)
	}
	//nolint:gosec // not for security, see the import
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	want := base64.StdEncoding.EncodeToString(sum[:])
	accepted := false
	for line := range strings.SplitSeq(rest, "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch strings.ToLower(name) {
		case "sec-websocket-accept":
			accepted = value == want
		case "sec-websocket-extensions":
			return fmt.Errorf("extension %q was not asked for", value)
		}
	}
	if !accepted {
		return errors.New("wrong or no Sec-WebSocket-Accept")
	}
	return nil
}
