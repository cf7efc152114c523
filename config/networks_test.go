package config

import (
	"net/netip"
	"slices"
	"testing"
)

func TestTrustedProxies(t *testing.T) {
	want := []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32"),
		netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("192.0.2.2/32"),
	}
	for _, tr := range []trial{
		{text: open + "limits: { trusted_proxies: [10.0.0.0/8, 192.0.2.1, '2001:DB8::/32', '::1', '::ffff:192.0.2.2'] }"},
		{text: open, environ: []string{"HOOFBEAT_LIMITS_TRUSTED_PROXIES=10.0.0.0/8, 192.0.2.1/32,2001:db8::/32,::1,192.0.2.2"}},
		{text: open, flags: []string{"--limits-trusted-proxies=10.0.0.0/8,192.0.2.1,2001:db8::/32,::1/128,192.0.2.2"}},
	} {
		c := tr.mustLoad(t)
		if !slices.Equal(c.Limits.TrustedProxies, want) {
			t.Errorf("got %v", c.Limits.TrustedProxies)
		}
		if got := settings(c)["limits.trusted_proxies"].Value; got != "10.0.0.0/8,192.0.2.1,2001:db8::/32,::1,192.0.2.2" {
			t.Errorf("printed %q", got)
		}
	}
	const address = "expected an address such as 10.0.0.1, or a network such as 10.0.0.0/8"
	trial{text: open + "limits: { trusted_proxies: [10.0.0.1/8, 10.0.0.0/33, proxy, 'fe80::1%eth0', '::ffff:10.0.0.0/104', '', 10.0.0.1] }"}.wantFaults(t,
		`limits.trusted_proxies: "10.0.0.1/8" (hoofbeat.yaml): expected 10.0.0.0/8 for that network, or an address alone`,
		`limits.trusted_proxies: "::ffff:10.0.0.0/104" (hoofbeat.yaml): expected an IPv4 network to be written as one, such as 10.0.0.0/8`,
		`limits.trusted_proxies: "" (hoofbeat.yaml): `+address,
		`limits.trusted_proxies: "10.0.0.0/33" (hoofbeat.yaml): `+address,
		`limits.trusted_proxies: "fe80::1%eth0" (hoofbeat.yaml): `+address,
		`limits.trusted_proxies: "proxy" (hoofbeat.yaml): `+address)
	trial{text: open + "limits: { trusted_proxies: 10.0.0.1 }"}.wantFaults(t,
		`limits.trusted_proxies: "10.0.0.1" (hoofbeat.yaml): expected a list of addresses or networks, such as 10.0.0.0/8`)
}

func TestProxyProtocol(t *testing.T) {
	const expected = "expected limits.trusted_proxies to have the proxies' addresses, as a PROXY header of anybody else is not believed"
	const on = "listen: { websocket: { proxy_protocol: true }, tcp: { proxy_protocol: true } }\n"
	trial{text: open + on}.wantFaults(t,
		"listen.tcp.proxy_protocol: true (hoofbeat.yaml): "+expected,
		"listen.websocket.proxy_protocol: true (hoofbeat.yaml): "+expected)
	c := trial{text: open + on + "limits: { trusted_proxies: [10.0.0.1] }"}.mustLoad(t)
	if !c.Listen.WebSocket.ProxyProtocol || !c.Listen.TCP.ProxyProtocol {
		t.Errorf("got %+v", c.Listen)
	}
}
