package soak

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"hoofbeat/admin"
	"hoofbeat/internal/proctest"
)

// An operator uses the admin API, with a connection per request, so that none
// is left.
type operator struct {
	base   string
	token  string
	client *http.Client
}

func newOperator(address string) *operator {
	return &operator{
		base: "http://" + address, token: token("olga", "operator", time.Now().Add(forever)),
		client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: proctest.StepTimeout},
	}
}

// A refusal is a response other than 200.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return fmt.Sprintf("%d %s", r.status, r.text) }

func (o *operator) do(method, path string, asked any) ([]byte, error) {
	var body io.Reader
	if asked != nil {
		data, err := json.Marshal(asked)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(data)
	}
	request, err := http.NewRequestWithContext(context.Background(), method, o.base+path, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+o.token)
	if asked != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := o.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = &refusal{response.StatusCode, strings.TrimSpace(string(data))}
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return data, nil
}

func (o *operator) get(path string, into any) error {
	data, err := o.do(http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

func (o *operator) post(path string, asked any) error {
	_, err := o.do(http.MethodPost, path, asked)
	return err
}

func (o *operator) overview() (all admin.Overview, err error) {
	err = o.get("/api/v1/overview", &all)
	return all, err
}

// queues returns all queues, reading page by page.
func (o *operator) queues() (all []admin.Queue, err error) {
	for after := ""; ; {
		var page admin.QueueList
		if err := o.get("/api/v1/queues?limit=100"+after, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Queues...)
		if page.Next == "" {
			return all, nil
		}
		after = "&after=" + url.QueryEscape(page.Next)
	}
}

// inForce reports whether a configuration is in force.
func (o *operator) inForce(g generation) (bool, error) {
	data, err := o.do(http.MethodGet, "/api/v1/config", nil)
	return bytes.Contains(data, []byte(g.rule())), err
}

// look are the pages that an operator looks at.
var look = []string{
	"/healthz", "/api/v1/overview", "/api/v1/connections?limit=200", "/api/v1/connections?q=user1", "/api/v1/subscriptions?limit=200",
	"/api/v1/subscriptions?destination=fan", "/api/v1/users", "/api/v1/topics?q=fan", "/api/v1/queues?sort=ready&order=desc", "/api/v1/policies",
	"/api/v1/policy?destination=/queue/work.1", "/api/v1/config", "/api/v1/revocations", "/api/v1/log", "/api/v1/me",
	"/api/v1/queue/messages?name=/queue/dead.work&limit=50", "/api/v1/queue/messages?name=/queue/bounded.0",
}

// operate looks, closes connections, and creates and deletes queues until all
// clients leave.
func (p *population) operate(r *rand.Rand) {
	o, w := newOperator(p.w.admin), p.w
	p.each(200*time.Millisecond, func(n int) {
		var err error
		switch {
		case n%10 == 3:
			err = o.closeSomebody(w, r)
		case n%50 == 7:
			err = o.scratch(n)
		default:
			_, err = o.do(http.MethodGet, look[r.IntN(len(look))], nil)
		}
		// An empty queue may not exist, and a connection may have ended
		// already.
		if err != nil && !strings.Contains(err.Error(), "unknown-queue") && !strings.Contains(err.Error(), "unknown-connection") {
			w.faults.add("operator: %v", err)
		}
		w.heard.add("requests of operators")
	})
}

// closeSomebody closes a connection of a user other than the polite one.
func (o *operator) closeSomebody(w *world, r *rand.Rand) error {
	user := fmt.Sprintf("user%d", r.IntN(50))
	if r.IntN(3) == 0 {
		user = fmt.Sprintf("jam%d", r.IntN(jamUsers))
	}
	var found admin.ConnectionList
	if err := o.get("/api/v1/connections?user="+user, &found); err != nil || len(found.Connections) == 0 {
		return err
	}
	err := o.post("/api/v1/connection/close", map[string]string{
		"id": found.Connections[r.IntN(len(found.Connections))].ID, "reason": "a connection is closed now and then",
	})
	if err == nil {
		w.heard.add("closed by an operator")
	}
	return err
}

// scratch creates a queue and deletes it.
func (o *operator) scratch(n int) error {
	name := map[string]string{"name": fmt.Sprintf("/queue/scratch.%d", n)}
	if err := o.post("/api/v1/queue/create", name); err != nil {
		return err
	}
	return o.post("/api/v1/queue/delete", name)
}
