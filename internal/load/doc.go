// Package load generates load for a STOMP 1.2 broker and measures the broker's
// performance. It is the engine of the bench command.
//
// The generator shares the machine with the broker, so its receive path must
// cost well under 100 ns a message: one read of the socket fills a large pooled
// buffer, and WebSocket and STOMP frames are parsed in place, without an
// allocation or a copy per frame. Many frames are sent in one system call. A
// window of outstanding messages throttles the publishers, so that a run
// measures a sustained rate and not a growing backlog.
//
// The body of each message carries the publisher's number, a sequence number
// and the time of sending (see stamp.go). Each subscriber checks that no
// message is lost or out of order.
package load
