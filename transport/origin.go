package transport

import (
	"net/http"
	"net/url"
	"strings"
)

// origins are the pages that may connect: those of the broker's own host, and
// those that match a pattern. A request without an Origin header does not come
// from a page.
type origins []string

func (o origins) allow(r *http.Request) bool {
	header := r.Header.Get("Origin")
	if header == "" {
		return true
	}
	u, err := url.Parse(header)
	if err != nil || u.Host == "" {
		return contains(o, "*")
	}
	if strings.EqualFold(u.Host, r.Host) {
		return true
	}
	for _, pattern := range o {
		if matchOrigin(pattern, u) {
			return true
		}
	}
	return false
}

func contains(o origins, pattern string) bool {
	for _, p := range o {
		if p == pattern {
			return true
		}
	}
	return false
}

// matchOrigin compares a pattern, which may have a scheme and a port, with an
// origin. A * stands for any one label of the host's name; alone, for all.
func matchOrigin(pattern string, origin *url.URL) bool {
	if pattern == "*" {
		return true
	}
	if scheme, rest, ok := strings.Cut(pattern, "://"); ok {
		if !strings.EqualFold(scheme, origin.Scheme) {
			return false
		}
		pattern = rest
	}
	want := strings.Split(strings.ToLower(pattern), ".")
	have := strings.Split(strings.ToLower(origin.Host), ".")
	if len(want) != len(have) {
		return false
	}
	for i := range want {
		if !matchLabel(want[i], have[i]) {
			return false
		}
	}
	return true
}

// matchLabel compares one label, the last of which may end in a port.
func matchLabel(want, have string) bool {
	if want == have {
		return true
	}
	wantName, wantPort, _ := strings.Cut(want, ":")
	haveName, havePort, _ := strings.Cut(have, ":")
	return wantName == "*" && haveName != "" && wantPort == havePort
}
