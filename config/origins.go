package config

import (
	"net"
	"slices"
	"strings"
)

// checkOrigin accepts an origin as a browser sends it (https://app.example.com,
// capacitor://localhost, null), a host with or without a scheme and a port in
// which * stands for one whole label (*.example.com) or for any port
// (http://localhost:*), or * alone. It rejects origins that no browser sends.
func checkOrigin(origin string) string {
	const expected = "expected an origin such as https://app.example.com or http://localhost:*, a host such as *.example.com " +
		"where * stands for one label, null, or * alone"
	if origin == "*" || origin == "null" || origin == "file://" {
		return ""
	}
	scheme, host, ok := strings.Cut(origin, "://")
	switch {
	case !ok:
		scheme, host = "", origin
	case strings.Contains(scheme, "*"):
		return "expected http://, https:// or another scheme as it is, or none for any; there is no wildcard for schemes"
	case slices.Contains([]string{"ws", "wss"}, strings.ToLower(scheme)):
		return "expected http:// or https://, as that is how browsers name a page; ws:// and wss:// are for connecting"
	case !isScheme(scheme):
		return expected
	}
	name, path, ok := strings.Cut(host, "/")
	switch {
	case !isOriginHost(name):
		return expected
	case ok && path == "":
		return "expected no '/' at the end, as browsers send none"
	case ok:
		return "expected no path, as browsers send none; all pages of an origin may connect, or none"
	}
	return ""
}

// isScheme reports whether pages or apps can have a scheme (RFC 3986, 3.1).
func isScheme(scheme string) bool {
	never := []string{"ftp", "data", "blob", "about", "javascript", "mailto", "file"} // file:// has no host; the others are null
	foreign := strings.ContainsFunc(scheme, func(r rune) bool { return !isAlphanumeric(r) && !strings.ContainsRune("+-.", r) })
	return scheme != "" && !foreign && !strings.Contains("0123456789+-.", scheme[:1]) && !slices.Contains(never, strings.ToLower(scheme))
}

func isOriginHost(hostport string) bool {
	if host, port, err := net.SplitHostPort(hostport); err == nil {
		return (port == "*" || isPort(port) && port != "0") && (isHostName(host, true) || isIP(host))
	}
	if inner, ok := strings.CutPrefix(hostport, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		return ok && isIP(inner)
	}
	return isHostName(hostport, true)
}
