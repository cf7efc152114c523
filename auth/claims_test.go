package auth

import (
	"encoding/json"
	"slices"
	"testing"
)

func claimsOf(t testing.TB, text string) map[string]any {
	t.Helper()
	claims, err := decodeObject([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return claims
}

func TestLookupClaim(t *testing.T) {
	claims := claimsOf(t, `{
		"sub": "anna", "https://example.com/roles": ["a"], "realm_access": {"roles": ["b"]}, "resource_access": {"my.app": {"roles": ["c"]}},
		"a.b": "own", "a": {"b": "path", "c": null, "": "empty"}, "list": ["x"], "": "no name"}`)
	for path, want := range map[string]string{
		"sub": `"anna"`, "https://example.com/roles": `["a"]`, "realm_access.roles": `["b"]`, "resource_access.my.app.roles": `["c"]`,
		"a.b": `"own"`, "a.c": `null`, "a.": `"empty"`, "": `"no name"`,
		"b": "", "sub.x": "", "list.0": "", "a.c.d": "", "realm_access.": "", ".": "", "a..b": "", "Sub": "",
	} {
		value, ok := LookupClaim(claims, path)
		got := ""
		if ok {
			got = string(must(json.Marshal(value)))
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}

func TestRolesOf(t *testing.T) {
	for text, want := range map[string][]string{
		`["a","b","a"]`: {"a", "b"}, `[]`: nil, `null`: nil, `""`: nil, `"read write"`: {"read", "write"}, `"a, b,,c  d"`: {"a", "b", "c", "d"},
		`["with space", "with,comma"]`: {"with space", "with,comma"}, `"one"`: {"one"},
	} {
		got, err := rolesOf(claimsOf(t, `{"roles":`+text+`}`), "roles")
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %q, %v, want %q", text, got, err, want)
		}
	}
}

// The claims of two issuers, as they write them.
func TestClaimsOfIssuers(t *testing.T) {
	keycloak := `{"preferred_username":"anna","realm_access":{"roles":["staff"]},"scope":"openid profile","exp":4102444800,"sub":"f:1:2"}`
	auth0 := `{"sub":"auth0|123","https://example.com/roles":["editor"],"scope":"read:news write:news","exp":4102444800}`
	for _, tt := range []struct {
		payload, user, roles, wantUser string
		want                           []string
	}{
		{keycloak, "preferred_username", "realm_access.roles", "anna", []string{"staff"}},
		{keycloak, "", "scope", "f:1:2", []string{"openid", "profile"}},
		{auth0, "sub", "https://example.com/roles", "auth0|123", []string{"editor"}},
		{auth0, "sub", "scope", "auth0|123", []string{"read:news", "write:news"}},
		{auth0, "sub", "nothing", "auth0|123", nil},
	} {
		o := tokenOptions(t)
		o.UserClaim, o.RolesClaim, o.Issuer, o.Audience, o.RequiredClaims = tt.user, tt.roles, "", nil, []string{"scope"}
		id, err := start(t, Options{JWT: o}).Verify(forge(rsHeader, tt.payload, rs256(testRSA())))
		if err != nil || id.User != tt.wantUser || !slices.Equal(id.Roles, tt.want) {
			t.Errorf("%s, %s: %+v, %v", tt.user, tt.roles, id, err)
		}
	}
}
