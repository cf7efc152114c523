package socktest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// ErrProtocol is wrapped by errors about violations of SockJS.
var ErrProtocol = errors.New("SockJS protocol violation")

// A Frame is a parsed SockJS frame.
type Frame struct {
	Kind     byte     // o, h, a or c
	Messages []string // of an a frame
	Code     int      // of a c frame, like Reason
	Reason   string
}

// Parse parses a frame without its line feed. A prelude may consist of many h.
// Errors wrap ErrProtocol.
func Parse(text string) (f Frame, err error) {
	if text == "" {
		return f, fmt.Errorf("%w: an empty frame", ErrProtocol)
	}
	f.Kind = text[0]
	switch f.Kind {
	case 'o':
		err = wantNothing(text[1:])
	case 'h':
		err = wantNothing(strings.TrimLeft(text, "h"))
	case 'a':
		err = json.Unmarshal([]byte(text[1:]), &f.Messages)
	case 'c':
		err = json.Unmarshal([]byte(text[1:]), &[]any{&f.Code, &f.Reason})
	default:
		err = errors.New("no such frame")
	}
	if err != nil {
		return f, fmt.Errorf("%w: %.200q: %w", ErrProtocol, text, err)
	}
	return f, nil
}

func wantNothing(rest string) error {
	if rest != "" {
		return fmt.Errorf("%.20q is behind it", rest)
	}
	return nil
}

// Quote returns text as a JSON string.
func Quote(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err) // every string can be encoded
	}
	return string(b)
}
