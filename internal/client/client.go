// Package client connects a go-stomp client to a STOMP broker over TCP, TLS or
// WebSocket. It serves the pub and sub commands, and tests that need an
// independent client.
//
// It also corrects go-stomp on the wire: a frame is one WebSocket message,
// CONNECT is not escaped, a SUBSCRIBE can ask for a RECEIPT, and an ERROR frame
// is available whole even if no call was waiting for an answer.
package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-stomp/stomp/v3"
	"github.com/go-stomp/stomp/v3/frame"
)

// Options configure Dial. The zero value connects anonymously with every
// version, without heart-beats.
type Options struct {
	// Login and Passcode are sent as the CONNECT headers of these names when either is set.
	Login, Passcode string
	// Token is sent as the CONNECT header "Authorization: Bearer TOKEN" when it is set.
	Token string
	// Host is the CONNECT header host. Empty means the host of the address.
	Host string
	// Headers are further headers of CONNECT. They do not replace those above.
	Headers *frame.Header
	// Versions are the STOMP versions to offer. None means 1.0, 1.1 and 1.2.
	Versions []stomp.Version
	// HeartBeat is asked for in both directions; 0 asks for none. go-stomp sends none while its user does not read a
	// subscription's channel.
	HeartBeat time.Duration
	// TLS is used for tcps and wss. Nil means the system's certificate authorities.
	TLS *tls.Config
	// Origin is the HTTP header Origin of the WebSocket upgrade, as a browser would send it.
	Origin string
	// ReceiptTimeout is how long to wait for a RECEIPT, and for room to send a frame. 0 means 30 seconds.
	ReceiptTimeout time.Duration
	// Pending is how many frames may wait to be written. go-stomp can deadlock when a consumer has more
	// acknowledgements under way than this, so a consumer sets it above its prefetch. 0 means go-stomp's 20.
	Pending int
	// Observe, when set, is called with each RECEIPT and ERROR frame before go-stomp handles it, and once with the error
	// that ended reading. Exactly one argument is not nil. It is called from the goroutine that reads and must not block.
	Observe func(*frame.Frame, error)
}

// defaultReceiptTimeout is go-stomp's own default for most of its receipts.
const defaultReceiptTimeout = 30 * time.Second

// Dial connects to address and completes the STOMP handshake. The address is
// tcp://host:port, tcps://host:port (TLS), ws://host:port/path or
// wss://host:port/path; the default ports are 61613, 61614, 80 and 443.
//
// ctx bounds connecting only. If the broker refuses CONNECT, ErrorFrame returns
// its ERROR frame from the error. No error contains a credential of the
// options, or the query of the address.
func Dial(ctx context.Context, address string, o Options) (*stomp.Conn, error) {
	target, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	if err := o.validate(); err != nil {
		return nil, err
	}
	s, err := target.open(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", target, err)
	}
	conn, err := handshake(ctx, &wire{stream: s, observe: o.Observe}, o.connOptions(target))
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", target, err)
	}
	return conn, nil
}

// handshake exchanges CONNECT and CONNECTED over w. It closes w if that fails
// or ctx is done first.
func handshake(ctx context.Context, w *wire, options []func(*stomp.Conn) error) (*stomp.Conn, error) {
	stop := context.AfterFunc(ctx, w.stream.abort)
	conn, err := stomp.Connect(w, options...)
	inTime := stop()
	switch {
	case err == nil && inTime:
		return conn, nil
	case err == nil:
		_ = conn.MustDisconnect() // abort has cut the connection; this ends go-stomp's goroutines
		return nil, context.Cause(ctx)
	case inTime:
		w.stream.abort()
		return nil, err
	default:
		return nil, fmt.Errorf("no CONNECTED from the broker: %w", context.Cause(ctx))
	}
}

// connOptions translates o for go-stomp.
func (o Options) connOptions(t target) []func(*stomp.Conn) error {
	timeout := o.ReceiptTimeout
	if timeout <= 0 {
		timeout = defaultReceiptTimeout
	}
	host := o.Host
	if host == "" {
		host = t.url.Hostname()
	}
	opts := []func(*stomp.Conn) error{
		stomp.ConnOpt.Host(host),
		stomp.ConnOpt.Login(o.Login, o.Passcode),
		stomp.ConnOpt.AcceptVersion(o.Versions...),
		stomp.ConnOpt.HeartBeat(o.HeartBeat, o.HeartBeat),
		stomp.ConnOpt.MsgSendTimeout(timeout),
		stomp.ConnOpt.RcvReceiptTimeout(timeout),
		stomp.ConnOpt.DisconnectReceiptTimeout(timeout),
		stomp.ConnOpt.WriteChannelCapacity(o.Pending),
		stomp.ConnOpt.Logger(silent{}),
	}
	if o.Token != "" {
		opts = append(opts, stomp.ConnOpt.Header("Authorization", "Bearer "+o.Token))
	}
	for i := range headerLen(o.Headers) {
		opts = append(opts, stomp.ConnOpt.Header(o.Headers.GetAt(i)))
	}
	return opts
}

// validate rejects values that would break the framing of CONNECT, which has no
// escapes (STOMP 1.2, Value Encoding).
func (o Options) validate() error {
	for _, v := range []struct{ name, value string }{
		{"login", o.Login}, {"passcode", o.Passcode}, {"token", o.Token}, {"host", o.Host},
	} {
		if strings.ContainsAny(v.value, "\r\n\x00") {
			return fmt.Errorf("the %s contains a line end or a NUL", v.name)
		}
	}
	for i := range headerLen(o.Headers) {
		k, v := o.Headers.GetAt(i)
		if k == "" || strings.ContainsAny(k, "\r\n\x00:") || strings.ContainsAny(v, "\r\n\x00") {
			return fmt.Errorf("CONNECT cannot carry the header %q: a line end, a NUL, or a colon in its name", k)
		}
	}
	return nil
}

func headerLen(h *frame.Header) int {
	if h == nil {
		return 0
	}
	return h.Len()
}

// ErrorFrame returns the ERROR frame that caused err, or nil if there is none.
// go-stomp reports an ERROR as a value in some places and as a pointer in
// others; both are recognised.
func ErrorFrame(err error) *frame.Frame {
	var value stomp.Error
	var pointer *stomp.Error
	switch {
	case errors.As(err, &value):
	case errors.As(err, &pointer):
		value = *pointer
	}
	if value.Frame == nil || value.Frame.Command != frame.ERROR || value.Frame.Header == nil {
		return nil
	}
	return value.Frame
}

// silent is a go-stomp logger that drops everything: errors are returned or
// passed to Observe.
type silent struct{}

func (silent) Debugf(string, ...any)   {}
func (silent) Infof(string, ...any)    {}
func (silent) Warningf(string, ...any) {}
func (silent) Errorf(string, ...any)   {}
func (silent) Debug(string)            {}
func (silent) Info(string)             {}
func (silent) Warning(string)          {}
func (silent) Error(string)            {}
