// Package session implements the broker's side of one client: the STOMP state
// machine from CONNECT to DISCONNECT, over any [Conn].
//
// A session has two goroutines at most. [Session.Run] runs on one, and reads
// and handles frames strictly in order. The other writes frames that the
// broker and the first have put into the outgoing queue; it exists only while
// there are some.
package session
