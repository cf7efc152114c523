package hoofbeat

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"hoofbeat/admin"
	"hoofbeat/broker"
	"hoofbeat/config"
	"hoofbeat/connections"
	"hoofbeat/internal/setup"
)

// A reloader applies changes of the files while the broker runs.
type reloader struct {
	load        func() (*config.Config, error)
	known       [sha256.Size]byte // of the files, when they were loaded first
	started     *config.Config    // the configuration of the start
	access      *access
	broker      *broker.Broker
	connections *connections.Registry
	audit       *auditLog
	log         *slog.Logger
	record      *slog.Logger // of the audit log
	counts      reloadCounts
	inForce     atomic.Pointer[[]admin.Setting]

	mu      sync.Mutex     // held during a reload, which takes other locks
	current *config.Config // guarded by mu: the last configuration without faults
	closed  bool           // guarded by mu
}

// run reloads when a file has changed, until the context ends.
func (r *reloader) run(ctx context.Context) {
	changed := make(chan struct{})
	watched := make(chan struct{})
	files := make(chan []string, 1)
	files <- r.files()
	// Watching misses a change between the first load and its own start.
	again := time.NewTimer(settling)
	defer again.Stop()
	go func() {
		defer close(watched)
		r.watch(ctx, files, changed)
	}()
	for {
		select {
		case <-ctx.Done():
			<-watched
			return
		case <-changed:
			_ = r.reload(ctx) // it has been logged
			files <- r.files()
		case <-again.C:
			r.catchUp(ctx)
		}
	}
}

// watch sends on changed when a file of the last list has changed. It ends with
// the context.
func (r *reloader) watch(ctx context.Context, files <-chan []string, changed chan<- struct{}) {
	ask := func() []string {
		select {
		case f := <-files:
			return f
		case <-ctx.Done():
			return nil
		}
	}
	tell := func() {
		select {
		case changed <- struct{}{}:
		case <-ctx.Done():
		}
	}
	if err := config.Watch(ctx, ask, tell); err != nil {
		r.log.Error("the configuration's files are not watched; SIGHUP reloads them", "error", err)
	}
}

// settling is the time after the start at which the files are checked again.
const settling = 500 * time.Millisecond

// catchUp reloads if the files have changed since they were first loaded.
func (r *reloader) catchUp(ctx context.Context) {
	if fingerprint(r.files()) != r.known {
		_ = r.reload(ctx) // it has been logged
	}
}

// files returns the files of the configuration in force.
func (r *reloader) files() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.current.Files()
}

// hangup opens the audit log anew and reloads.
func (r *reloader) hangup(ctx context.Context) error {
	if err := r.reopen(); err != nil {
		return err
	}
	return r.reload(ctx)
}

// reopen returns an error only if the server is closed.
func (r *reloader) reopen() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return ErrServerClosed
	}
	if err := r.audit.reopen(); err != nil {
		r.log.Error("the audit log could not be opened anew", "error", err)
	}
	return nil
}

// close waits for a reload to end, and refuses further ones.
func (r *reloader) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
}

// fingerprint is a checksum of files; one that cannot be read counts as empty.
func fingerprint(files []string) (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, name := range files {
		content, _ := os.ReadFile(name) // whether it is there is the loader's to say
		fmt.Fprintf(h, "%q %d ", name, len(content))
		h.Write(content)
	}
	h.Sum(sum[:0])
	return sum
}

// reload loads the configuration again and applies it. With a fault, nothing
// changes.
func (r *reloader) reload(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return ErrServerClosed
	}
	var policies broker.Policies
	c, err := r.load()
	if err == nil {
		policies, err = r.policies(c)
	}
	if err == nil {
		err = r.access.reload(ctx, c, r.log)
	}
	if err != nil {
		r.refuse(err)
		return err
	}
	r.apply(c, policies)
	return nil
}

// apply applies the rest of a configuration, after its rules, users and keys.
// The caller holds mu.
func (r *reloader) apply(c *config.Config, policies broker.Policies) {
	for _, key := range needRestart(r.current, c) {
		r.log.Warn("the new value is in force after a restart", "key", key)
	}
	if !reflect.DeepEqual(r.current.Destinations, c.Destinations) {
		r.broker.SetPolicies(policies)
		warnOfLimits(r.broker, r.log)
	}
	r.broker.SetQuotas(setup.Quotas(c))
	r.current = c
	r.settle(c)
	r.connections.Reauthorize()
	r.log.Info("reloaded: policies, rules, users, keys and revocations are in force", "file", c.File, "sessions", r.connections.Sessions())
	r.record.Info("reloaded", "file", c.File)
	r.counts.reloaded()
}

// settle records the settings in force after c was applied. Keys that need a
// restart keep the value of the start.
func (r *reloader) settle(c *config.Config) {
	was := make(map[string]config.Setting)
	for _, s := range r.started.Effective() {
		was[s.Key] = s
	}
	now := c.Effective()
	all := make([]admin.Setting, len(now))
	for i, s := range now {
		if old, ok := was[s.Key]; ok && !config.Reloads(s.Key) {
			s = old
		}
		all[i] = admin.Setting(s)
	}
	r.inForce.Store(&all)
}

// settings returns the settings in force. Any goroutine may call it.
func (r *reloader) settings() []admin.Setting { return *r.inForce.Load() }

// policies compiles new policies for the storage and the prefixes of the start,
// which do not change while the broker runs.
func (r *reloader) policies(c *config.Config) (broker.Policies, error) {
	now := *c
	now.Storage, now.Prefixes = r.started.Storage, r.started.Prefixes
	return setup.Policies(&now)
}

// refuse logs each fault of a configuration in a record of its own.
func (r *reloader) refuse(err error) {
	r.counts.refuse()
	lines := strings.Split(err.Error(), "\n")
	for _, l := range lines {
		r.log.Error("the changed configuration is not used", "fault", l)
	}
	r.record.Info("reload refused", "faults", len(lines))
}

// needRestart gives the keys that differ and are read at the start only.
func needRestart(old, new *config.Config) []string {
	var keys []string
	was := old.Effective()
	for _, s := range new.Effective() {
		i := slices.IndexFunc(was, func(o config.Setting) bool { return o.Key == s.Key })
		if i >= 0 && was[i].Value != s.Value && !config.Reloads(s.Key) {
			keys = append(keys, s.Key)
		}
	}
	return keys
}
