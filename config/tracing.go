package config

import (
	"net/http"
	"slices"
	"strings"
)

const (
	tracingEndpointKey = "tracing.endpoint"
	tracingRatioKey    = "tracing.sample_ratio"
	tracingHeadersKey  = "tracing.headers"
)

// checkTracing rejects other tracing settings if there is no receiver.
func (l *loader) checkTracing(t Tracing) {
	if !l.sound(tracingEndpointKey) || t.Endpoint != "" {
		return
	}
	for _, key := range []string{tracingRatioKey, tracingHeadersKey} {
		if l.sound(key) && l.differs(key) {
			l.blame(key, "expected "+tracingEndpointKey+" beside it; without, there are no traces")
		}
	}
}

// Header returns the headers for the receiver of traces.
func (t *Tracing) Header() http.Header {
	h := http.Header{}
	for _, line := range t.Headers {
		name, value, _ := strings.Cut(string(line), ":")
		h.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return h
}

// checkTracingEndpoint requires a URL without credentials or a query.
func checkTracingEndpoint(value any) []complaint {
	const expected = "expected an http or https URL with a host, such as http://127.0.0.1:4318"
	text := value.(string)
	if text == "" {
		return nil
	}
	u, found := plainURL(text, expected)
	switch {
	case found != nil:
		return found
	case u.RawQuery != "":
		return []complaint{{shown: masked, expected: expected + ", without a query; what the receiver wants to know goes into " + tracingHeadersKey}}
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Fragment != "" || u.Port() != "" && !isPort(u.Port()):
		return []complaint{{expected: expected}}
	}
	return nil
}

// checkHeader requires an HTTP header that the exporter does not set itself.
func checkHeader(line string) string {
	const expected = "expected name: value, such as Authorization: Bearer abc"
	name, value, ok := strings.Cut(line, ":")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	odd := func(r rune) bool { return r < ' ' || r > '~' }
	switch {
	case strings.Contains(line, ","):
		return expected + ", without a comma"
	case !ok || !isToken(name) || value == "" || strings.ContainsFunc(value, odd):
		return expected
	case slices.ContainsFunc([]string{"Content-Type", "Content-Length", "Content-Encoding", "Transfer-Encoding", "Connection", "Host", "User-Agent"},
		func(own string) bool { return strings.EqualFold(own, name) }):
		return "expected a header that the request does not have by itself"
	}
	return ""
}

// isToken reports whether s can be the name of a header (RFC 9110, 5.6.2).
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !isAlphanumeric(r) && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}
