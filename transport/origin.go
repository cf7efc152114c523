package transport

import (
	"net/http"
	"net/url"
	"strings"
)

// origins are the patterns of pages that may connect, besides pages of the
// broker's own host. A request without an Origin header does not come from a
// page.
type origins []originPattern

// An originPattern matches origins. Package config documents its text form.
type originPattern struct {
	any    bool   // matches every origin
	exact  string // an origin without a host, like null; else ""
	scheme string // "": any
	labels []string
	port   string // "": the scheme's default; *: any
}

func newOrigins(patterns []string) origins {
	var all origins
	for _, text := range patterns {
		all = append(all, newOriginPattern(strings.ToLower(text)))
	}
	return all
}

func newOriginPattern(text string) originPattern {
	if text == "*" {
		return originPattern{any: true}
	}
	if text == "null" || strings.HasSuffix(text, "://") {
		return originPattern{exact: text}
	}
	var p originPattern
	if scheme, rest, ok := strings.Cut(text, "://"); ok {
		p.scheme, text = scheme, rest
	}
	host := text
	if i := strings.LastIndexByte(text, ':'); i > strings.LastIndexByte(text, ']') {
		host, p.port = text[:i], text[i+1:]
	}
	p.labels = strings.Split(strings.Trim(host, "[]"), ".")
	return p
}

// allow reports whether a request comes from a page that may connect, or from
// no page.
func (o origins) allow(r *http.Request) bool {
	for _, header := range r.Header.Values("Origin") {
		if !o.matchOwn(header, r.Host) && !o.match(header) {
			return false
		}
	}
	return true
}

// listed reports whether a request comes from a page that matches a pattern.
func (o origins) listed(r *http.Request) bool {
	all := r.Header.Values("Origin")
	for _, header := range all {
		if !o.match(header) {
			return false
		}
	}
	return len(all) > 0
}

// matchOwn reports whether an origin is the request's own host.
func (o origins) matchOwn(header, host string) bool {
	u, err := url.Parse(header)
	if err != nil || u.Host == "" || u.User != nil {
		return false
	}
	own := url.URL{Host: host}
	return strings.EqualFold(u.Hostname(), own.Hostname()) && portOf(u) == orDefault(own.Port(), u.Scheme)
}

func (o origins) match(header string) bool {
	header = strings.ToLower(header)
	u, err := url.Parse(header)
	if err != nil {
		u = &url.URL{}
	}
	for _, p := range o {
		if p.any || p.exact != "" && p.exact == header || p.exact == "" && p.match(u) {
			return true
		}
	}
	return false
}

// match compares a pattern with an origin that has a host.
func (p originPattern) match(u *url.URL) bool {
	if u.Host == "" || u.User != nil || p.scheme != "" && p.scheme != u.Scheme {
		return false
	}
	if p.port != "*" && orDefault(p.port, u.Scheme) != portOf(u) {
		return false
	}
	have := strings.Split(u.Hostname(), ".")
	if len(have) != len(p.labels) {
		return false
	}
	for i, want := range p.labels {
		if want != have[i] && (want != "*" || have[i] == "") {
			return false
		}
	}
	return true
}

func portOf(u *url.URL) string { return orDefault(u.Port(), u.Scheme) }

// orDefault returns port, or the scheme's default port if port is empty.
func orDefault(port, scheme string) string {
	switch {
	case port != "":
		return port
	case scheme == "https":
		return "443"
	case scheme == "http":
		return "80"
	}
	return ""
}
