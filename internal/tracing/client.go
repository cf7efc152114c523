package tracing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

const (
	defaultPath = "/v1/traces"    // OTLP, "OTLP/HTTP Request"
	postTimeout = 5 * time.Second // for one request
	tries       = 3
	firstPause  = 500 * time.Millisecond // before the second try; doubles each time
	longestBody = 4 << 10                // bytes of a response that are read
)

// An Endpoint is an OTLP/HTTP receiver.
type Endpoint struct {
	// URL is http or https. An empty path means /v1/traces.
	URL string
	// Headers are sent with each request.
	Headers http.Header
}

// A client is an otlptrace.Client. OpenTelemetry's own would pull in gRPC, and
// make the program a third larger.
type client struct {
	url     string
	headers http.Header
	http    *http.Client
}

func newClient(e Endpoint, version string) *client {
	c := &client{url: complete(e.URL), headers: e.Headers.Clone()}
	if c.headers == nil {
		c.headers = http.Header{}
	}
	c.headers.Set("Content-Type", "application/x-protobuf")
	c.headers.Set("User-Agent", "hoofbeat/"+version)
	c.http = &http.Client{
		Timeout: postTimeout,
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: postTimeout}).DialContext,
			ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute, TLSHandshakeTimeout: postTimeout,
		},
		// Redirects are not followed: the headers may be secret and are for
		// this host only.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c
}

// complete adds OTLP's path for traces if the URL has none.
func complete(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil || u.Path != "" && u.Path != "/" {
		return endpoint
	}
	u.Path = defaultPath
	return u.String()
}

// Start implements otlptrace.Client.
func (c *client) Start(context.Context) error { return nil }

// Stop implements otlptrace.Client.
func (c *client) Stop(context.Context) error {
	c.http.CloseIdleConnections()
	return nil
}

// UploadTraces implements otlptrace.Client. It repeats requests that failed
// temporarily, until the context is done.
func (c *client) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	// TracesData has the same encoding as ExportTraceServiceRequest, whose
	// package needs gRPC.
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans})
	if err != nil {
		return fmt.Errorf("encoding spans: %w", err)
	}
	pause := firstPause
	for range tries - 1 {
		err = c.post(ctx, body)
		later, ok := errors.AsType[*laterError](err)
		if !ok {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(max(pause, later.after)):
		}
		pause *= 2
	}
	return c.post(ctx, body)
}

// A laterError is a temporary failure.
type laterError struct {
	error
	after time.Duration // the receiver's Retry-After, or 0
}

// Unwrap returns the cause.
func (e *laterError) Unwrap() error { return e.error }

func (c *client) post(ctx context.Context, body []byte) (err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header = c.headers.Clone()
	answer, err := c.http.Do(r)
	if err != nil {
		return &laterError{error: err}
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, longestBody))
	if err != nil {
		return &laterError{error: err}
	}
	return judge(answer, text)
}

// judge evaluates the receiver's response to a batch (OTLP, "OTLP/HTTP
// Response").
func judge(answer *http.Response, text []byte) error {
	if answer.StatusCode/100 == 2 {
		return nil
	}
	err := fmt.Errorf("%s answers %s: %q", answer.Request.URL.Redacted(), answer.Status, clip(strings.TrimSpace(string(text))))
	switch answer.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		seconds, _ := strconv.ParseUint(answer.Header.Get("Retry-After"), 10, 16) // 0 if it is a date, or missing
		return &laterError{err, time.Duration(seconds) * time.Second}
	}
	return err
}
