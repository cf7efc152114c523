// Package session is one client's side of the broker: the STOMP state machine
// from CONNECT to DISCONNECT, over any [Conn].
//
// A session has two goroutines at most. [Session.Run] is called on one and
// reads and handles frames strictly in order. The other writes what the
// broker and the first have put into the outgoing queue; it exists only while
// there is something to write.
package session
