package acl

import (
	"strings"

	"hoofbeat/destination"
)

// A reading is a parsed destination. A destination under /user/ has two
// names: first the one with the user's name, as in SEND, then the one
// without, as in SUBSCRIBE. All others have one.
type reading struct {
	words [2]destination.Word
}

// names are all names of the destination. A rule that denies one denies it.
func (r *reading) names() []destination.Word {
	if r.words[1].Len() == 0 {
		return r.words[:1]
	}
	return r.words[:]
}

// granting are the names by which the destination may be allowed.
func (r *reading) granting(action Action) []destination.Word {
	if action == Subscribe {
		return r.names()
	}
	return r.words[:1]
}

// wild reports whether the destination has wildcards.
func (r *reading) wild() bool { return r.words[0].Wild() }

// read takes a destination apart as the broker does for the action; user is
// the owner of /user/queue/.
func (r *reading) read(action Action, text, user string) reason {
	if !strings.HasPrefix(text, "/") {
		return noSlash
	}
	return unreadable(r.split(action, text, user))
}

// unreadable is the reason for an error of a Word.
func unreadable(err error) reason {
	switch err {
	case nil:
		return undecided
	case destination.ErrBadWildcard:
		return badWildcard
	}
	return tooLong
}

func (r *reading) split(action Action, text, user string) error {
	full, plain := &r.words[0], &r.words[1]
	rest, ok := strings.CutPrefix(text, destination.UserPrefix)
	if !ok {
		return full.AddAll(text[1:])
	}
	owner, name, ok := strings.Cut(rest, "/")
	switch {
	case !ok, action == Subscribe && owner != "queue" && owner != "topic":
		// The broker knows nothing of this form.
		return full.AddAll(text[1:])
	case action == Subscribe:
		owner, name = user, rest
	default:
		owner = destination.DecodeUser(owner)
	}
	// There is room for the first segments.
	_, _ = full.AddLiteral("user"), plain.AddLiteral("user")
	kind, _ := destination.WildcardOf(owner)
	if action.admin() && kind != destination.Literal {
		_ = full.Add(owner)
	} else {
		// A client means a user of this name, be it "*".
		_ = full.AddLiteral(owner)
	}
	if err := full.AddAll(name); err != nil {
		return err
	}
	return plain.AddAll(name)
}
