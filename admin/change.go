package admin

import (
	"context"
	"net/http"
	"path/filepath"
	"time"

	"hoofbeat/destination"
)

// Changed is the response to a change: the number of messages affected.
type Changed struct {
	Messages int `json:"messages"`
}

// Created is the response of /api/v1/queue/create.
type Created struct {
	Name string `json:"name"`
}

// patient removes the time limit of a response: operations on many messages or
// files may take minutes.
func patient(w http.ResponseWriter) {
	// A ResponseWriter without support for deadlines has none.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
}

// record writes a change, or its failure, to the audit log.
func (s *server) record(c *call, what string, err error, about ...any) {
	about = append(about, "remote", s.o.Remote(c.r), "by", c.by.user, "method", c.by.method)
	if err != nil {
		about = append(about, "error", err)
	}
	s.o.Audit.Info(what, about...)
}

// create makes a queue that stays while it is empty.
func (s *server) create(c *call) error {
	var asked struct {
		Name string `json:"name"`
	}
	d, err := s.readQueue(c, &asked, &asked.Name)
	if err != nil {
		return err
	}
	if d.Kind != destination.Queue {
		return badRequest("only a queue can be created; a durable subscription is made by its subscriber")
	}
	err = s.o.Queues.CreateQueue(c.r.Context(), d)
	s.record(c, "queue create", err, "queue", Name(d))
	if err != nil {
		return err
	}
	return answer(c.w, Created{Name(d)})
}

func (s *server) purge(c *call) error {
	return s.empty(c, "queue purge", s.o.Queues.Purge)
}

func (s *server) remove(c *call) error {
	return s.empty(c, "queue delete", s.o.Queues.DeleteQueue)
}

// empty drops the messages of the request's queue.
func (s *server) empty(c *call, what string, drop func(context.Context, destination.Destination) (int, error)) error {
	var asked struct {
		Name string `json:"name"`
	}
	d, err := s.readQueue(c, &asked, &asked.Name)
	if err != nil {
		return err
	}
	patient(c.w)
	n, err := drop(c.r.Context(), d)
	s.record(c, what, err, "queue", Name(d), "messages", n)
	return changed(c, n, err)
}

func (s *server) move(c *call) error {
	var asked struct {
		From  string `json:"from"`
		To    string `json:"to"`
		Limit int    `json:"limit"` // 0: all
	}
	from, err := s.readQueue(c, &asked, &asked.From)
	if err != nil {
		return err
	}
	to, err := s.queueNamed(asked.To)
	switch {
	case err != nil:
		return err
	case to.Kind != destination.Queue:
		return badRequest("messages can be moved to a queue only; a durable subscription gets those of its topic")
	case to.Key() == from.Key():
		return badRequest("expected two queues")
	case asked.Limit < 0:
		return badRequest("expected limit to be at least 0, which means all")
	}
	patient(c.w)
	n, err := s.o.Queues.Move(c.r.Context(), from, to, asked.Limit)
	s.record(c, "queue move", err, "from", Name(from), "to", Name(to), "messages", n)
	return changed(c, n, err)
}

func (s *server) backup(c *call) error {
	var asked struct {
		Directory string `json:"directory"`
	}
	if err := read(c, &asked); err != nil {
		return err
	}
	if s.o.Backup == nil {
		return &refusal{http.StatusConflict, "nothing-stored", "storage.directory is empty: nothing is kept on disk"}
	}
	// A relative path would depend on the broker's working directory, which the
	// client does not know.
	if !filepath.IsAbs(asked.Directory) || filepath.Clean(asked.Directory) != asked.Directory {
		return badRequest("expected directory to be an absolute path, without . and .. in it")
	}
	patient(c.w)
	err := s.o.Backup(asked.Directory)
	s.record(c, "store backup", err, "directory", asked.Directory)
	if err != nil {
		return &refusal{http.StatusConflict, "backup-failed", err.Error()}
	}
	return answer(c.w, struct{}{})
}

// readQueue decodes a request with the name of a queue.
func (s *server) readQueue(c *call, into any, name *string) (destination.Destination, error) {
	if err := read(c, into); err != nil {
		return destination.Destination{}, err
	}
	return s.queueNamed(*name)
}

func changed(c *call, n int, err error) error {
	if err != nil {
		return err
	}
	return answer(c.w, Changed{n})
}
