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

// A refusal is an error that the client is told.
type refusal struct {
	status  int
	word    string // dashed, for programs
	message string // a sentence, for people
}

func (r *refusal) Error() string { return r.message }

func badRequest(format string, a ...any) error {
	return &refusal{http.StatusBadRequest, "bad-request", fmt.Sprintf(format, a...)}
}

// refusals are what clients are told of the broker's errors.
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

// refuse answers a request that failed.
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
	}{told.word, told.message}) // the client has gone if that fails
}

// answer is write for what went well.
func answer(w http.ResponseWriter, v any) error { return write(w, http.StatusOK, v) }

// write answers with JSON. The error is that of making it; that the client
// has gone is none.
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

// Bounds of the JSON of a request, in bytes: two of the longest names, escaped;
// and what any path takes.
const (
	maxRequest  = 16 << 10
	longestBody = maxExplain
)

// read reads the JSON object of a request.
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

// parse reads a JSON object with nothing behind it.
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

// checkMembers refuses what encoding/json would make something of: a member
// that is there twice, of which it takes the last, and one that is written in
// another case. All that there are are lower-case letters.
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
		name, _ := token.(string) // nothing else is in its place
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

// parameters reads a query, in which nothing but these may be, each once.
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

// number reads a parameter that may be left out.
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
