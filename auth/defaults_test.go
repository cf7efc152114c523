package auth

import (
	"testing"

	"hoofbeat/config"
)

// The defaults of the configuration are those of this package.
func TestConfiguredDefaults(t *testing.T) {
	c, err := config.Load(config.Options{Search: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	o, j := TokenOptions{}.withDefaults(), c.Auth.JWT
	if j.UserClaim != o.UserClaim || j.RolesClaim != o.RolesClaim || j.JWKSRefresh != o.JWKS.Refresh || j.JWKSMaxAge != o.JWKS.MaxAge {
		t.Errorf("the configuration has %+v, the package %+v", j, o)
	}
}
