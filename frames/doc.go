// Package frames puts STOMP frames on the wire and takes them off it.
//
// It uses go-stomp's frame.Frame and frame.Header as the types of a decoded
// frame, but has its own codec: a [Decoder] that accepts bytes in pieces of any
// size, limits every resource and does not trust the peer, and Append functions
// that encode for the negotiated version.
//
// Comments cite the specifications as "STOMP 1.2, Frames and Headers". Where
// brokers and clients differ, docs/protocol.md describes the behaviour of this
// package.
package frames
