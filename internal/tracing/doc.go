// Package tracing makes OpenTelemetry spans of messages and sends them to a
// receiver of OTLP over HTTP.
//
// The broker never waits for it: spans go into a queue of QueueSize, and what
// finds no room there is dropped and counted.
package tracing
