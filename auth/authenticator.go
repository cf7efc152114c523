package auth

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"hoofbeat/internal/mask"
)

// An Authenticator says who clients are. Its methods may be called at the same
// time from anywhere.
type Authenticator struct {
	state    atomic.Pointer[state]
	gate     gate
	throttle *Throttle // nil: none
	decoyKey []byte    // see accounts.decoys; the same for as long as the process lives
	counters counters

	mu     sync.Mutex // held while state is replaced
	closed bool       // guarded by mu
}

// A state is what one set of options makes. It is not changed after it was
// made, but its remote keys are refreshed.
type state struct {
	options Options
	tokens  *verifier // nil: no tokens
	users   accounts
	revoked revocations
}

// ErrClosed is returned by Reload after Close.
var ErrClosed = errors.New("auth: closed")

// New checks the options, reads their files and fetches the keys of the URL.
// The error has one line per fault, each with the name of its setting, and
// nothing secret. ctx is for the fetch only. The Authenticator must be closed.
func New(ctx context.Context, o Options) (*Authenticator, error) {
	a := &Authenticator{gate: make(gate, runtime.GOMAXPROCS(0)), throttle: o.Throttle, decoyKey: randomBytes(32)}
	s, err := a.build(ctx, o, nil)
	if err != nil {
		return nil, err
	}
	a.state.Store(s)
	return a, nil
}

// Reload puts other options in force, or the same ones with what is in their
// files now. Keys of a URL are fetched only if the URL or one of its settings
// is another. The Throttle stays that of New. After an error everything is as
// before. Sessions keep what they were given: ask Revoked about each of them.
func (a *Authenticator) Reload(ctx context.Context, o Options) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return ErrClosed
	}
	old := a.state.Load()
	s, err := a.build(ctx, o, old.remote())
	if err != nil {
		return err
	}
	a.state.Store(s)
	if r := old.remote(); r != nil && r != s.remote() {
		r.stop()
	}
	return nil
}

// Close ends the refreshing of keys and waits for its end. The last keys stay
// in force.
func (a *Authenticator) Close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	if r := a.state.Load().remote(); r != nil {
		r.stop()
	}
}

// build makes a state. It takes over the remote keys in use if they are what
// the options want. Nothing is left running after an error.
func (a *Authenticator) build(ctx context.Context, o Options, inUse *remote) (*state, error) {
	o = o.withDefaults()
	s := &state{options: o}
	var faults [3]error
	if o.JWT != nil {
		s.tokens, faults[0] = newVerifier(o.JWT.withDefaults(), o.clock)
	}
	s.users, faults[1] = newAccounts(o, a.decoyKey)
	s.revoked, faults[2] = readRevocations(o.RevokedFile)
	if err := errors.Join(faults[:]...); err != nil {
		return nil, err
	}
	if s.tokens == nil || s.tokens.options.JWKSURL == "" {
		return s, nil
	}
	var err error
	s.tokens.remote, err = a.remoteFor(ctx, o, s.tokens.options, inUse)
	return s, err
}

func (a *Authenticator) remoteFor(ctx context.Context, o Options, t TokenOptions, inUse *remote) (*remote, error) {
	if inUse != nil && inUse.url == t.JWKSURL && inUse.options == t.JWKS {
		return inUse, nil
	}
	starting := a.state.Load() == nil
	return newRemote(ctx, t.JWKSURL, t.JWKS, o, &a.counters, starting && t.JWKS.StartWithout)
}

// remote returns the remote keys, or nil.
func (s *state) remote() *remote {
	if s.tokens == nil {
		return nil
	}
	return s.tokens.remote
}

// Authenticate returns whom the credentials prove, or a [Refusal]. A token
// decides if there is one, else login and passcode, else the client is
// anonymous if that is allowed. It may take a fraction of a second, and some
// seconds while keys are fetched, many clients log in, or after failures.
func (a *Authenticator) Authenticate(r Request) (*Identity, error) {
	s := a.state.Load()
	return s.unrevoked(a.authenticate(s, r))
}

// unrevoked refuses an identity that was revoked.
func (s *state) unrevoked(id *Identity, err error) (*Identity, error) {
	if err != nil {
		return nil, err
	}
	if err := s.revoked.check(id); err != nil {
		return nil, err
	}
	return id, nil
}

