package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// maxUnknown bounds the key ids that are remembered as unknown: hostile
// tokens can fill 256 KiB with the longest ids.
const maxUnknown = 1024

// A remote keeps the keys of a URL. One goroutine makes all requests; stop
// ends it and waits for it.
type remote struct {
	url      string
	options  RemoteOptions
	client   *http.Client
	clock    clock
	log      *slog.Logger
	counters *counters
	changed  func() // called when a key was withdrawn

	current atomic.Pointer[fetched] // never nil after newRemote
	wake    chan struct{}           // asks the goroutine for a fetch; holds one
	ctx     context.Context         //nolint:containedctx // of the goroutine; ended by stop
	cancel  context.CancelFunc
	done    sync.WaitGroup

	mu      sync.Mutex
	pending chan struct{}        // guarded by mu; closed when the fetch that was asked for is done; nil: none was
	asked   time.Time            // guarded by mu; when a token last caused a fetch
	unknown map[string]time.Time // guarded by mu; ids that a fetch did not bring, and until when to believe it
}

// fetched is the result of the last good fetch.
type fetched struct {
	keys keyset
	at   time.Time // when it began
}

// counters live longer than the remote they count for.
type counters struct {
	refreshes, failures atomic.Uint64
}

// newRemote fetches the keys for the first time, within ctx and the timeout,
// and goes on refreshing them until stop. With retry, it is no error if that
// fails: it tries again later.
func newRemote(ctx context.Context, address string, o RemoteOptions, outer Options, c *counters, retry bool) (*remote, error) {
	if err := checkURL(address); err != nil {
		return nil, fmt.Errorf("auth.jwt.jwks_url: %w", err)
	}
	r := &remote{
		url: address, options: o, client: newClient(o.Client), clock: outer.clock, log: outer.Log, counters: c, changed: outer.Withdrawn,
		wake: make(chan struct{}, 1), unknown: map[string]time.Time{},
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	keys, err := r.fetch(ctx)
	if err == nil && keys.size == 0 {
		err = errors.New("none of its keys can verify tokens")
	}
	failed := 0
	if err != nil {
		if !retry || ctx.Err() != nil {
			r.cancel()
			return nil, fmt.Errorf("auth.jwt.jwks_url: the keys could not be fetched: %w", err)
		}
		failed = 1
		r.current.Store(&fetched{}) // too old, whatever the age that is allowed
		r.log.Error("the keys of the JWKS URL could not be fetched; no token can be verified until they are", "error", err)
	}
	r.done.Go(func() { r.refresh(failed) })
	return r, nil
}

// stop ends the refreshing and waits for its end. The keys can still be used.
func (r *remote) stop() {
	r.cancel()
	r.done.Wait()
}

// checkURL demands https, so that nobody on the way can put in keys, unless
// there is no way: on this machine http will do.
func checkURL(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return errors.New("it is not a URL with a host")
	}
	if u.User != nil {
		return errors.New("there is a user in it, which would show in logs")
	}
	ip := net.ParseIP(u.Hostname())
	loopback := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback) {
		return errors.New("expected https, or http on a loopback address")
	}
	return nil
}

