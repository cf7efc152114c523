// Package durable holds tests only: of the whole program with a directory to
// keep queues in, killed again and again, and with more in its queues than fits
// into memory.
package durable
