// Package socktest is the client's side of SockJS in tests: a session is a
// net.Conn of STOMP's bytes, over WebSocket or by HTTP requests, as sockjs-client
// makes them. What is not as SockJS wants it ends the connection, and Err tells
// of it.
package socktest
