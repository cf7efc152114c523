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

// Integers are names, as their digits stand in the token.
func TestNumericUsers(t *testing.T) {
	for text, want := range map[string]string{
		`12345`: "12345", `"12345"`: "12345", `0`: "0", `-7`: "-7", `9007199254740993`: "9007199254740993",
		`123456789012345678901234567890`: "123456789012345678901234567890", `1000000`: "1000000",
		`1e6`: "", `1.0`: "", `1E+06`: "", `-0`: "", `true`: "", `null`: "", `[1]`: "",
	} {
		got, err := userOf(claimsOf(t, `{"sub":`+text+`}`), "sub")
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%s: got %q, %v, want %q", text, got, err, want)
		}
	}
}

// Whatever is wrong with a claim is said with its name, to operators.
func TestFaultsNameTheClaim(t *testing.T) {
	o := tokenOptions(t)
	o.RolesClaim, o.RequiredClaims = "realm.roles", []string{"exp", "org.id"}
	a := start(t, Options{JWT: o})
	good := func(pairs ...any) string {
		return with(append([]any{"realm", map[string]any{"roles": []string{"a"}}, "org", map[string]any{"id": "1"}}, pairs...)...)
	}
	for payload, want := range map[string]string{
		good("exp", noon.UnixMilli()):             "exp is beyond the year 9999; expected seconds since 1970, not milliseconds",
		good("exp", "1999999999"):                 "exp is a string, expected a number: seconds since 1970",
		good("nbf", -1):                           "nbf is out of range; expected seconds since 1970",
		good("exp", noon.Unix()-3600):             "exp is 2026-06-01T11:00:00Z",
		good("nbf", noon.Unix()+3600):             "nbf is 2026-06-01T13:00:00Z",
		good("iat", noon.Unix()+3600):             "iat is 2026-06-01T13:00:00Z",
		good("iss", "https://issuer.example"):     `iss is "https://issuer.example", expected "https://issuer.example/"`,
		good("iss", 1):                            "iss is a number, expected a string",
		good("aud", []string{"x", "y"}):           `aud is "x y", expected one of "hoofbeat"`,
		good("aud", []any{"hoofbeat", true}):      "aud[1] is a boolean, expected a string",
		good("org", map[string]any{"id": ""}):     "org.id is empty or null",
		good("org", nil):                          "org.id is missing",
		good("jti", []int{}):                      "jti is an array, expected a string",
		good("sub", nil):                          "sub is missing",
		good("sub", map[string]any{}):             "sub is an object, expected a string or an integer",
		good("sub", 1.5):                          "sub is a number that is not written as an integer",
		good("sub", "a\nb"):                       "sub: there is a control character in it",
		good("realm", map[string]any{"roles": 7}): "realm.roles is a number, expected an array of strings, or one string",
		good("realm", map[string]any{"roles": []any{"a", map[string]string{"authority": "ROLE_USER"}}}): "realm.roles[1] is an object, expected a string",
		good("realm", map[string]any{"roles": []string{"a", ""}}):                                       "realm.roles: role 2: it is empty",
	} {
		_, err := a.Verify(forge(rsHeader, payload, rs256(testRSA())))
		r, ok := err.(*Refusal)
		if !ok || r.Detail != want || r.Told() != r.Reason {
			t.Errorf("%s: got %+v, want %s", payload, err, want)
		}
		_, err = a.Verify(forge(rsHeader, payload, rs256(otherRSA()))) // of which nothing is told
		if r, ok := err.(*Refusal); !ok || r.Detail != "" || r.Told() != "" {
			t.Errorf("forged %s: got %+v", payload, err)
		}
	}
}
