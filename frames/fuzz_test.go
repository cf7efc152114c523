package frames

import (
	"reflect"
	"testing"
)

// FuzzDecode checks that pieces make no difference, that memory is bounded, and
// that decoded frames survive encoding and decoding.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		"CONNECT\naccept-version:1.2\n\n\x00",
		"SEND\ndestination:/queue/a\ncontent-length:3\n\n\x00\n\x00\x00",
		"\r\nSEND\r\na\\cb:\\n\\\\\r\n\r\nbody\x00\nACK\nid:1\n\n\x00",
		"SUBSCRIBE\nid:1\n\nx\x00", "SEND\na:\r\n\n\x00", "SEND\n\n\xff\x00",
	} {
		for v := range uint8(4) {
			f.Add([]byte(s), []byte{1, 2, 3}, v)
		}
	}
	l := Limits{HeaderBytes: 200, Headers: 5, BodyBytes: 300, BytesBeforeConnect: 100}
	f.Fuzz(func(t *testing.T, data, cuts []byte, version uint8) {
		v := Version(version % 4)
		whole := NewDecoder(l)
		whole.SetVersion(v)
		want, wantErr := feed(whole, data, 1<<20)

		pieces := NewDecoder(l)
		pieces.SetVersion(v)
		steps := []int{1}
		for _, c := range cuts {
			steps = append(steps, int(c)+1)
		}
		got, err := feed(pieces, data, steps...)
		if !reflect.DeepEqual(got, want) || (err == nil) != (wantErr == nil) {
			t.Fatalf("in pieces: %q, %v\nwhole: %q, %v", got, err, want, wantErr)
		}
		if cap(pieces.body) > 2*300 || len(pieces.buf) > 2*chunkBytes {
			t.Fatalf("holds %d and %d bytes", cap(pieces.body), len(pieces.buf))
		}
		roundTrip(t, want, v)
	})
}

func roundTrip(t *testing.T, in []decoded, v Version) {
	for _, f := range in {
		if v < V11 || f.command != "SEND" {
			continue
		}
		out := Append(nil, f.frame(), v)
		d := NewDecoder(DefaultLimits())
		d.SetVersion(v)
		got, err := feed(d, out, 1<<20)
		if err != nil || len(got) != 1 {
			t.Fatalf("%q encoded as %q decodes to %q, %v", f, out, got, err)
		}
		if want, again := withoutLength(f), withoutLength(got[0]); !reflect.DeepEqual(want, again) {
			t.Fatalf("%q became %q", want, again)
		}
	}
}

func withoutLength(d decoded) decoded {
	var kept []string
	for i := 0; i < len(d.headers); i += 2 {
		if d.headers[i] != "content-length" {
			kept = append(kept, d.headers[i], d.headers[i+1])
		}
	}
	d.headers = kept
	return d
}
