package config

import (
	"fmt"
	"slices"
	"strings"
)

// edgeWarnings reports settings about access, and settings without effect.
func (c *Config) edgeWarnings() []string {
	var all []string
	for _, p := range c.Limits.TrustedProxies {
		if p.Bits() == 0 {
			all = append(all, fmt.Sprintf("limits.trusted_proxies has %s: everybody is believed what they say of their address, which limits and logs go by", p))
		}
	}
	if c.Auth.JWT.Cookie != "" && slices.Contains(c.Listen.WebSocket.Origins, "*") {
		all = append(all, "listen.websocket.origins has * and auth.jwt.cookie is set: any page that a user visits may act in the user's name")
	}
	for _, l := range []struct{ section, address string }{
		{"listen.websocket", c.Listen.WebSocket.Address}, {"listen.tcp", c.Listen.TCP.Address}, {"listen.admin", c.Listen.Admin.Address},
	} {
		if l.address == "" {
			all = append(all, c.idle(l.section)...)
		}
	}
	return all
}

// idle lists settings of a listener that is off.
func (c *Config) idle(section string) []string {
	var all []string
	for _, s := range c.settings {
		if strings.HasPrefix(s.Key, section+".") && s.Key != section+".address" && s.Source != "default" {
			all = append(all, fmt.Sprintf("%s means nothing: %s.address is empty", s.Key, section))
		}
	}
	return all
}
