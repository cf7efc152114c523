package session

import (
	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/frames"
	"hoofbeat/internal/mask"
)

// errorFrame encodes an ERROR (STOMP 1.2, ERROR). The version is the
// negotiated one; 0 stands for all of them.
func errorFrame(f *Fault, v frames.Version) []byte {
	version := v.String()
	if v == 0 {
		version = "1.0,1.1,1.2"
	}
	dst := []byte(frame.ERROR + "\n")
	dst = frames.AppendHeader(dst, frame.Message, f.Word, v)
	dst = frames.AppendRawHeader(dst, frame.Version, version)
	dst = frames.AppendRawHeader(dst, frame.ContentType, "text/plain")
	if f.Receipt != "" {
		dst = frames.AppendRawHeader(dst, frame.ReceiptId, f.Receipt)
	}
	if f.Subscription != "" {
		dst = frames.AppendRawHeader(dst, frame.Subscription, f.Subscription)
	}
	if f.RetryAfter != "" {
		dst = frames.AppendRawHeader(dst, "retry-after", f.RetryAfter)
	}
	return frames.AppendBody(dst, []byte(mask.Text(f.Text)+"\n"))
}

// receiptFrame encodes a RECEIPT; the id is as it stood on the wire.
func receiptFrame(id string) []byte {
	dst := []byte(frame.RECEIPT + "\n")
	dst = frames.AppendRawHeader(dst, frame.ReceiptId, id)
	return append(dst, '\n', 0)
}

// lateReceiptFrame is the RECEIPT of a frame that came too late to change
// anything.
func lateReceiptFrame(id string) []byte {
	dst := []byte(frame.RECEIPT + "\n")
	dst = frames.AppendRawHeader(dst, frame.ReceiptId, id)
	return append(dst, "late:true\n\n\x00"...)
}

// Refusal encodes the ERROR for a client that gets no session.
func Refusal(f *Fault) []byte { return errorFrame(f, 0) }
