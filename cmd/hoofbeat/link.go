package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-stomp/stomp/v3"
	"github.com/go-stomp/stomp/v3/frame"
	"github.com/spf13/cobra"

	"hoofbeat/internal/client"
)

// linkFlags are the flags of pub and sub for the broker's address and the
// credentials.
type linkFlags struct {
	url                       string
	login                     string
	passcode, passcodeFile    string
	token, tokenFile          string
	ca                        string
	insecure                  bool
	version                   string
	connectTimeout, heartBeat time.Duration
	receiptTimeout            time.Duration
}

// add registers the flags. heartBeat is the default of its flag.
func (f *linkFlags) add(cmd *cobra.Command, heartBeat time.Duration) {
	flags := cmd.Flags()
	flags.StringVar(&f.url, "url", "ws://127.0.0.1:15674/ws", "broker `address`: ws, wss, tcp or tcps (TLS)")
	flags.StringVar(&f.login, "login", "", "login `name`")
	flags.StringVar(&f.passcode, "passcode", "", "passcode; other users of the machine can see it, prefer --passcode-file")
	flags.StringVar(&f.passcodeFile, "passcode-file", "", "`file` with the passcode")
	flags.StringVar(&f.token, "token", "", "bearer token; other users of the machine can see it, prefer --token-file")
	flags.StringVar(&f.tokenFile, "token-file", "", "`file` with the bearer token")
	flags.StringVar(&f.ca, "ca", "", "PEM `file` of the certificate authorities to trust, instead of the system's")
	flags.BoolVar(&f.insecure, "insecure", false, "do not verify the broker's certificate")
	flags.StringVar(&f.version, "version", "", "STOMP version, 1.0, 1.1 or 1.2 (default: the highest both sides know)")
	flags.DurationVar(&f.connectTimeout, "connect-timeout", 10*time.Second, "how long connecting may take")
	flags.DurationVar(&f.heartBeat, "heart-beat", heartBeat, "heart-beats to ask for, in both directions; 0: none")
	flags.DurationVar(&f.receiptTimeout, "receipt-timeout", 30*time.Second, "how long to wait for a RECEIPT")
	cmd.MarkFlagsMutuallyExclusive("passcode", "passcode-file")
	cmd.MarkFlagsMutuallyExclusive("token", "token-file")
	cmd.MarkFlagsMutuallyExclusive("ca", "insecure")
}

// options returns the client options, reading the files that the flags name.
func (f *linkFlags) options() (client.Options, error) {
	o := client.Options{Login: f.login, Passcode: f.passcode, Token: f.token, HeartBeat: f.heartBeat}
	if f.heartBeat < 0 || f.connectTimeout <= 0 || f.receiptTimeout <= 0 {
		return o, errors.New("--connect-timeout and --receipt-timeout must be above 0, --heart-beat at least 0")
	}
	o.ReceiptTimeout = f.receiptTimeout + settle // so that link.do times out first
	if f.version != "" {
		v := stomp.Version(f.version)
		if v.CheckSupported() != nil {
			return o, fmt.Errorf("--version %s: must be 1.0, 1.1 or 1.2", f.version)
		}
		o.Versions = []stomp.Version{v}
	}
	if err := errors.Join(
		readSecret(&o.Passcode, "--passcode-file", f.passcodeFile),
		readSecret(&o.Token, "--token-file", f.tokenFile),
	); err != nil {
		return o, err
	}
	var err error
	o.TLS, err = f.tls()
	return o, err
}

// readSecret sets secret to the content of file, without trailing line ends, if
// file is not empty.
func readSecret(secret *string, flag, file string) error {
	if file == "" {
		return nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("%s: %w", flag, err)
	}
	*secret = strings.TrimRight(string(b), "\r\n")
	if *secret == "" {
		return fmt.Errorf("%s: %s is empty", flag, file)
	}
	return nil
}

func (f *linkFlags) tls() (*tls.Config, error) {
	config := &tls.Config{InsecureSkipVerify: f.insecure}
	if f.ca == "" {
		return config, nil
	}
	pem, err := os.ReadFile(f.ca)
	if err != nil {
		return nil, fmt.Errorf("--ca: %w", err)
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("--ca: no certificate in %s", f.ca)
	}
	return config, nil
}

// A link is a go-stomp connection that knows why it ended. go-stomp may report
// an ERROR frame as success, or only as a timeout, if the frame comes while no
// call is waiting.
type link struct {
	*stomp.Conn
	answerTimeout time.Duration // time limit for every answer of the broker
	receipts      atomic.Int64  // number of RECEIPT frames received
	subscribed    chan struct{} // closed by the RECEIPT of SUBSCRIBE

	ended chan struct{} // closed by the broker's ERROR or the end of the connection, whichever comes first
	why   error         // set before ended is closed
}

