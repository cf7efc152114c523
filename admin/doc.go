// Package admin is the HTTP API for operators: the broker's health, its state,
// and operations on it.
//
// Requests are authenticated by a token or a passcode, and the rules for
// admin:read and admin:write authorise them; see caller.go. The handler also
// defends against browsers that send requests on behalf of other sites
// (guard.go), and against input beyond its limits.
//
// The paths are fixed: names, which contain slashes and dots, are query
// parameters or members of JSON objects, so that no proxy takes them for a part
// of a path. routes.go lists all paths, and openapi.json describes them; tests
// compare the two.
//
// Every response is a JSON object. A refusal is {"error": WORD, "message":
// TEXT}. Lists are split into pages (page.go).
package admin
