package client

import (
	"bytes"
	"io"
	"strings"

	"github.com/go-stomp/stomp/v3"
	"github.com/go-stomp/stomp/v3/frame"
)

// stream is a connection on which each Write sends one message, where the transport has messages.
type stream interface {
	io.ReadWriteCloser
	// abort cuts the connection without a closing handshake. It may be called
	// at any time, from any goroutine.
	abort()
}

// wire connects go-stomp with the stream. It writes whole frames to the stream,
// one per Write, and passes RECEIPT and ERROR frames to an observer.
type wire struct {
	stream  stream
	observe func(*frame.Frame, error) // nil: received bytes are not inspected

	out scanner // owned by the goroutine that writes
	in  scanner // owned by the goroutine that reads
}

// Write collects bytes until a frame is complete: go-stomp splits a frame that
// exceeds its buffer over several writes.
func (w *wire) Write(p []byte) (int, error) {
	w.out.feed(p)
	for f := w.out.next(); f != nil; f = w.out.next() {
		if _, err := w.stream.Write(outbound(f)); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// Read reads from the stream.
func (w *wire) Read(p []byte) (int, error) {
	n, err := w.stream.Read(p)
	if w.observe == nil {
		return n, err
	}
	w.in.feed(p[:n])
	for f := w.in.next(); f != nil; f = w.in.next() {
		w.show(f)
	}
	if err != nil {
		w.observe(nil, err)
	}
	return n, err
}

// show passes raw to the observer if it is a RECEIPT or an ERROR. Malformed
// frames are left to go-stomp.
func (w *wire) show(raw []byte) {
	if !isFrame(raw, frame.RECEIPT) && !isFrame(raw, frame.ERROR) {
		return
	}
	if f, err := frame.NewReader(bytes.NewReader(raw)).Read(); err == nil && f != nil {
		w.observe(f, nil)
	}
}

// Close closes the stream.
func (w *wire) Close() error { return w.stream.Close() }

// subscribeReceipt replaces the header "receipt" in a SUBSCRIBE until the frame
// is written.
const subscribeReceipt = "hoofbeat-subscribe-receipt"

// SubscribeReceipt is a go-stomp SubscribeOpt that asks for a RECEIPT with this
// id, which Options.Observe receives. Do not use the plain header "receipt":
// go-stomp takes the RECEIPT for that of UNSUBSCRIBE and closes the
// subscription. The id must not be a number, because go-stomp's own ids are.
func SubscribeReceipt(id string) func(*frame.Frame) error {
	return stomp.SubscribeOpt.Header(subscribeReceipt, id)
}

// outbound corrects a frame that go-stomp wrote.
func outbound(raw []byte) []byte {
	switch {
	case isFrame(raw, frame.CONNECT), isFrame(raw, frame.STOMP):
		// STOMP 1.2, Value Encoding: CONNECT is not escaped, but go-stomp escapes it. It has no body.
		return []byte(strings.NewReplacer(`\\`, `\`, `\c`, ":").Replace(string(raw)))
	case isFrame(raw, frame.SUBSCRIBE):
		return bytes.Replace(raw, []byte("\n"+subscribeReceipt+":"), []byte("\n"+frame.Receipt+":"), 1)
	}
	return raw
}

// isFrame reports whether raw begins with the line of this command.
func isFrame(raw []byte, command string) bool {
	rest, ok := bytes.CutPrefix(raw, []byte(command))
	return ok && (bytes.HasPrefix(rest, []byte("\n")) || bytes.HasPrefix(rest, []byte("\r\n")))
}
