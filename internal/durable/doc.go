// Package durable holds tests only: of the whole program with a storage
// directory, killed again and again, and with more in its queues than fits into
// memory.
package durable
