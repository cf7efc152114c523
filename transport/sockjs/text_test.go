package sockjs

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestUnquote(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{``, ""},
		{` `, ""},
		{`[]`, ""},
		{` [ ] `, ""},
		{`[""]`, ""},
		{`["a"]`, "a"},
		{`"a"`, "a"},
		{" \"a\"\r\n", "a"},
		{`["a","b" , "c"]`, "abc"},
		{`["\"\\\/\b\f\n\r\t\u0000\u00e9\u20AC"]`, "\"\\/\b\f\n\r\t\x00é€"},
		{`["é€😀"]`, "é€😀"},
		{`["\ud83d\ude00"]`, "😀"},
		{`["\ud83d","\ude00"]`, "😀"}, // split by a client
		{`["\ud83d","x"]`, "\ufffdx"},
		{`["\ud83d\n"]`, "\ufffd\n"},
		{`["\ud83d\ud83d\ude00"]`, "\ufffd😀"},
		{`["\ude00x"]`, "\ufffdx"},
		{`["\uffff\ufffe\u2028"]`, "\uffff\ufffe\u2028"},
		{`["` + strings.Repeat("x", 100) + `\n"]`, strings.Repeat("x", 100) + "\n"},
	} {
		for piece := 1; piece < len(tc.in)+2; piece++ {
			got, u, err := unquoteIn(tc.in, piece)
			if err != nil || !u.complete() || got != tc.want {
				t.Errorf("%s in pieces of %d: got %q, %v, complete: %v", tc.in, piece, got, err, u.complete())
			}
		}
	}
}

func TestUnquoteBroken(t *testing.T) {
	for _, in := range []string{
		`["a`, `["a"`, `["a",`, `[`, `"a`, `["a\`, `["a\u12`, // incomplete
		`["a",]`, `[,"a"]`, `["a" "b"]`, `["a"]]`, `["a"],`, `"a""b"`, `"a"]`, `]`, `a["a"]`, `{}`, `{"a":"b"}`, `[["a"]]`, `[1]`, `["a",1]`, `[null]`, `null`, `1`,
		`["\x"]`, `["\u12g4"]`, "[\"\n\"]", "[\"\x00\"]", `['a']`,
	} {
		for piece := 1; piece < len(in)+2; piece++ {
			if got, u, err := unquoteIn(in, piece); err == nil && u.complete() {
				t.Errorf("%s in pieces of %d gives %q", in, piece, got)
			}
		}
	}
}

// unquoteIn decodes a message in pieces, each in place.
func unquoteIn(in string, piece int) (string, *unquoter, error) {
	var u unquoter
	var got []byte
	for len(in) > 0 {
		n := min(piece, len(in))
		room := make([]byte, unquoteShift+n)
		copy(room[unquoteShift:], in[:n])
		text, err := u.decode(room[:0], room[unquoteShift:])
		if err != nil {
			return "", &u, err
		}
		got, in = append(got, text...), in[n:]
	}
	return string(got), &u, nil
}

func TestQuote(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"", ""},
		{"aé€😀\x7f", "aé€😀\x7f"},
		{"\"\\\n\r\t\x00\x1f/", `\"\\\n\r\t\u0000\u001f/`},
		{"\u200b\u200c\u200f\u2010\u2027\u2028\u202f\u2030\u205f\u2060\u206f\u2070", "\u200b" + `\u200c\u200f` + "\u2010\u2027" + `\u2028\u202f` + "\u2030\u205f" + `\u2060\u206f` + "\u2070"},
		{"\uffef\ufff0\ufffd\uffff\U00010000", "\uffef" + `\ufff0\ufffd\uffff` + "\U00010000"},
	} {
		if got := string(appendQuoted([]byte("x"), []byte(tc.in))); got != "x"+tc.want {
			t.Errorf("%q becomes %s, want %s", tc.in, got, tc.want)
		}
	}
}

func FuzzQuote(f *testing.F) {
	f.Add("a\"\\\x00\n\u2028😀\ufffd")
	f.Add(strings.Repeat("ab€😀", quotePiece/8))
	f.Add("\xe2\x80")
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			t.Skip()
		}
		var q []byte
		for p := []byte(text); len(p) > 0; {
			n := nextPiece(p)
			if !utf8.Valid(p[:n]) {
				t.Fatal("a piece ends within a character")
			}
			q, p = appendQuoted(q, p[:n]), p[n:]
		}
		if n := quotedLen([]byte(text)); n != len(q) || n > maxQuoted*len(text) {
			t.Errorf("%d bytes for %d, expected %d", len(q), len(text), n)
		}
		var back []string
		if err := json.Unmarshal([]byte(`["`+string(q)+`"]`), &back); err != nil || back[0] != text {
			t.Errorf("%q comes back as %q, %v", text, back, err)
		}
		if got, u, err := unquoteIn(`["`+string(q)+`"]`, 7); err != nil || !u.complete() || got != text {
			t.Errorf("%q is read as %q, %v", text, got, err)
		}
	})
}

// The unquoter agrees with encoding/json, for pieces of any size.
func FuzzUnquote(f *testing.F) {
	for _, s := range []string{`["a","b"]`, `"x"`, `[]`, `["\ud83d\ude00\n"]`, `["\ud83d","\ude00"]`, `["a`, `[1]`, "[\"\\u00"} {
		f.Add([]byte(s), uint8(1))
		f.Add([]byte(s), uint8(3))
	}
	f.Fuzz(func(t *testing.T, in []byte, piece uint8) {
		got, u, err := unquoteIn(string(in), int(piece)+1)
		whole, v, errWhole := unquoteIn(string(in), len(in)+1)
		if (err == nil) != (errWhole == nil) || got != whole || u.complete() != v.complete() {
			t.Fatalf("in pieces %q, %v; in one %q, %v", got, err, whole, errWhole)
		}
		if !utf8.Valid(in) || bytes.Contains(bytes.ToLower(in), []byte(`\ud`)) {
			return // lone surrogates are decoded differently
		}
		want, ok := readJSON(in)
		if read := err == nil && u.complete() && !u.empty(); read != ok || ok && got != want {
			t.Errorf("%q is read as %q, %v; want %q, %v", in, got, err, want, ok)
		}
	})
}

// readJSON decodes with encoding/json, which also accepts null as a string.
func readJSON(in []byte) (string, bool) {
	var all []*string
	if bytes.HasPrefix(bytes.TrimLeft(in, " \t\r\n"), []byte("\"")) {
		var one string
		err := json.Unmarshal(in, &one)
		return one, err == nil
	}
	if err := json.Unmarshal(in, &all); err != nil || all == nil {
		return "", false
	}
	var b strings.Builder
	for _, s := range all {
		if s == nil {
			return "", false
		}
		b.WriteString(*s)
	}
	return b.String(), true
}
