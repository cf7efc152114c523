// Package proctest runs whole programs in tests: the broker as an operator
// starts it, with a file, and what stands before it. It has a plain client to
// talk to it, which waits for nothing.
package proctest
