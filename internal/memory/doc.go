// Package memory counts what clients make the broker hold: a [Budget] for the
// process, and an [Account] for each connection and each user that is charged
// to it.
//
// An account is exact. What the process has used is the sum of its accounts,
// each of them at most 16 KiB behind: an account tells the budget
// of a change only when it has added up to that much, so that no counter is
// shared by all connections for each message.
package memory
