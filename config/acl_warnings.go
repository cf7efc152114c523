package config

import (
	"fmt"
	"slices"

	"hoofbeat/destination"
)

// aclWarnings reports rules without effect.
func (c *Config) aclWarnings() []string {
	var all []string
	for i, r := range c.ACL {
		if why := c.nobody(r); why != "" {
			all = append(all, fmt.Sprintf("acl[%d] concerns nobody: %s", i, why))
		}
		if j := slices.IndexFunc(c.ACL, func(by Rule) bool { return undoes(by, r) }); j >= 0 {
			all = append(all, fmt.Sprintf("acl[%d] allows nothing: acl[%d] denies all of it, to everybody whom it concerns, and a denial wins", i, j))
		} else if j := slices.IndexFunc(c.ACL[:i], func(by Rule) bool { return repeats(by, r) }); j >= 0 {
			all = append(all, fmt.Sprintf("acl[%d] changes nothing: acl[%d] says all of it, of everybody whom it concerns", i, j))
		}
	}
	return all
}

// nobody explains why a rule applies to no client; "" if it may apply to one.
// Users and roles are known only if they all come from the configuration.
func (c *Config) nobody(r Rule) string {
	if c.Auth.JWT.Configured() {
		return ""
	}
	if len(r.Claims) > 0 {
		return "claims come with tokens, and no key for tokens is set at auth.jwt"
	}
	if c.Auth.UsersFile != "" {
		return ""
	}
	users, roles := c.known()
	switch {
	case len(r.Users) > 0 && !overlap(r.Users, users):
		return "no user of auth.users has one of its names, and no key for tokens is set at auth.jwt"
	case len(r.Roles) > 0 && !overlap(r.Roles, roles):
		return "no user of auth.users has one of its roles, nor do auth.anonymous_roles, and no key for tokens is set at auth.jwt"
	}
	return ""
}

// known lists the users and their roles.
func (c *Config) known() (users, roles []string) {
	if c.Auth.Anonymous {
		users, roles = []string{anonymousUser}, slices.Clone(c.Auth.AnonymousRoles)
	}
	for _, u := range c.Auth.Users {
		users, roles = append(users, u.Name), append(roles, u.Roles...)
	}
	return users, roles
}

// undoes reports whether a rule denies everything that another allows.
func undoes(by, r Rule) bool {
	return len(r.Allow) > 0 && len(r.Deny) == 0 && allIn(r.Allow, by.Deny) && concernsAll(by, r) && coversRule(by, r)
}

// repeats reports whether a rule allows and denies everything that another
// does.
func repeats(by, r Rule) bool {
	return allIn(r.Allow, by.Allow) && allIn(r.Deny, by.Deny) && concernsAll(by, r) && coversRule(by, r)
}

// concernsAll reports whether a rule applies to every client that another
// applies to.
func concernsAll(by, r Rule) bool {
	return (len(by.Roles) == 0 || len(r.Roles) > 0 && allIn(r.Roles, by.Roles)) &&
		(len(by.Users) == 0 || len(r.Users) > 0 && allIn(r.Users, by.Users)) &&
		!slices.ContainsFunc(by.Claims, func(m ClaimMatch) bool {
			return !slices.ContainsFunc(r.Claims, func(o ClaimMatch) bool { return o.Name == m.Name && allIn(o.Values, m.Values) })
		})
}

// coversRule reports whether a rule's destinations match everything that
// another's do. Templates are ignored, because their matches depend on the
// user.
func coversRule(by, r Rule) bool {
	if len(by.Destinations) == 0 || len(r.Destinations) == 0 {
		return len(by.Destinations) == len(r.Destinations)
	}
	return !slices.ContainsFunc(r.Destinations, func(d string) bool {
		return !slices.ContainsFunc(by.Destinations, func(wide string) bool {
			return wide == d || coversRuleText(wide, d)
		})
	})
}

// coversRuleText is coversAll for the destinations of rules.
func coversRuleText(pattern, other string) bool {
	p, err := destination.ParseRule(pattern)
	if err != nil {
		return false
	}
	o, err := destination.ParseRule(other)
	if err != nil {
		return false
	}
	w, err := o.Word()
	return err == nil && p.Covers(w)
}

// allIn reports whether whole contains every element of part.
func allIn(part, whole []string) bool {
	return !slices.ContainsFunc(part, func(s string) bool { return !slices.Contains(whole, s) })
}
