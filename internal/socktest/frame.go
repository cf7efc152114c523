package socktest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// ErrProtocol is wrapped by errors that say how something was not as SockJS
// wants it.
var ErrProtocol = errors.New("not as SockJS wants it")

// A Frame is one of SockJS's, taken apart.
type Frame struct {
	Kind     byte     // o, h, a or c
	Messages []string // of an a
	Code     int      // of a c, as is Reason
	Reason   string
}

// Parse reads a frame, without the line feed at its end; the h of a prelude may
// be many. Its errors wrap ErrProtocol.
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

// Quote gives text as a JSON string.
func Quote(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err) // there is no string that has none
	}
	return string(b)
}
