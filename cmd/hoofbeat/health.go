package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hoofbeat/admin"
	"hoofbeat/config"
)

// A healthCheck has the options of `hoofbeat health`.
type healthCheck struct {
	admin   string
	alive   bool
	timeout time.Duration
}

func newHealthCommand() *cobra.Command {
	h := &healthCheck{}
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask a running broker whether it is ready; exit code 0 means yes",
		Long: `Asks /readyz of a broker's listener for operators, or /healthz with --alive. Exit code 0: ready; 1: not ready, or nobody
answers. It needs no token, and no other program, so that it does as a check where there is no shell.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return h.run(cmd) },
	}
	flags := cmd.Flags()
	flags.StringVar(&h.admin, "admin", "", "`address` of the listener for operators (default: listen.admin.address of the configuration)")
	flags.BoolVar(&h.alive, "alive", false, "ask only whether the process answers, not whether it is ready")
	flags.DurationVar(&h.timeout, "timeout", 5*time.Second, "how long to wait for the answer")
	addKeys(cmd)
	return cmd
}

func (h *healthCheck) run(cmd *cobra.Command) error {
	if h.timeout <= 0 {
		return errors.New("--timeout must be more than 0")
	}
	base := h.admin
	if base == "" {
		c, err := loadConfig(cmd)
		if err != nil {
			return err
		}
		base = adminURL(c)
	}
	base, err := healthURL(base)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), h.timeout)
	defer cancel()
	told, err := h.ask(ctx, base)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), told)
	return err
}

// adminURL returns the configured URL of the admin listener.
func adminURL(c *config.Config) string {
	if c.Listen.Admin.TLS.Cert == "" {
		return "http://" + c.Listen.Admin.Address
	}
	return "https://" + c.Listen.Admin.Address
}

// healthURL returns the URL for a listener's address. For a listener on all
// addresses, it uses loopback.
func healthURL(address string) (string, error) {
	protocol, rest, ok := strings.Cut(strings.TrimSuffix(address, "/"), "://")
	if !ok {
		protocol, rest = "http", protocol
	}
	host, port, err := net.SplitHostPort(rest)
	if number, failed := strconv.ParseUint(port, 10, 16); err != nil || failed != nil || number == 0 || protocol != "http" && protocol != "https" {
		return "", fmt.Errorf("listen.admin.address is %q, where no broker can be reached; name one with --admin HOST:PORT", rest)
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip.Is6() {
			host = "::1"
		}
	}
	return protocol + "://" + net.JoinHostPort(host, port), nil
}

// maxHealth limits the bytes read of a response.
const maxHealth = 1 << 20

// ask returns the message about a healthy broker. For any other, the error
// describes the problem.
func (h *healthCheck) ask(ctx context.Context, base string) (told string, err error) {
	path := "/readyz"
	if h.alive {
		path = "/healthz"
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
	if err != nil {
		return "", err
	}
	// The certificate is not verified: it does not name loopback, the request
	// contains no secret, and the response is one bit about this machine.
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}
	answer, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		return "", fmt.Errorf("no broker answers: %w", err)
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxHealth))
	if err != nil {
		return "", fmt.Errorf("no broker answers: %w", err)
	}
	return judge(base+path, answer.StatusCode, text, h.alive)
}

// judge interprets the response of /healthz or /readyz.
func judge(url string, status int, text []byte, alive bool) (string, error) {
	var ready admin.Readiness
	err := json.Unmarshal(text, &ready)
	switch {
	case err != nil:
		return "", fmt.Errorf("%s does not answer as a broker does (status %d)", url, status)
	case status == http.StatusOK && alive:
		return "alive", nil
	case status == http.StatusOK && ready.Ready:
		return "ready", nil
	case len(ready.Reasons) == 0:
		return "", fmt.Errorf("%s: status %d", url, status)
	}
	var reasons []string
	for _, r := range ready.Reasons {
		reasons = append(reasons, r.Check+": "+r.Message)
	}
	return "", fmt.Errorf("not ready: %s", strings.Join(reasons, "; "))
}
