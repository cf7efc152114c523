package sockjs

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

	"hoofbeat/session"
)

// guesses limits how fast ids of SockJS sessions can be guessed. It counts, by
// network, requests for unknown sessions, and opened sessions until their
// CONNECT. Once a network has used up its allowance, all its requests are
// delayed, including those for existing sessions: a fast answer would reveal a
// right guess.
type guesses struct {
	mu     sync.Mutex // guards the fields below; a leaf
	byNet  map[netip.Prefix]*guesser
	longer time.Time // when to drop idle networks next
}

// A guesser is the allowance of one network.
type guesser struct {
	left float64   // guesses left
	at   time.Time // when left was computed
	slot time.Time // when its next delayed request is served
}

const (
	// maxGuesses is the allowance of a network per guessPeriod. It is large
	// because each client behind a proxy asks once for its old session after a
	// restart.
	maxGuesses  = 200
	guessPeriod = time.Minute
	// guessPace is the interval at which further requests are served. The ids
	// of sockjs-client have 41 bits: at this pace a right guess takes 1,700
	// years.
	guessPace = 50 * time.Millisecond
	// maxGuessDelay is the longest delay of a request.
	maxGuessDelay = 5 * time.Second
)

func newGuesses() *guesses { return &guesses{byNet: make(map[netip.Prefix]*guesser)} }

// of returns the entry of a network, with its allowance topped up. The caller
// holds the lock.
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

// count takes n guesses from a network; a negative n gives some back.
func (g *guesses) count(network netip.Prefix, n float64, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	e := g.of(network, now)
	e.left = min(maxGuesses, max(0, e.left-n))
}

// delay returns how long a request of the network must wait. ok is false if
// that exceeds maxGuessDelay.
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
	if d = slot.Sub(now); d > maxGuessDelay {
		return 0, false
	}
	e.slot = slot
	return d, true
}

// holdUp delays a request of a network that guesses too much. It returns false
// if it has answered the request because the delay would be too long or the
// client has gone.
func (e *Endpoint) holdUp(w http.ResponseWriter, r *http.Request, network netip.Prefix) bool {
	d, ok := e.guesses.delay(network, time.Now())
	if ok && (d == 0 || waited(r.Context(), d)) {
		return true
	}
	e.host.Refuse(w, http.StatusTooManyRequests, "Too many requests of this network were for sessions that do not exist.")
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

// An owner holds the credentials of the request that opened a session. Since
// its id may appear in logs, every request must show the same credentials, or a
// newer token of the same user (pages renew cookies).
type owner struct {
	mu    sync.Mutex // guards the fields below; a leaf
	shown credentials
}

// credentials are those that a request carries.
type credentials struct{ authorization, query, cookie string }

// credentialsOf returns those of a connection.
func credentialsOf(info session.Info) credentials {
	return credentials{info.HTTPAuthorization, info.QueryToken, info.CookieToken}
}

// same compares in constant time.
func (c credentials) same(o credentials) bool {
	a, b := c.sum(), o.sum()
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

func (c credentials) sum() [sha256.Size]byte {
	return sha256.Sum256([]byte(c.authorization + "\x00" + c.query + "\x00" + c.cookie))
}

// token returns the token that package auth would use, or "".
func (c credentials) token() string {
	if scheme, token, _ := strings.Cut(c.authorization, " "); strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token)
	}
	return cmp.Or(c.query, c.cookie)
}

// owns reports whether a request may use a session.
func (e *Endpoint) owns(r *http.Request, o *owner) bool {
	now := credentialsOf(e.host.Info(r, "", ""))
	o.mu.Lock()
	was := o.shown
	o.mu.Unlock()
	if was == (credentials{}) || was.same(now) {
		return true
	}
	user, known := e.userOf(r, was.token())
	again, proven := e.userOf(r, now.token())
	if !known || !proven || user != again {
		return false
	}
	o.mu.Lock()
	o.shown = now
	o.mu.Unlock()
	return true
}

// userOf returns the user that a token proves.
func (e *Endpoint) userOf(r *http.Request, token string) (user string, ok bool) {
	if token == "" {
		return "", false
	}
	return e.session.UserOf(token, e.host.RemoteOf(r), r.Context().Done())
}
