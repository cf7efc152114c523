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

// An Authenticator authenticates clients. Its methods may be called
// concurrently.
type Authenticator struct {
	state    atomic.Pointer[state]
	gate     gate
	throttle *Throttle // nil: none
	decoyKey []byte    // see accounts.decoys; the same for as long as the process lives
	counters counters

	mu     sync.Mutex // held while state is replaced
	closed bool       // guarded by mu
}

// A state is built from one set of options. It is immutable, except that its
// remote keys are refreshed.
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

// Reload applies other options, or reads the files of the same options again.
// It fetches keys of a URL only if the URL or one of its settings has
// changed. The Throttle stays that of New. After an error nothing has
// changed. Sessions keep their identities: ask Revoked about each of them.
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

// build makes a state. It takes over the remote keys in use if the options
// ask for the same ones. After an error nothing is left running.
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

// Authenticate returns the identity of a client, or a [Refusal]. A token
// decides if there is one, then login and passcode; otherwise the client is
// anonymous if that is allowed. It may take a fraction of a second, or some
// seconds while keys are fetched, while many clients log in, or after
// failures.
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

// anonymous is the identity of a client without credentials. Where names can
// be authenticated, such a client cannot choose one. A token in the login is
// no name, as names are shown.
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

const reasonName = "the login is not a valid user name"

// Verify returns the identity of a token, or a [Refusal], for callers that
// may look into any token: nothing counts as a failure. It takes as long as
// Authenticate.
func (a *Authenticator) Verify(token string) (*Identity, error) { return a.verify(token, nil) }

// VerifyFrom is Verify for a client or an operator that logs in.
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

// token returns the identity of a token, if tokens are configured.
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

// isStatic reports whether a token's user has the name of a static user, if that is
// not allowed.
func (s *state) isStatic(id *Identity) bool {
	_, known := s.users.byName[id.User]
	return known && !s.tokens.options.StaticNames
}

const reasonStatic = "the token names a static user"

// Revoked reports whether a session must end that was let in with id: its token or
// user was revoked, the key that signed its token was withdrawn, the static user was
// removed or got another hash, or the way it came in is closed. It does not look at
// Expires.
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
