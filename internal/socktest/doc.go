// Package socktest is the client side of SockJS in tests. A session is a
// net.Conn for STOMP's bytes, over WebSocket or HTTP requests in the manner of
// sockjs-client. A violation of the protocol ends the connection, and Err
// returns it.
package socktest
