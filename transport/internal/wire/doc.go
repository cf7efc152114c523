// Package wire carries frames over sockets: TCP, TLS and WebSocket. Its connections
// gather what they write, need little memory while idle, and count frames and bytes.
// It knows STOMP's frames, but not their meaning.
package wire
