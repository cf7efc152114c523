package transport

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// guesses bounds how fast the ids of SockJS sessions can be guessed. It counts
// requests that meet no session, and sessions that are opened until their
// CONNECT comes, by network, as sessions belong to one. A network with too many
// of them gets its requests served slowly, those for sessions that exist as
// well: an answer that came fast would tell that a guess was right.
type guesses struct {
	mu     sync.Mutex // guards what follows; a leaf
	byNet  map[netip.Prefix]*guesser
	longer time.Time // when to look for networks to forget
}

// A guesser is a network.
type guesser struct {
	left float64   // guesses that it has
	at   time.Time // when left was right
	slot time.Time // when the next request is served
}

const (
	// maxGuesses is what a network has in guessPeriod: a crowd that comes back
	// after a restart asks for its old sessions once each.
	maxGuesses  = 200
	guessPeriod = time.Minute
	// guessPace is how fast requests are served beyond that. An id of
	// sockjs-client has 41 bits: at this pace a guess is right in 1,700 years.
	guessPace = 50 * time.Millisecond
	// guessPatience is how long a request waits at most.
	guessPatience = 5 * time.Second
)

func newGuesses() *guesses { return &guesses{byNet: make(map[netip.Prefix]*guesser)} }

// of is the network's entry, up to date. The lock is held.
func (g *guesses) of(network netip.Prefix, now time.Time) *guesser {
	if now.After(g.longer) {
		g.longer = now.Add(guessPeriod)
		for n, e := range g.byNet {
			if now.Sub(e.at) >= guessPeriod && now.After(e.slot) {
				delete(g.byNet, n)
			}
		}
	}
	e := g.byNet[network]
	if e == nil {
		e = &guesser{left: maxGuesses, at: now}
		g.byNet[network] = e
	}
	e.left = min(maxGuesses, e.left+maxGuesses*float64(now.Sub(e.at))/float64(guessPeriod))
	e.at = now
	return e
}

// count takes n guesses from a network; less than 0 gives some back.
func (g *guesses) count(network netip.Prefix, n float64, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	e := g.of(network, now)
	e.left = min(maxGuesses, max(0, e.left-n))
}

// delay is how long a request of a network has to wait. Not ok: too long.
func (g *guesses) delay(network netip.Prefix, now time.Time) (d time.Duration, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.byNet[network] == nil {
		return 0, true
	}
	e := g.of(network, now)
	if e.left >= 1 && !e.slot.After(now) {
		return 0, true
	}
	slot := e.slot
	if slot.Before(now) {
		slot = now
	}
	slot = slot.Add(guessPace)
	if d = slot.Sub(now); d > guessPatience {
		return 0, false
	}
	e.slot = slot
	return d, true
}

// holdUp makes a request wait whose network has guessed too much, and answers
// it if that would take too long.
func (s *Server) holdUp(w http.ResponseWriter, r *http.Request, network netip.Prefix) bool {
	d, ok := s.guesses.delay(network, time.Now())
	if ok && (d == 0 || waited(r.Context(), d)) {
		return true
	}
	refuseHTTP(w, http.StatusTooManyRequests, "Too many requests of this network were for sessions that do not exist.")
	return false
}

func waited(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// An owner is whom a session belongs to that was opened with credentials in the
// request: its id may be in some log, so each request wants them again, or a
// newer token of the same user, as cookies are renewed in the life of a page.
type owner struct {
	mu    sync.Mutex // guards what follows; a leaf
	shown credentials
}

// credentials are what a request has of them.
type credentials struct{ authorization, query, cookie string }

func (s *Server) credentialsOf(r *http.Request) (c credentials) {
	c.authorization, c.query, c.cookie = s.credentials(r)
	return c
}

// same compares in constant time.
func (c credentials) same(o credentials) bool {
	a, b := c.sum(), o.sum()
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

func (c credentials) sum() [sha256.Size]byte {
	return sha256.Sum256([]byte(c.authorization + "\x00" + c.query + "\x00" + c.cookie))
}

// token is the one that counts, as in package auth; "" for none.
func (c credentials) token() string {
	if scheme, token, _ := strings.Cut(c.authorization, " "); strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token)
	}
	return cmp.Or(c.query, c.cookie)
}

// owns tells whether a request may use a session.
func (s *Server) owns(r *http.Request, o *owner) bool {
	now := s.credentialsOf(r)
	o.mu.Lock()
	was := o.shown
	o.mu.Unlock()
	if was == (credentials{}) || was.same(now) {
		return true
	}
	user, known := s.userOf(r, was.token())
	again, proven := s.userOf(r, now.token())
	if !known || !proven || user != again {
		return false
	}
	o.mu.Lock()
	o.shown = now
	o.mu.Unlock()
	return true
}

// userOf is whom a token proves.
func (s *Server) userOf(r *http.Request, token string) (user string, ok bool) {
	if token == "" {
		return "", false
	}
	return s.options.Session.UserOf(token, s.remoteOf(r), r.Context().Done())
}
