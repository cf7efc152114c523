// Package transport carries STOMP over WebSocket, SockJS and TCP, with and
// without TLS. Package connections admits the connections, runs their sessions, and
// drains them when the broker stops.
package transport
