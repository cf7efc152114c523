// Package transport carries STOMP over WebSocket, SockJS and TCP, with and
// without TLS. It accepts connections within limits, gives each to a session,
// and drains them when the broker stops.
package transport
