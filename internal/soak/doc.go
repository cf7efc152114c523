// Package soak holds tests only. They run the whole program with thousands of
// clients that come and go, each with its own behaviour, while the
// configuration changes, the proxy restarts and operators look on. At the end,
// nothing of the clients may be left, and every message must be accounted for.
package soak
