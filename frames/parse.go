package frames

import "github.com/go-stomp/stomp/v3/frame"

// ParseHeader parses header lines that [AppendHeader] has encoded for STOMP
// 1.2, each with its line end, up to a blank line or the end. It returns false
// for any other input.
func ParseHeader(lines string) (*frame.Header, bool) {
	if n := len(lines); n > 0 && lines[n-1] != '\n' {
		return nil, false
	}
	for len(lines) > 0 && lines[len(lines)-1] == '\n' {
		lines = lines[:len(lines)-1]
	}
	p := headerParser{version: V12, command: frame.MESSAGE}
	var room [2 * fewHeaders]string
	entries, bad := p.parse(lines, room[:0])
	if bad != nil {
		return nil, false
	}
	return frame.NewHeader(entries...), true
}
