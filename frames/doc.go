// Package frames puts STOMP frames on the wire and takes them off it.
//
// It keeps go-stomp's frame.Frame and frame.Header as the types of a decoded
// frame, but reads and writes them itself: a [Decoder] that takes bytes in any
// pieces, is bounded in every direction and believes nothing that the peer
// says, and Append functions that encode for the version that was negotiated.
//
// The specifications are cited as "STOMP 1.2, Frames and Headers"; where
// brokers and clients differ, docs/protocol.md says what is done here.
package frames