// subscribeReceiptID is not a number, because go-stomp counts its own receipts.
const subscribeReceiptID = "subscribed"

// settle is how long go-stomp may take to finish its operations when the
// connection has ended. Normally it does so at once, with success if the
// RECEIPT came just before the end.
const settle = time.Second

// errNoAnswer means that the broker did not answer in time; it may or may not
// have received the frame.
var errNoAnswer = errors.New("no answer from the broker")

// dial connects. pending is client.Options.Pending.
func (f *linkFlags) dial(ctx context.Context, pending int) (*link, error) {
	o, err := f.options()
	if err != nil {
		return nil, err
	}
	l := &link{answerTimeout: f.receiptTimeout, subscribed: make(chan struct{}), ended: make(chan struct{})}
	o.Pending, o.Observe = pending, l.observe
	timed, cancel := context.WithTimeoutCause(ctx, f.connectTimeout, fmt.Errorf("nothing came within %v", f.connectTimeout))
	defer cancel()
	if l.Conn, err = client.Dial(timed, f.url, o); err != nil {
		if ctx.Err() != nil {
			return nil, interrupted()
		}
		return nil, brokerError(err)
	}
	return l, nil
}

// observe is called on go-stomp's reading goroutine.
func (l *link) observe(f *frame.Frame, err error) {
	switch {
	case f != nil && f.Command == frame.RECEIPT:
		l.receipts.Add(1)
		if f.Header.Get(frame.ReceiptId) == subscribeReceiptID && !isClosed(l.subscribed) {
			close(l.subscribed)
		}
		return
	case f != nil:
		err = brokerError(stomp.Error{Frame: f})
	case errors.Is(err, io.EOF):
		err = errors.New("the broker closed the connection")
	default:
		err = fmt.Errorf("the connection ended: %w", err)
	}
	if !isClosed(l.ended) { // only the first error is the cause
		l.why = err
		close(l.ended)
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// do runs a go-stomp operation with the link's time limit. The operation may
// continue for settle after do has returned.
func (l *link) do(ctx context.Context, operation func() error) error {
	done := make(chan error, 1)
	go func() { done <- operation() }()
	timer := time.NewTimer(l.answerTimeout)
	defer timer.Stop()
	select {
	case err := <-done:
		return l.cause(err)
	case <-ctx.Done():
		return interrupted()
	case <-timer.C:
		return fmt.Errorf("%w within %v", errNoAnswer, l.answerTimeout)
	case <-l.ended:
	}
	timer.Reset(settle)
	select {
	case err := <-done:
		return l.cause(err)
	case <-timer.C:
		return l.why
	}
}

// cause returns nil for nil, the reason for the end of the connection if it has
// ended, and otherwise err.
func (l *link) cause(err error) error {
	if err != nil && isClosed(l.ended) {
		return l.why
	}
	return brokerError(err)
}

// finish ends the connection after a command's work. It returns the outcome of
// the work (err) and of the disconnect.
func (l *link) finish(err error) error {
	switch {
	case err != nil && isClosed(l.ended):
		return err // go-stomp has closed the connection already
	case errors.Is(err, errNoAnswer):
		return errors.Join(err, l.MustDisconnect())
	case err == nil:
		return l.disconnect()
	}
	return errors.Join(err, l.disconnect())
}

// disconnect sends DISCONNECT and waits for the RECEIPT: only that means that
// the broker has received everything sent before (STOMP 1.2, DISCONNECT). It
// takes no context, because an interrupted command disconnects, too.
func (l *link) disconnect() error {
	before := l.receipts.Load()
	if err := l.do(context.Background(), l.Disconnect); err != nil {
		return fmt.Errorf("disconnect: %w", err)
	}
	if l.receipts.Load() == before {
		return l.cause(errors.New("the connection ended before the broker confirmed DISCONNECT"))
	}
	return nil
}

func interrupted() error {
	return &exitError{exitInterrupted, errors.New("interrupted")}
}

// brokerError replaces an error caused by an ERROR frame by one with the
// frame's text; other errors are returned unchanged.
func brokerError(err error) error {
	f := client.ErrorFrame(err)
	if f == nil {
		return err
	}
	text := "the broker answered ERROR " + f.Header.Get(frame.Message)
	if body := strings.TrimSpace(string(f.Body)); body != "" {
		text += "\n" + body
	}
	return errors.New(text)
}

// headerFlag splits the values of --header, NAME:VALUE, at their first colon.
func headerFlag(values []string) (*frame.Header, error) {
	h := frame.NewHeader()
	for _, v := range values {
		name, value, ok := strings.Cut(v, ":")
		if !ok || name == "" {
			return nil, fmt.Errorf("--header %q: must be NAME:VALUE", v)
		}
		h.Add(name, value)
	}
	return h, nil
}
