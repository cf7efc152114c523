// Package proctest runs whole programs in tests: the broker with its
// configuration file, as an operator starts it, and the proxy in front of it.
// It includes a plain client that never waits for the broker.
package proctest
