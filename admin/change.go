package admin

import (
	"context"
	"net/http"
	"path/filepath"
	"time"

	"hoofbeat/broker"
)

// Changed is the answer to a change: how many messages it was about.
type Changed struct {
	Messages int `json:"messages"`
}

// patient lets a request take as long as it needs to be done with, once it has
// been read: what many messages or files are about may take minutes.
func patient(w http.ResponseWriter) {
	// A ResponseWriter that knows no deadlines has none.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
}

// record tells the audit log of a change, or that it failed.
func (s *server) record(r *http.Request, what string, err error, about ...any) {
	about = append(about, "remote", r.RemoteAddr)
	if err != nil {
		about = append(about, "error", err)
	}
	s.o.Audit.Info(what, about...)
}

func (s *server) purge(w http.ResponseWriter, r *http.Request) error {
	return s.empty(w, r, "queue purge", s.o.Queues.Purge)
}

func (s *server) remove(w http.ResponseWriter, r *http.Request) error {
	return s.empty(w, r, "queue delete", s.o.Queues.DeleteQueue)
}

// empty drops the messages of the queue that the request names.
func (s *server) empty(w http.ResponseWriter, r *http.Request, what string, drop func(context.Context, broker.Destination) (int, error)) error {
	var asked struct {
		Name string `json:"name"`
	}
	d, err := s.readQueue(w, r, &asked, &asked.Name)
	if err != nil {
		return err
	}
	patient(w)
	n, err := drop(r.Context(), d)
	s.record(r, what, err, "queue", Name(d), "messages", n)
	return changed(w, n, err)
}

func (s *server) move(w http.ResponseWriter, r *http.Request) error {
	var asked struct {
		From  string `json:"from"`
		To    string `json:"to"`
		Limit int    `json:"limit"` // 0: all
	}
	from, err := s.readQueue(w, r, &asked, &asked.From)
	if err != nil {
		return err
	}
	to, err := s.queue(asked.To)
	switch {
	case err != nil:
		return err
	case to.Kind != broker.Queue:
		return badRequest("messages can be moved to a queue only; a durable subscription gets those of its topic")
	case to.Key() == from.Key():
		return badRequest("expected two queues")
	case asked.Limit < 0:
		return badRequest("expected limit to be at least 0, which means all")
	}
	patient(w)
	n, err := s.o.Queues.Move(r.Context(), from, to, asked.Limit)
	s.record(r, "queue move", err, "from", Name(from), "to", Name(to), "messages", n)
	return changed(w, n, err)
}

func (s *server) backup(w http.ResponseWriter, r *http.Request) error {
	var asked struct {
		Directory string `json:"directory"`
	}
	if err := read(w, r, &asked); err != nil {
		return err
	}
	if s.o.Backup == nil {
		return &refusal{http.StatusConflict, "nothing-stored", "storage.directory is empty: nothing is kept on disk"}
	}
	// What it is relative to, the client cannot know.
	if !filepath.IsAbs(asked.Directory) || filepath.Clean(asked.Directory) != asked.Directory {
		return badRequest("expected directory to be an absolute path, without . and .. in it")
	}
	patient(w)
	err := s.o.Backup(asked.Directory)
	s.record(r, "store backup", err, "directory", asked.Directory)
	if err != nil {
		return &refusal{http.StatusConflict, "backup-failed", err.Error()}
	}
	return answer(w, struct{}{})
}

// readQueue reads a request, and the name of a queue in it.
func (s *server) readQueue(w http.ResponseWriter, r *http.Request, into any, name *string) (broker.Destination, error) {
	if err := read(w, r, into); err != nil {
		return broker.Destination{}, err
	}
	return s.queue(*name)
}

func changed(w http.ResponseWriter, n int, err error) error {
	if err != nil {
		return err
	}
	return answer(w, Changed{n})
}
