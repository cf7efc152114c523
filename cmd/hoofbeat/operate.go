package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hoofbeat/internal/setup"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"hoofbeat/admin"
	"hoofbeat/broker"
	"hoofbeat/config"
	"hoofbeat/store/pebble"
)

// An operation is a command's access to queues: through the admin listener of a
// running broker, or through the directory of a stopped one.
type operation struct {
	admin, directory string
	token, tokenFile string
	ca               string
	insecure         bool
}

// add registers the flags of a command that also works on a directory.
func (o *operation) add(cmd *cobra.Command) {
	o.addRunning(cmd)
	cmd.Flags().StringVar(&o.directory, "directory", "", "storage `directory` of a broker that does not run, to work on without one")
}

// tokenVariable is the environment variable of an operator's token. It is not a
// configuration key.
const tokenVariable = "HOOFBEAT_ADMIN_TOKEN"

// addRunning registers the flags of a command that needs a running broker.
func (o *operation) addRunning(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&o.admin, "admin", "", "`address` of a running broker's listener for operators, HOST:PORT or a URL (default: listen.admin.address of the configuration)")
	flags.StringVar(&o.token, "token", "", "bearer token; other users of the machine can see it, prefer --token-file or the variable "+tokenVariable)
	flags.StringVar(&o.tokenFile, "token-file", "", "`file` with the bearer token")
	flags.StringVar(&o.ca, "ca", "", "PEM `file` of the certificate authorities to trust, instead of the system's")
	flags.BoolVar(&o.insecure, "insecure", false, "do not verify the broker's certificate")
	cmd.MarkFlagsMutuallyExclusive("token", "token-file")
	cmd.MarkFlagsMutuallyExclusive("ca", "insecure")
	addKeys(cmd)
}

// An operator sends requests to the admin API.
type operator struct {
	base   string // URL
	token  string // empty: none
	client *http.Client
	// stopped is the directory of a stopped broker, or "".
	stopped string
	keeper  func(queue string) error // for a stopped broker: see keeps
	close   func() error
}

// open finds the broker of the flags, or opens its directory. The caller closes
// the operator.
func (o *operation) open(cmd *cobra.Command) (*operator, error) {
	if o.admin != "" && o.directory != "" {
		return nil, errors.New("expected either --admin or --directory")
	}
	c, err := loadConfig(cmd)
	if err != nil {
		return nil, err
	}
	if o.directory != "" {
		return openStopped(c, o.directory, newLogger(config.Log{}, slog.LevelWarn, cmd.ErrOrStderr()))
	}
	base := o.admin
	if base == "" {
		base = adminURL(c)
	}
	if base, err = healthURL(base); err != nil {
		return nil, fmt.Errorf("%w, or a directory with --directory where a command has that", err)
	}
	token := cmp.Or(o.token, os.Getenv(tokenVariable))
	if err := readSecret(&token, "--token-file", o.tokenFile); err != nil {
		return nil, err
	}
	trust, err := (&linkFlags{ca: o.ca, insecure: o.insecure}).tls()
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext, TLSClientConfig: trust}
	return &operator{
		base: base, token: token, client: &http.Client{Transport: transport, CheckRedirect: noRedirect},
		close: func() error { transport.CloseIdleConnections(); return nil },
	}, nil
}

// noRedirect prevents redirects: the token must not be sent to another host.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// openStopped opens a directory with the broker's policies, as a broker without
// listeners.
func openStopped(c *config.Config, directory string, log *slog.Logger) (*operator, error) {
	if err := pebble.Exists(directory); err != nil {
		return nil, err
	}
	c.Storage.Directory = directory
	policies, err := setup.Policies(c)
	if err != nil {
		return nil, err
	}
	store, err := setup.OpenStore(c.Storage, "--directory", log)
	if err != nil {
		return nil, fmt.Errorf("%w; to work on a broker that runs, leave --directory away", err)
	}
	b, err := broker.New(broker.Options{Store: store.ForBroker(), Policies: policies, Log: log})
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	h := admin.New(admin.Options{Queues: b, Namespace: setup.Namespace(c), Backup: store.Backup(), LoopbackWithoutToken: true, Log: log})
	return &operator{
		base: "http://localhost", client: &http.Client{Transport: inProcess{h}}, stopped: directory, keeper: keepers(setup.Namespace(c), policies),
		close: func() error {
			b.Close()
			return store.Close()
		},
	}, nil
}

// inProcessPeer is the peer address of requests within the process.
const inProcessPeer = "127.0.0.1:0"

// inProcess passes requests to a handler.
type inProcess struct{ http.Handler }

// RoundTrip implements http.RoundTripper.
func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if r.Body == nil {
		r.Body = http.NoBody
	}
	r.RemoteAddr = inProcessPeer
	if r.Host == "" {
		r.Host = r.URL.Host
	}
	w := &heldAnswer{header: http.Header{}, status: http.StatusOK}
	p.ServeHTTP(w, r)
	return &http.Response{
		Status: http.StatusText(w.status), StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()), Request: r,
	}, nil
}

// A heldAnswer is an http.ResponseWriter that buffers the response.
type heldAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *heldAnswer) Header() http.Header         { return w.header }
func (w *heldAnswer) WriteHeader(status int)      { w.status = status }
func (w *heldAnswer) Write(p []byte) (int, error) { return w.body.Write(p) }

// get sends a GET request and decodes the JSON response into into.
func (o *operator) get(ctx context.Context, path string, query url.Values, into any) error {
	target := o.base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return err
	}
	return o.do(r, into)
}

// post sends a POST request that changes something.
func (o *operator) post(ctx context.Context, path string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, o.base+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	return o.do(r, into)
}

// maxAnswer limits the bytes read of a response: a million queues.
const maxAnswer = 512 << 20

func (o *operator) do(r *http.Request, into any) (err error) {
	if o.token != "" {
		r.Header.Set("Authorization", "Bearer "+o.token)
	}
	answer, err := o.client.Do(r)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("no broker answers at %s: is it running? Of one that is stopped, name the directory with --directory", r.URL.Host)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return err
	}
	if answer.StatusCode == http.StatusOK {
		if err := json.Unmarshal(text, into); err != nil {
			return fmt.Errorf("%s does not answer as a broker does: %w", r.URL.Host, err)
		}
		return nil
	}
	var told struct{ Error, Message string }
	if json.Unmarshal(text, &told) != nil || told.Message == "" {
		return fmt.Errorf("%s does not answer as a broker does: %s", r.URL.Host, answer.Status)
	}
	if answer.StatusCode == http.StatusUnauthorized {
		return fmt.Errorf("%s (%s); give a token with --token-file or %s", told.Message, told.Error, tokenVariable)
	}
	return fmt.Errorf("%s (%s)", told.Message, told.Error)
}

// with opens an operator, calls do and closes it.
func (o *operation) with(cmd *cobra.Command, do func(*operator) error) (err error) {
	op, err := o.open(cmd)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, op.close()) }()
	return do(op)
}

// absolute returns the absolute form of path, because the broker's working
// directory differs.
func absolute(path string) (string, error) {
	if path == "" {
		return "", errors.New("expected the path of a directory")
	}
	return filepath.Abs(path)
}
