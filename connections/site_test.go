package connections

import (
	"net/netip"
	"testing"
)

// Limits by address treat an IPv6 /64 network as one client.
func TestSite(t *testing.T) {
	for ip, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::1": "::1",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::", "2001:db8:1:2::9": "2001:db8:1:2::", "2001:db8:1:3::9": "2001:db8:1:3::",
	} {
		if got := site(netip.MustParseAddr(ip)).String(); got != want {
			t.Errorf("%s: %s, want %s", ip, got, want)
		}
	}
	if got := site(netip.Addr{}); got.IsValid() {
		t.Errorf("no address: %v", got)
	}
}