// newClient copies a client so that it follows no redirect, which could lead
// past the check of the URL.
func newClient(given *http.Client) *http.Client {
	var c http.Client
	if given != nil {
		c = *given
	} else if t, ok := http.DefaultTransport.(*http.Transport); ok {
		c.Transport = t.Clone()
	}
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

// keys are those of the last good fetch, or none if that is too long ago.
func (r *remote) keys() (set keyset, stale bool) {
	f := r.current.Load()
	if r.clock.Now().Sub(f.at) > r.options.MaxAge {
		return keyset{}, true
	}
	return f.keys, false
}

// fetch makes one request, counts it, and puts the keys in force.
func (r *remote) fetch(ctx context.Context) (keyset, error) {
	at := r.clock.Now()
	keys, ignored, err := r.request(ctx)
	if err != nil {
		r.counters.failures.Add(1)
		return keyset{}, err
	}
	r.counters.refreshes.Add(1)
	f := &fetched{keys: newKeyset(keys), at: at}
	r.current.Store(f)
	if ignored > 0 {
		r.log.Debug("keys of the JWKS URL that cannot verify tokens were left out", "kept", len(keys), "left_out", ignored)
	}
	return f.keys, nil
}

func (r *remote) request(ctx context.Context) ([]key, int, error) {
	ctx, cancel := context.WithTimeout(ctx, r.options.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return nil, 0, errors.New("it is not a URL with a host")
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	request.Close = true // the next request is minutes away
	response, err := r.client.Do(request)
	if err != nil {
		return nil, 0, withoutURL(err)
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	if response.StatusCode/100 == 3 {
		return nil, 0, fmt.Errorf("the answer was status %d; redirects are not followed", response.StatusCode)
	}
	if response.StatusCode != http.StatusOK {
		return nil, 0, fmt.Errorf("the answer was status %d, expected 200", response.StatusCode)
	}
	data, err := readAll(response.Body, r.options.MaxBytes)
	if err != nil {
		return nil, 0, withoutURL(err)
	}
	if err := ctx.Err(); err != nil { // a server may end its answer because it sees us go
		return nil, 0, err
	}
	return parseJWKS(data, false)
}

// withoutURL takes the URL out of an error, as its query may be secret.
func withoutURL(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// refresh fetches at intervals and when it is woken, until stop. failed is how
// many fetches in a row have failed before.
func (r *remote) refresh(failed int) {
	for {
		due, stopTimer := r.clock.After(r.pause(failed))
		select {
		case <-due:
		case <-r.wake:
		case <-r.ctx.Done():
			stopTimer()
			return
		}
		stopTimer()
		if r.refreshOnce() {
			failed = 0
		} else {
			failed++
		}
	}
}

// pause is how long to wait for the next fetch: after failures less at first,
// then twice as long each time, but never longer than normal.
func (r *remote) pause(failed int) time.Duration {
	if failed == 0 {
		return r.options.Refresh
	}
	return min(r.options.Refresh, r.options.UnknownInterval<<min(failed-1, 6))
}

// refreshOnce fetches, and releases the waiters.
func (r *remote) refreshOnce() bool {
	r.mu.Lock()
	waiting := r.pending // later callers, if nobody is waiting, get a fetch that begins later
	if waiting != nil {
		select {
		case <-r.wake:
		default:
		}
	}
	r.mu.Unlock()
	before := r.current.Load()
	keys, err := r.fetch(r.ctx)
	r.report(keys, err)
	if waiting != nil {
		r.mu.Lock()
		r.pending = nil
		r.mu.Unlock()
		close(waiting)
	}
	if err == nil && keys.lacks(before.keys) {
		r.log.Info("a key of the JWKS URL was withdrawn; sessions with tokens that it signed end", "keys", keys.size)
		r.changed()
	}
	return err == nil
}

// report warns of problems that an operator has to solve.
func (r *remote) report(keys keyset, err error) {
	at := r.current.Load().at
	age := r.clock.Now().Sub(at)
	switch {
	case r.ctx.Err() != nil:
	case err != nil && at.IsZero():
		r.log.Error("the keys of the JWKS URL could still not be fetched; no token can be verified until they are", "error", err)
	case err != nil:
		r.log.Warn("the keys of the JWKS URL could not be refreshed; the last ones are used until they are too old",
			"error", err, "age", age, "max_age", r.options.MaxAge)
	case keys.size == 0:
		r.log.Warn("all keys of the JWKS URL were withdrawn; no token that they signed is accepted")
	}
}

// learn asks for the keys again because a token names one that seen does not have, and
// reports whether there is now a key of this name that was not in seen. It waits for
// the answer, at most a timeout or two. It asks nobody if that was done a moment ago,
// or if the last answer for this id was that there is no such key.
func (r *remote) learn(id string, seen *fetched) bool {
	if keys, _ := r.keys(); keys.has(id) {
		return r.current.Load() != seen
	}
	began := r.clock.Now()
	wait := r.ask(id)
	if wait == nil {
		return false
	}
	select {
	case <-wait:
	case <-r.ctx.Done():
		return false
	}
	now := r.current.Load()
	if keys, _ := r.keys(); keys.has(id) {
		return now != seen
	}
	if !now.at.Before(began) { // else it failed, or was under way before, and says nothing about the id
		r.remember(id)
	}
	return false
}

// ask returns a channel that is closed after the next fetch, or nil if there
// will be none now.
func (r *remote) ask(id string) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock.Now()
	if until, ok := r.unknown[id]; ok && now.Before(until) {
		return nil
	}
	if r.pending != nil {
		return r.pending
	}
	if !r.asked.IsZero() && now.Sub(r.asked) < r.options.UnknownInterval {
		return nil
	}
	r.asked = now
	r.pending = make(chan struct{})
	select {
	case r.wake <- struct{}{}:
	default:
	}
	return r.pending
}

// remember notes that there is no such key. When there are too many notes,
// those that have expired are dropped, or else all: the interval still
// applies.
func (r *remote) remember(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock.Now()
	if len(r.unknown) >= maxUnknown {
		for other, until := range r.unknown {
			if !now.Before(until) {
				delete(r.unknown, other)
			}
		}
	}
	if len(r.unknown) >= maxUnknown {
		clear(r.unknown)
	}
	r.unknown[id] = now.Add(r.options.UnknownTTL)
}
