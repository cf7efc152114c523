package admin

import "net/http"

// health tells that the process answers.
func (s *server) health(w http.ResponseWriter, r *http.Request) error {
	if _, err := parameters(r); err != nil {
		return err
	}
	return answer(w, map[string]string{"status": "ok"})
}

// Readiness is the answer of /readyz. Its status is 200 if Ready, else 503.
type Readiness struct {
	Ready   bool     `json:"ready"`
	Reasons []Reason `json:"reasons"`
}

// A Reason is why the broker is not ready.
type Reason struct {
	Check   string `json:"check"`
	Message string `json:"message"`
}

func (s *server) ready(w http.ResponseWriter, r *http.Request) error {
	if _, err := parameters(r); err != nil {
		return err
	}
	status, all := http.StatusOK, Readiness{Ready: true, Reasons: []Reason{}}
	for _, c := range s.o.Checks {
		if err := c.Ready(); err != nil {
			status, all.Ready = http.StatusServiceUnavailable, false
			all.Reasons = append(all.Reasons, Reason{c.Name, err.Error()})
		}
	}
	return write(w, status, all)
}