func (a *Authenticator) authenticate(s *state, r Request) (*Identity, error) {
	r = s.withBasic(r)
	if s.tokens != nil {
		token, found, err := s.tokens.options.Sources.token(r)
		if err != nil {
			return nil, err
		}
		if found {
			return s.token(token, a.throttle.token(r.Peer))
		}
	}
	offered := r.Login != "" || r.Passcode != ""
	switch {
	case offered && s.users.configured:
		readings := []Reading{{r.Login, r.Passcode}}
		if r.Unescaped != nil {
			readings = append(readings, *r.Unescaped)
		}
		return a.login(s, r.Peer, readings...)
	case s.options.Anonymous:
		return s.anonymous(r.Login)
	case offered:
		return nil, &Refusal{Reason: reasonNoUsers, User: r.Login}
	default:
		return nil, refuse(reasonNoCredentials)
	}
}

// anonymous is whoever proves nothing. Where names can be proven, nobody may
// choose one. A token that nobody has asked for is no name: names are shown.
func (s *state) anonymous(login string) (*Identity, error) {
	id := &Identity{User: AnonymousUser, Roles: s.options.AnonymousRoles, Method: MethodAnonymous}
	if s.tokens == nil && !s.users.configured && login != "" && !mask.Holds(login) {
		if checkName(login) != nil {
			return nil, refuse(reasonName)
		}
		id.User = login
	}
	return id, nil
}

const reasonName = "the login is no proper name"

// Verify returns whom a token proves, or a [Refusal], for whoever may look into
// any token: nothing is counted as a failure. It takes as long as Authenticate.
func (a *Authenticator) Verify(token string) (*Identity, error) { return a.verify(token, nil) }

// VerifyFrom is Verify for a client or an operator who wants to be let in.
func (a *Authenticator) VerifyFrom(token string, from Peer) (*Identity, error) {
	return a.verify(token, a.throttle.token(from))
}

func (a *Authenticator) verify(token string, u *turn) (*Identity, error) {
	s := a.state.Load()
	if s.tokens == nil {
		return nil, refuse(reasonNoJWT)
	}
	return s.unrevoked(s.token(token, u))
}

// token returns whom a token proves, if there are tokens.
func (s *state) token(token string, u *turn) (*Identity, error) {
	id, err := s.tokens.verifyFrom(token, u)
	if err == nil && s.isStatic(id) {
		return nil, &Refusal{
			Reason: reasonStatic, User: id.User, genuine: true,
			Detail: fmt.Sprintf("%s is %s; auth.jwt.static_names: true accepts it", s.tokens.options.UserClaim, quotedText(id.User)),
		}
	}
	return id, err
}

// isStatic tells whether a token's user has the name of a static user, if that
// is not allowed.
func (s *state) isStatic(id *Identity) bool {
	_, known := s.users.byName[id.User]
	return known && !s.tokens.options.StaticNames
}

const reasonStatic = "the token names a static user"

// Revoked tells whether a session must end that was let in with id: its token
// or user was revoked, the key that signed its token was withdrawn, the static
// user was removed or got another hash, or the way it came in is closed. It
// does not look at Expires.
func (a *Authenticator) Revoked(id *Identity) bool {
	s := a.state.Load()
	if s.revoked.check(id) != nil {
		return true
	}
	switch id.Method {
	case MethodToken:
		return s.tokens == nil || !s.tokens.supports(id.basis) || s.isStatic(id)
	case MethodPassword:
		now, known := s.users.byName[id.User]
		return !known || now.basis != id.basis
	default:
		return !s.options.Anonymous
	}
}

// Stats are numbers for metrics, since the start and over all reloads.
type Stats struct {
	Refreshes uint64 // good fetches of the JWKS URL
	Failures  uint64 // failed ones
	// Keys are those of the last good fetch, and KeysAge is how long ago that
	// began; both are 0 without a URL. Stale: so long ago that they are not
	// trusted.
	Keys    int
	KeysAge time.Duration
	Stale   bool
}

// Stats returns the numbers as they are now.
func (a *Authenticator) Stats() Stats {
	s := Stats{Refreshes: a.counters.refreshes.Load(), Failures: a.counters.failures.Load()}
	if r := a.state.Load().remote(); r != nil {
		f := r.current.Load()
		_, s.Stale = r.keys()
		s.Keys, s.KeysAge = f.keys.size, r.clock.Now().Sub(f.at)
	}
	return s
}
