package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"hoofbeat/auth"
	"hoofbeat/broker"
)

// A refusal is an error with a response for the client.
type refusal struct {
	status  int
	word    string // for programs; words with dashes
	message string // a sentence, for people
}

func (r *refusal) Error() string { return r.message }

func badRequest(format string, a ...any) error {
	return &refusal{http.StatusBadRequest, "bad-request", fmt.Sprintf(format, a...)}
}

// refusals map the broker's errors to responses.
var refusals = []struct {
	err error
	refusal
}{
	{broker.ErrUnknownQueue, refusal{http.StatusNotFound, "unknown-queue", "there is no such queue"}},
	{broker.ErrQueueInUse, refusal{http.StatusConflict, "queue-in-use", "the queue has consumers; it can be deleted when they have gone"}},
	{broker.ErrQueueExists, refusal{http.StatusConflict, "queue-exists", "there is such a queue already"}},
	{auth.ErrNoRevokedFile, refusal{http.StatusConflict, "no-revoked-file", auth.ErrNoRevokedFile.Error()}},
	{broker.ErrQueueFull, refusal{http.StatusConflict, "queue-full", "the queue to move to is full"}},
}

// refuse writes the response to a failed request.
func (s *server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	told, known := errors.AsType[*refusal](err)
	for i := range refusals {
		if !known && errors.Is(err, refusals[i].err) {
			told, known = &refusals[i].refusal, true
		}
	}
	if !known {
		s.o.Log.Error("a request of an operator failed", "path", r.URL.Path, "error", err)
		told = &refusal{http.StatusInternalServerError, "failed", err.Error()}
	}
	_ = write(w, told.status, struct {
		Error   string `json:"error"`
		Message string `json:"message"`
	}{told.word, told.message}) // ignore: the client may have gone
}

// answer writes a successful response.
func answer(w http.ResponseWriter, v any) error { return write(w, http.StatusOK, v) }

// write writes a JSON response. It returns errors of encoding; errors of
// writing mean that the client has gone and are ignored.
func write(w http.ResponseWriter, status int, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("writing an answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n'))
	return nil
}

// Limits of a request's JSON in bytes: for two of the longest names, escaped,
// and for any path.
const (
	maxRequest  = 16 << 10
	longestBody = maxExplain
)

// read decodes the JSON object of a request.
func read(c *call, into any) error { return readUpTo(maxRequest, c, into) }

func readUpTo(most int, c *call, into any) error {
	r := c.r
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return &refusal{http.StatusUnsupportedMediaType, "wrong-content-type", "expected Content-Type: application/json"}
	}
	if r.URL.RawQuery != "" {
		return badRequest("expected no query; what to do is in the JSON object")
	}
	if _, large := errors.AsType[*http.MaxBytesError](c.failed); large || len(c.body) > most {
		return &refusal{http.StatusRequestEntityTooLarge, "too-large", fmt.Sprintf("expected at most %d bytes", most)}
	}
	err := c.failed
	if err == nil {
		err = parse(c.body, into)
	}
	if err != nil {
		return badRequest("expected a JSON object: %v", err)
	}
	return nil
}

// parse decodes a JSON object with nothing after it.
func parse(text []byte, into any) error {
	if text = bytes.TrimSpace(text); len(text) == 0 || text[0] != '{' {
		return errors.New("it does not begin with a brace")
	}
	if err := checkMembers(text); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("unexpected %s in %s", wrong.Value, wrong.Field)
	}
	if err != nil {
		return err
	}
	if _, more := d.Token(); !errors.Is(more, io.EOF) {
		return errors.New("something follows it")
	}
	return nil
}

// checkMembers rejects input that encoding/json would accept: a repeated
// member, of which it takes the last, and a member in another case. All valid
// members are lower-case letters.
func checkMembers(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	if _, err := d.Token(); err != nil {
		return err
	}
	seen := make(map[string]bool)
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string) // always a string in this place
		switch {
		case strings.Trim(name, "abcdefghijklmnopqrstuvwxyz") != "":
			return fmt.Errorf("unknown field %q", name)
		case seen[name]:
			return fmt.Errorf("%s is there twice", name)
		}
		seen[name] = true
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return err
		}
	}
	return nil
}

// parameters parses a query that may contain only the known parameters, each
// once.
func parameters(r *http.Request, known ...string) (map[string]string, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, badRequest("the query cannot be read: %v", err)
	}
	given := map[string]string{}
	for _, name := range known {
		if values, ok := query[name]; ok {
			if len(values) != 1 {
				return nil, badRequest("expected the parameter %s once", name)
			}
			given[name] = values[0]
			delete(query, name)
		}
	}
	for name := range query {
		return nil, badRequest("there is no parameter %q here", name)
	}
	return given, nil
}

// number parses an optional parameter.
func number(given map[string]string, name string, otherwise, least, most int) (int, error) {
	text, ok := given[name]
	if !ok {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, badRequest("expected %s to be a number from %d to %d", name, least, most)
	}
	return n, nil
}
