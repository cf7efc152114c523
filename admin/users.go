package admin

import (
	"iter"
	"slices"
	"strings"
	"time"
)

// A User is a user with at least one connection.
type User struct {
	User        string   `json:"user"`
	Connections int      `json:"connections"`
	Methods     []string `json:"methods"` // methods of authentication
	// Expires is the earliest expiry of the connections' tokens.
	Expires *time.Time `json:"expires,omitempty"`
}

// UserList is the response of /api/v1/users.
type UserList struct {
	Users []User `json:"users"`
	Page
}

func (s *server) users(c *call) error {
	given, p, all, err := s.ofConnections(c, "users", "q")
	if err != nil {
		return err
	}
	gathered := gatherUsers(all, given["q"])
	items, next, total := pick(&p, func(yield func(place, *User) bool) {
		for name, u := range gathered {
			if !yield(place{text: name}, u) {
				return
			}
		}
	})
	describe := func(u *User) (User, bool) { return *u, true }
	return answer(c.w, UserList{described(items, describe), Page{next, total}})
}

// gatherUsers groups connections by user, for users whose name contains text.
func gatherUsers(all iter.Seq[Connection], text string) map[string]*User {
	users := make(map[string]*User)
	for c := range all {
		id := c.Identity()
		if id == nil || !strings.Contains(id.User, text) {
			continue
		}
		u := users[id.User]
		if u == nil {
			u = &User{User: id.User}
			users[id.User] = u
		}
		u.Connections++
		if !slices.Contains(u.Methods, id.Method) {
			u.Methods = append(u.Methods, id.Method)
			slices.Sort(u.Methods)
		}
		if !id.Expires.IsZero() && (u.Expires == nil || id.Expires.Before(*u.Expires)) {
			u.Expires = instant(id.Expires)
		}
	}
	return users
}
