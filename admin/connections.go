package admin

import (
	"cmp"
	"fmt"
	"iter"
	"net/http"
	"net/netip"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"hoofbeat/internal/mask"
	"hoofbeat/session"
)

// A ConnectionInfo is an operator's view of a connection.
type ConnectionInfo struct {
	ID            string     `json:"id"`
	User          string     `json:"user,omitempty"`
	Method        string     `json:"method,omitempty"` // method of authentication
	Remote        string     `json:"remote"`
	Transport     string     `json:"transport"`
	Version       string     `json:"version,omitempty"` // STOMP version; empty until CONNECT is accepted
	Connected     time.Time  `json:"connected"`
	ClientID      string     `json:"client_id,omitempty"`
	Subscriptions int        `json:"subscriptions"`
	Received      int64      `json:"received"`  // frames from the client
	Delivered     int64      `json:"delivered"` // messages to the client
	Unacked       int        `json:"unacked"`
	OutboundBytes int        `json:"outbound_bytes"` // waiting to be written
	Expires       *time.Time `json:"expires,omitempty"`
	State         string     `json:"state"` // connecting, connected or closing
	// SubscriptionsList is set only in the response for a single connection.
	SubscriptionsList []SubscriptionInfo `json:"subscriptions_list,omitempty"`
}

// ConnectionList is the response of /api/v1/connections.
type ConnectionList struct {
	Connections []ConnectionInfo `json:"connections"`
	Page
}

// A SubscriptionInfo is an operator's view of a subscription.
type SubscriptionInfo struct {
	ID          string `json:"id,omitempty"`
	Destination string `json:"destination"`
	Ack         string `json:"ack"`
	Unacked     int    `json:"unacked"`
	Prefetch    int    `json:"prefetch,omitempty"`
	Durable     bool   `json:"durable"`
	// Connection and User are set only in the list of all subscriptions.
	Connection string `json:"connection,omitempty"`
	User       string `json:"user,omitempty"`
}

// SubscriptionList is the response of /api/v1/subscriptions.
type SubscriptionList struct {
	Subscriptions []SubscriptionInfo `json:"subscriptions"`
	Page
}

// Closed is the response of /api/v1/connection/close.
type Closed struct {
	Closed int `json:"closed"`
}

// notRunning is the response to requests that need a running broker, if there
// is only its directory.
var notRunning = &refusal{http.StatusConflict, "not-running", "the broker does not run: there are only its queues"}

// all iterates over the present connections.
func (s *server) all() (iter.Seq[Connection], error) {
	if s.o.Connections == nil {
		return nil, notRunning
	}
	return s.o.Connections(), nil
}

// ofConnections begins a list derived from the connections: it parses the
// parameters of the page, and others.
func (s *server) ofConnections(c *call, list string, others ...string) (given map[string]string, p page, all iter.Seq[Connection], err error) {
	if given, p, err = listParameters(c, list, others...); err != nil {
		return nil, p, nil, err
	}
	if err = p.from(given); err != nil {
		return nil, p, nil, err
	}
	all, err = s.all()
	return given, p, all, err
}

// byAge orders connections by age: ids grow, and are numbers with letters in
// front.
func byAge(id string) place { return place{int64(len(id)), id} }

func (s *server) connections(c *call) error {
	given, p, all, err := s.ofConnections(c, "connections", "user", "transport", "address", "q")
	if err != nil {
		return err
	}
	wanted := connectionFilter(given)
	items, next, total := pick(&p, func(yield func(place, Connection) bool) {
		for one := range all {
			if wanted(one) && !yield(byAge(one.ID()), one) {
				return
			}
		}
	})
	describe := func(one Connection) (ConnectionInfo, bool) { return describeConnection(one.Describe()), true }
	return answer(c.w, ConnectionList{described(items, describe), Page{next, total}})
}

// connectionFilter returns a filter for the parameters.
func connectionFilter(given map[string]string) func(Connection) bool {
	user, byUser := given["user"]
	transport, byTransport := given["transport"]
	address, byAddress := given["address"]
	q := given["q"]
	at := addressFilter(address)
	return func(c Connection) bool {
		return (!byUser || userOf(c) == user) && (!byTransport || c.Transport() == transport) && (!byAddress || at(c.Remote())) &&
			(q == "" || strings.Contains(c.ID(), q) || strings.Contains(userOf(c), q) || strings.Contains(c.Remote(), q))
	}
}

// addressFilter returns a filter of remote addresses: an address with or
// without a port, or a network like 10.0.0.0/8.
func addressFilter(text string) func(remote string) bool {
	network, err := netip.ParsePrefix(text)
	if a, one := netip.ParseAddr(strings.Trim(text, "[]")); one == nil {
		network, err = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
	}
	if err != nil {
		return func(remote string) bool { return remote == text }
	}
	return func(remote string) bool {
		a, err := netip.ParseAddrPort(remote)
		return err == nil && network.Contains(a.Addr().Unmap().WithZone(""))
	}
}

