// Package admin is HTTP for operators: whether the broker is well, what it
// does, and what of it can be steered.
//
// Whoever makes a request proves who that is by a token or a passcode, and has
// the rights that the rules give to admin:read and admin:write; see caller.go.
// What the handler defends against besides is a browser that a page of somebody
// else's makes send requests (guard.go), and input that is out of bounds.
//
// The paths are fixed: names, which have slashes and dots, are query parameters
// and members of JSON objects, so that nothing between a client and the handler
// can take them for part of a path. All are in the table of routes.go, and
// openapi.json describes them; tests compare the two.
//
// Every answer is a JSON object. That of a refusal is
// {"error": WORD, "message": TEXT}. Lists are in pages (page.go).
package admin
