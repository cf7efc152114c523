// Package tracing makes OpenTelemetry spans of messages and sends them over
// OTLP/HTTP.
//
// The broker never waits for the receiver: spans go into a queue of QueueSize,
// and those that find it full are dropped and counted.
package tracing
