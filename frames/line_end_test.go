package frames

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

// Line ends before the NUL of a frame without a body are ignored, as are NULs
// and line ends between frames, in pieces of any size.
func TestLineEndsAround(t *testing.T) {
	receipt := func(n string) decoded { return decoded{command: "BEGIN", headers: []string{"receipt", n}} }
	for _, data := range []string{
		"BEGIN\nreceipt:1\n\n\n\x00BEGIN\nreceipt:2\n\n\x00",
		"BEGIN\nreceipt:1\n\n\n\r\n\n\x00\n\nBEGIN\nreceipt:2\n\n\r\n\x00\r\n",
		"\x00\x00BEGIN\nreceipt:1\n\n\x00\x00\n\x00\r\n\x00BEGIN\nreceipt:2\n\n\x00\x00",
		"\r\n\x00BEGIN\r\nreceipt:1\r\n\r\n\r\n\x00\x00BEGIN\nreceipt:2\n\n\x00\r\n",
	} {
		for step := 1; step < 12; step++ {
			got, err := feed(client(V12), []byte(data), step)
			want := []decoded{receipt("1"), receipt("2")}
			for i := range got {
				got[i].headers = withoutLength(got[i]).headers
			}
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%q by %d: got %q, %v", data, step, got, err)
			}
		}
	}
	// content-length is ignored there.
	if got, err := feed(client(V12), []byte("BEGIN\ncontent-length:1\n\n\n\x00"), 100); err != nil || len(got) != 1 {
		t.Errorf("got %q, %v", got, err)
	}
	for _, data := range []string{"BEGIN\n\nx\x00", "BEGIN\n\n\nx\x00", "BEGIN\n\n\r\x00", "BEGIN\n\n\n \x00", "SUBSCRIBE\nid:1\n\n\nSEND\n\n\x00"} {
		for step := 1; step < 5; step++ {
			if _, err := feed(client(V12), []byte(data), step); err == nil {
				t.Errorf("%q by %d: no error", data, step)
			}
		}
	}
}

// Partial describes an incomplete frame.
func TestPartial(t *testing.T) {
	for data, want := range map[string]Partial{
		"SEND\ndest":                                           {Length: -1, Came: 9},
		"SEND\ndestination:/queue/a\n\n":                       {Command: "SEND", Length: -1},
		"SEND\ndestination:/queue/a\n\nabc":                    {Command: "SEND", Length: -1, Came: 3},
		"SEND\ndestination:/queue/a\ncontent-length:9\n\nabc":  {Command: "SEND", Length: 9, Came: 3},
		"SEND\ndestination:/queue/a\ncontent-length:3\n\nabc":  {Command: "SEND", Length: 3, Came: 3},
		"BEGIN\ntransaction:t\n\n\n":                           {Command: "BEGIN", Length: -1},
		"BEGIN\ntransaction:t\n\n\x00":                         {Length: -1},
		"BEGIN\ntransaction:t\n\n\x00\n\x00":                   {Length: -1},
		"BEGIN\ntransaction:t\n\n\x00SEND\ncontent-length:3\n": {Length: -1, Came: 22},
	} {
		d := client(V12)
		if _, err := feed(d, []byte(data), 7); err != nil {
			t.Fatal(err)
		}
		got, ok := d.Partial()
		if got != want || ok != (want.Command != "" || want.Came > 0) {
			t.Errorf("%q: got %+v %v, want %+v", data, got, ok, want)
		}
	}
}

// A client that connected to the wrong port is told which protocol it speaks.
func TestOtherProtocols(t *testing.T) {
	for data, want := range map[string]string{
		"GET /ws HTTP/1.1\r\nHost: x\r\n\r\n": `"GET /ws HTTP/1.1" is not a STOMP command but an HTTP request`,
		"OPTIONS * HTTP/1.1\r\n":              "HTTP request",
		"PRI * HTTP/2.0\r\n":                  "HTTP request",
		"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03 a random text of 32 bytes, or so": "but TLS",
		"\x16\x03\x01\n\x00": "but TLS",
		"GETTING\n":          "is not a STOMP command; commands",
	} {
		for step := 1; step < 50; step += 7 {
			_, err := feed(NewDecoder(DefaultLimits()), []byte(data), step)
			if e := (*Error)(nil); !errors.As(err, &e) || e.Word != InvalidFrame || !strings.Contains(e.Text, want) {
				t.Errorf("%q: got %v", data, err)
			}
		}
	}
}
