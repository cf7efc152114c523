// Package attack holds tests only: clients that try to fill the memory of the
// whole program, or to keep others out of it, beside one that only wants its
// messages.
package attack
