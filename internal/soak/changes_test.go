package soak

import (
	"time"

	"hoofbeat/internal/proctest"
)

const (
	refusedLine  = "the changed configuration is not used"
	reloadsEvery = 3 * time.Second
	proxyEvery   = 20 * time.Second
)

// reconfigure repeatedly changes the configuration and waits until it is in
// force. Every third one is broken and must be refused.
func (p *population) reconfigure() {
	o := newOperator(p.w.admin)
	p.each(reloadsEvery, func(n int) {
		if n%3 == 2 {
			p.refused()
			return
		}
		p.next(o)
	})
	// End with a configuration under which every waiting sender can finish.
	for first := true; first || !p.w.file.rests(); first = false {
		p.next(o)
	}
}

// refused writes a broken configuration and waits until it was refused.
func (p *population) refused() {
	w := p.w
	refused := w.broker.Log.Count(refusedLine)
	w.write((w.file + 1).broken(w))
	if w.until(func() bool { return w.broker.Log.Count(refusedLine) > refused }) {
		w.heard.add("configurations refused")
	} else {
		w.faults.add("a broken configuration was not refused")
	}
}

// next writes the next configuration and waits until it is in force.
func (p *population) next(o *operator) {
	w := p.w
	w.file++
	w.write(w.file.text(w))
	if w.until(func() bool {
		is, err := o.inForce(w.file)
		if err != nil {
			w.faults.add("%v", err)
		}
		return is
	}) {
		w.heard.add("configurations in force")
	} else {
		w.faults.add("configuration %d has not come into force", w.file)
	}
}

// until polls for a condition, for StepTimeout at most.
func (w *world) until(condition func() bool) bool { return w.within(proctest.StepTimeout, condition) }

// within polls for a condition several times a second.
func (w *world) within(d time.Duration, condition func() bool) bool {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(d); ; <-tick.C {
		if condition() {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
	}
}

// troubleProxy alternately reloads and restarts the proxy.
func (p *population) troubleProxy() {
	if p.w.nginx == nil {
		return
	}
	p.each(min(proxyEvery, p.w.o.traffic/6), func(n int) {
		if n%2 == 0 {
			p.w.nginx.reload()
			p.w.heard.add("reloads of nginx")
			return
		}
		if err := p.w.nginx.restart(); err != nil {
			p.w.faults.add("%v", err)
			return
		}
		p.w.heard.add("restarts of nginx")
	})
}
