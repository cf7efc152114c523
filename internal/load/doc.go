// Package load generates load for a STOMP 1.2 broker and measures what the
// broker makes of it. It is the engine of the bench command.
//
// It shares the machine with the broker it measures, so its receive path is
// built to cost well under 100 ns a message: one read of the socket fills a
// large pooled buffer, and WebSocket and STOMP frames are parsed in place in
// it, without an allocation or a copy per frame. Many frames leave in one
// system call, and the publishers are held back by a window of outstanding
// messages, so that a run measures a sustained rate and not a growing backlog.
//
// Every message carries its publisher's number, a sequence number and the time
// of sending in its body (see stamp.go). Each subscriber checks that no number
// is missing and none comes out of order.
package load
