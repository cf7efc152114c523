package frames

import "github.com/go-stomp/stomp/v3/frame"

// maxCommand is the length at which a command line without an end is refused.
// The longest command has 11 bytes.
const maxCommand = 32

// clientCommand returns the constant for a client's command. Switching on a
// converted slice does not allocate.
func clientCommand(b []byte) (string, bool) {
	switch string(b) {
	case frame.SEND:
		return frame.SEND, true
	case frame.ACK:
		return frame.ACK, true
	case frame.NACK:
		return frame.NACK, true
	case frame.SUBSCRIBE:
		return frame.SUBSCRIBE, true
	case frame.UNSUBSCRIBE:
		return frame.UNSUBSCRIBE, true
	case frame.BEGIN:
		return frame.BEGIN, true
	case frame.COMMIT:
		return frame.COMMIT, true
	case frame.ABORT:
		return frame.ABORT, true
	case frame.DISCONNECT:
		return frame.DISCONNECT, true
	case frame.CONNECT:
		return frame.CONNECT, true
	case frame.STOMP:
		return frame.STOMP, true
	}
	return "", false
}

// serverCommand returns the constant for a server's command.
func serverCommand(b []byte) (string, bool) {
	switch string(b) {
	case frame.MESSAGE:
		return frame.MESSAGE, true
	case frame.RECEIPT:
		return frame.RECEIPT, true
	case frame.CONNECTED:
		return frame.CONNECTED, true
	case frame.ERROR:
		return frame.ERROR, true
	}
	return "", false
}

// hasBody reports whether a frame may have a body (STOMP 1.2, Body).
func hasBody(command string) bool {
	return command == frame.SEND || command == frame.MESSAGE || command == frame.ERROR
}

// escapes reports whether headers of the frame are escaped. Those of CONNECT
// and CONNECTED are not, "for backwards compatibility with STOMP 1.0" (STOMP
// 1.2, Value Encoding).
func escapes(command string) bool {
	return command != frame.CONNECT && command != frame.STOMP && command != frame.CONNECTED
}
