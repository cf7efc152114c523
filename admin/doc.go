// Package admin is HTTP for operators: whether the broker is well, and its
// queues to look into and to change.
//
// Whoever can reach the handler may do everything, so it belongs on a loopback
// address. What it defends against is a browser there that a page of somebody
// else's makes send requests, and input that is out of bounds.
//
// The paths are fixed: names of queues, which have slashes and dots, are query
// parameters and members of JSON objects, so that nothing between a client and
// the handler can take them for part of a path.
//
//	GET  /healthz
//	GET  /readyz
//	GET  /api/v1/queues
//	GET  /api/v1/queue?name=NAME
//	GET  /api/v1/queue/messages?name=NAME&skip=0&limit=20&body=1024
//	POST /api/v1/queue/purge   {"name": NAME}
//	POST /api/v1/queue/move    {"from": NAME, "to": NAME, "limit": 0}
//	POST /api/v1/queue/delete  {"name": NAME}
//	POST /api/v1/store/backup  {"directory": DIRECTORY}
//
// Every answer is a JSON object. That of a refusal is
// {"error": WORD, "message": TEXT}.
package admin