func userOf(c Connection) string {
	if id := c.Identity(); id != nil {
		return id.User
	}
	return ""
}

func describeConnection(d session.Description) ConnectionInfo {
	out := ConnectionInfo{
		ID: d.ID, Remote: d.Remote, Transport: d.Transport, Version: d.Version, Connected: d.Started.UTC(), ClientID: mask.Text(d.ClientID),
		Subscriptions: d.Subscriptions, Received: d.Received, Delivered: d.Delivered, Unacked: d.Unacked, OutboundBytes: d.Outbound,
		State: string(d.State),
	}
	if id := d.Identity; id != nil {
		out.User, out.Method, out.Expires = id.User, id.Method, instant(id.Expires)
	}
	return out
}

// instant returns a pointer to t, or nil for the zero time.
func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return new(t.UTC())
}

// connectionOf returns the connection with an id.
func (s *server) connectionOf(id string) (Connection, error) {
	all, err := s.all()
	if err != nil {
		return nil, err
	}
	if id == "" {
		return nil, badRequest("expected the id of a connection")
	}
	for c := range all {
		if c.ID() == id {
			return c, nil
		}
	}
	return nil, &refusal{http.StatusNotFound, "unknown-connection", "there is no such connection, or it has ended"}
}

func (s *server) connection(c *call) error {
	given, err := parameters(c.r, "id")
	if err != nil {
		return err
	}
	one, err := s.connectionOf(given["id"])
	if err != nil {
		return err
	}
	out := describeConnection(one.Describe())
	for _, sub := range one.Subscriptions(everything) {
		out.SubscriptionsList = append(out.SubscriptionsList, describeSubscription(sub))
	}
	return answer(c.w, out)
}

func everything(string) bool { return true }

func describeSubscription(i session.SubscriptionInfo) SubscriptionInfo {
	return SubscriptionInfo{ID: i.ID, Destination: i.Destination, Ack: i.Ack, Unacked: i.Unacked, Prefetch: i.Prefetch, Durable: i.Durable}
}

// maxReason limits the reason for a closed client, in bytes.
const maxReason = 500

func (s *server) closeConnection(c *call) error {
	var asked struct {
		ID     string `json:"id"`
		Reason string `json:"reason"`
	}
	if err := read(c, &asked); err != nil {
		return err
	}
	reason := cmp.Or(asked.Reason, "An operator has closed this connection.")
	odd := func(r rune) bool { return unicode.IsControl(r) || r == utf8.RuneError }
	if len(reason) > maxReason || strings.ContainsFunc(reason, odd) {
		return badRequest("expected reason to be at most %d bytes without control characters", maxReason)
	}
	one, err := s.connectionOf(asked.ID)
	if err != nil {
		return err
	}
	one.Close(reason)
	s.record(c, "connection close", nil, "connection", asked.ID, "closed", userOf(one), "address", one.Remote(), "reason", reason)
	return answer(c.w, Closed{1})
}

// within orders subscriptions by the age of their connection.
func within(c Connection, number uint64) place {
	at := byAge(c.ID())
	at.text += fmt.Sprintf(" %016x", number)
	return at
}

// A heldSubscription is a subscription with its connection.
type heldSubscription struct {
	of Connection
	session.SubscriptionInfo
}

func (s *server) subscriptions(c *call) error {
	given, p, all, err := s.ofConnections(c, "subscriptions", "destination", "user", "connection")
	if err != nil {
		return err
	}
	items, next, total := pick(&p, subscriptionsOf(all, given))
	describe := func(h heldSubscription) (SubscriptionInfo, bool) {
		d := describeSubscription(h.SubscriptionInfo)
		d.Connection, d.User = h.of.ID(), userOf(h.of)
		return d, true
	}
	return answer(c.w, SubscriptionList{described(items, describe), Page{next, total}})
}

// subscriptionsOf yields the subscriptions that match the parameters.
func subscriptionsOf(all iter.Seq[Connection], given map[string]string) iter.Seq2[place, heldSubscription] {
	user, byUser := given["user"]
	id, byID := given["connection"]
	wanted := everything
	if q, ok := given["destination"]; ok {
		wanted = func(destination string) bool { return strings.Contains(destination, q) }
	}
	return func(yield func(place, heldSubscription) bool) {
		for c := range all {
			if byID && c.ID() != id || byUser && userOf(c) != user {
				continue
			}
			for _, sub := range c.Subscriptions(wanted) {
				if !yield(within(c, sub.Number), heldSubscription{c, sub}) {
					return
				}
			}
		}
	}
}
