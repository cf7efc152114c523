// Package memory counts the memory that clients occupy: a [Budget] for the
// process, and an [Account] for each connection and each user.
//
// An account is exact. The budget's sum lags behind by at most 16 KiB per
// account: an account settles with the budget only when its change has reached
// that size, so that connections do not share a counter per message.
package memory
