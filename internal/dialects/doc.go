// Package dialects holds tests only. They stand in for clients in languages
// that cannot run here: each is the bytes that it sends and a model of its
// parser.
package dialects
