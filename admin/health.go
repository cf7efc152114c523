package admin

import "net/http"

// health reports that the process answers.
func (s *server) health(c *call) error {
	if _, err := parameters(c.r); err != nil {
		return err
	}
	return answer(c.w, map[string]string{"status": "ok"})
}

// Readiness is the response of /readyz. Its status is 200 if Ready, else 503.
type Readiness struct {
	Ready   bool     `json:"ready"`
	Reasons []Reason `json:"reasons"`
}

// A Reason explains why the broker is not ready.
type Reason struct {
	Check   string `json:"check"`
	Message string `json:"message"`
}

func (s *server) ready(c *call) error {
	if _, err := parameters(c.r); err != nil {
		return err
	}
	status, all := http.StatusOK, s.readiness()
	if !all.Ready {
		status = http.StatusServiceUnavailable
	}
	return write(c.w, status, all)
}

// readiness runs all checks.
func (s *server) readiness() Readiness {
	all := Readiness{Ready: true, Reasons: []Reason{}}
	for _, c := range s.o.Checks {
		if err := c.Ready(); err != nil {
			all.Ready = false
			all.Reasons = append(all.Reasons, Reason{c.Name, err.Error()})
		}
	}
	return all
}
