// Package soak holds tests only: of the whole program with thousands of clients
// that come and go, each in its own way, while its configuration changes, the
// proxy before it starts again, and operators look on. At the end nothing may
// be left of them, and every message must be accounted for.
package soak
