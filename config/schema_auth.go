package config

import "time"

func anonymousKeys() []entry {
	return []entry{
		{key: "auth.anonymous", reload: true, kind: boolKind{}, fallback: "false", alone: new("true"), handy: true,
			doc:   "whether CONNECT without credentials is accepted",
			field: func(c *Config) any { return &c.Auth.Anonymous }},
		{key: "auth.anonymous_roles", reload: true, kind: listKind{}, check: each(checkListed),
			doc:   "roles of clients without credentials",
			field: func(c *Config) any { return &c.Auth.AnonymousRoles }},
	}
}

// keySources returns the keys that enable tokens, if one of them is set.
func keySources() []entry {
	return []entry{
		{key: "auth.jwt.secret", reload: true, kind: textKind{}, secret: true, check: optional(checkSecret),
			doc:   "secret for HS256, HS384 and HS512, at least as long as the hash: 32, 48 or 64 bytes",
			field: func(c *Config) any { return &c.Auth.JWT.Secret }},
		{key: "auth.jwt.secret_file", reload: true, kind: textKind{}, check: optional(checkFileName),
			doc:   "file with such a secret; a line end at its end is left out",
			field: func(c *Config) any { return &c.Auth.JWT.SecretFile }},
		{key: "auth.jwt.public_key_files", reload: true, kind: listKind{}, check: each(checkListedFile),
			doc:   "PEM files with public keys, or one certificate each",
			field: func(c *Config) any { return &c.Auth.JWT.PublicKeyFiles }},
		{key: "auth.jwt.jwks_url", reload: true, kind: textKind{}, check: checkKeysURL,
			doc:   "where a JSON Web Key Set is fetched: https, or http on loopback",
			field: func(c *Config) any { return &c.Auth.JWT.JWKSURL }},
		{key: "auth.jwt.jwks_file", reload: true, kind: textKind{}, check: optional(checkFileName),
			doc:   "file with a JSON Web Key Set",
			field: func(c *Config) any { return &c.Auth.JWT.JWKSFile }},
	}
}

func tokenKeys() []entry {
	return []entry{
		{key: "auth.jwt.jwks_refresh", reload: true, kind: durationKind{}, fallback: "5m", check: atLeast(time.Second),
			doc:   "time from one fetch of jwks_url to the next, and so how long a withdrawn key may still be trusted",
			field: func(c *Config) any { return &c.Auth.JWT.JWKSRefresh }},
		{key: "auth.jwt.jwks_max_age", reload: true, kind: durationKind{}, fallback: "24h", check: atLeast(time.Second),
			doc:   "how long the last keys are used when jwks_url cannot be reached",
			field: func(c *Config) any { return &c.Auth.JWT.JWKSMaxAge }},
		{key: "auth.jwt.algorithms", reload: true, kind: listKind{}, fallback: "RS256,ES256,EdDSA", check: each(checkAlgorithm),
			doc:   "algorithms that tokens may be signed with, of HS, RS, PS and ES with 256, 384 or 512, and EdDSA",
			field: func(c *Config) any { return &c.Auth.JWT.Algorithms }},
		{key: "auth.jwt.issuer", reload: true, kind: textKind{}, check: optional(checkName),
			doc:   "what the claim iss must be; empty: anything",
			field: func(c *Config) any { return &c.Auth.JWT.Issuer }},
		{key: "auth.jwt.audience", reload: true, kind: listKind{}, check: each(checkListed),
			doc:   "the claim aud must have one of these; empty: anything",
			field: func(c *Config) any { return &c.Auth.JWT.Audience }},
		{key: "auth.jwt.leeway", reload: true, kind: durationKind{}, fallback: "30s",
			doc:   "how far the clock of who made a token may differ",
			field: func(c *Config) any { return &c.Auth.JWT.Leeway }},
		{key: "auth.jwt.required_claims", reload: true, kind: listKind{}, check: each(checkListed),
			doc:   "claims that a token must have; without exp among them, a token may be valid for ever",
			field: func(c *Config) any { return &c.Auth.JWT.RequiredClaims }},
		{key: "auth.jwt.claims.user", reload: true, kind: textKind{}, fallback: "sub", check: single(checkName),
			doc:   "the claim that is the user's name, a string or an integer: its own name, else a dotted path",
			field: func(c *Config) any { return &c.Auth.JWT.UserClaim }},
		{key: "auth.jwt.claims.roles", reload: true, kind: textKind{}, fallback: "roles", check: single(checkName),
			doc:   "the claim with the roles, a list or a string of words, such as realm_access.roles",
			field: func(c *Config) any { return &c.Auth.JWT.RolesClaim }},
		{key: "auth.jwt.static_names", reload: true, kind: boolKind{}, fallback: "false",
			doc:   "whether a token is accepted whose user is the name of one of auth.users or users_file, and has that user's rights",
			field: func(c *Config) any { return &c.Auth.JWT.StaticNames }},
	}
}

