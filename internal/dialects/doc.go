// Package dialects holds tests only: clients in languages that cannot run here,
// as what they send, byte by byte, and as what their parsers can digest.
package dialects
