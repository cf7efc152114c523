// Package attack holds tests only: clients that try to exhaust the memory of
// the whole program, or to lock others out, beside an innocent client.
package attack