func tokenPlaces() []entry {
	return []entry{
		{key: "auth.jwt.sources", kind: listKind{}, fallback: "connect,passcode,http", check: each(checkSource),
			doc: "where tokens are looked for: connect (the Authorization header of CONNECT), passcode, " +
				"http (the Authorization header of the upgrade, which may also be Basic with the passcode of a static user)",
			field: func(c *Config) any { return &c.Auth.JWT.Sources }},
		{key: "auth.jwt.query_parameter", kind: textKind{}, fallback: "access_token", check: optional(checkQueryParameter),
			doc:   "parameter of the WebSocket URL with a token; empty: tokens in URLs are not looked at",
			field: func(c *Config) any { return &c.Auth.JWT.QueryParameter }},
		{key: "auth.jwt.cookie", kind: textKind{}, check: optional(checkCookie),
			doc:   "cookie with a token; empty: cookies are not looked at",
			field: func(c *Config) any { return &c.Auth.JWT.Cookie }},
	}
}

func userKeys() []entry {
	return []entry{
		{key: "auth.users", reload: true, kind: userKind(), fallback: "[]", check: uniqueUsers, example: usersExample,
			doc:   "users with a login and the hash of a passcode; JSON in the environment and in flags",
			field: func(c *Config) any { return &c.Auth.Users }},
		{key: "auth.users_file", reload: true, kind: textKind{}, check: optional(checkFileName),
			doc:   "file with more users",
			field: func(c *Config) any { return &c.Auth.UsersFile }},
		{key: "auth.revoked_file", reload: true, kind: textKind{}, check: optional(checkFileName),
			doc:   "file with tokens and users that are refused",
			field: func(c *Config) any { return &c.Auth.RevokedFile }},
	}
}

func accessKeys() []entry {
	return []entry{
		{key: "auth.on_denied_subscribe", kind: choiceKind{"close", "receipt-error"}, fallback: "close",
			doc:   "what a refused SUBSCRIBE gets: close, or receipt-error, an ERROR that leaves the connection open",
			field: func(c *Config) any { return &c.Auth.OnDeniedSubscribe }},
		{key: "acl", reload: true, kind: ruleKind(), fallback: "[]", example: aclExample,
			doc:   "who may do what; in any order, as a denial wins over any permission; JSON in the environment and in flags",
			field: func(c *Config) any { return &c.ACL }},
		{key: "prefixes.topic", kind: listKind{}, fallback: "/topic/", check: each(checkPrefix),
			doc:   "destinations that begin so are topics: every subscriber gets every message",
			field: func(c *Config) any { return &c.Prefixes.Topic }},
		{key: "prefixes.queue", kind: listKind{}, fallback: "/queue/", check: each(checkPrefix),
			doc:   "destinations that begin so are queues: each message goes to one subscriber",
			field: func(c *Config) any { return &c.Prefixes.Queue }},
	}
}
