package frames

import (
	"testing"

	"github.com/go-stomp/stomp/v3/frame"
)

func TestAppend(t *testing.T) {
	odd := frame.New("MESSAGE", "a:b", "c:d\\e\nf\rg", "content-length", "77")
	odd.Body = []byte("x\x00y")
	for _, c := range []struct {
		name    string
		f       *frame.Frame
		version Version
		want    string
	}{
		{"1.2", odd, V12, "MESSAGE\na\\cb:c\\cd\\\\e\\nf\\rg\ncontent-length:3\n\nx\x00y\x00"},
		{"1.1 has no \\r", odd, V11, "MESSAGE\na\\cb:c\\cd\\\\e\\nf\rg\ncontent-length:3\n\nx\x00y\x00"},
		{"1.0 escapes what breaks its framing", odd, V10, "MESSAGE\na\\cb:c:d\\e\\nf\\rg\ncontent-length:3\n\nx\x00y\x00"},
		{"CONNECTED is not escaped", frame.New("CONNECTED", "version", "1.2", "server", "a:b"), V12, "CONNECTED\nversion:1.2\nserver:a:b\n\n\x00"},
		{"no content-length where there is no body", frame.New("RECEIPT", "receipt-id", "1"), V12, "RECEIPT\nreceipt-id:1\n\n\x00"},
		{"empty body", frame.New("ERROR", "message", "x"), V12, "ERROR\nmessage:x\ncontent-length:0\n\n\x00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := string(Append(nil, c.f, c.version)); got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestNeedsEscape(t *testing.T) {
	for _, c := range []struct {
		h    *frame.Header
		want bool
	}{
		{frame.NewHeader(), false},
		{frame.NewHeader("a", "b", "c", "d e"), false},
		{frame.NewHeader("a", "b", "c:", "d"), true},
		{frame.NewHeader("a", "b\\"), true},
		{frame.NewHeader("a", "\r"), true},
	} {
		if got := NeedsEscape(c.h); got != c.want {
			t.Errorf("%v: %v", c.h, got)
		}
	}
}
