//go:build unix

package deploy

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const unit = root + "/deploy/systemd/hoofbeat.service"

// settings returns the KEY=VALUE lines of a unit.
func settings(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for line := range strings.Lines(read(t, unit)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
			all[key] = strings.TrimSpace(all[key] + " " + value)
		}
	}
	return all
}

// systemd rates the exposure of a service from 0 (none) to 100. A change that
// needs more privileges raises the limit here.
func TestSystemdSandbox(t *testing.T) {
	need(t, "systemd-analyze")
	path, err := filepath.Abs(unit)
	if err != nil {
		t.Fatal(err)
	}
	shell{}.run(t, "systemd-analyze", "security", "--no-pager", "--offline=yes", "--threshold=12", path)
}

// systemd waits longer than the broker drains, with the default settings.
func TestSystemdWaitsForDrain(t *testing.T) {
	s := settings(t)
	patience, err := time.ParseDuration(s["TimeoutStopSec"] + "s")
	if err != nil {
		t.Fatal(err)
	}
	drain := effective(t, "limits.drain_timeout") + effective(t, "limits.drain_delay")
	if patience < 2*drain {
		t.Errorf("systemd waits for %s, the broker for %s", patience, drain)
	}
	for key, want := range map[string]string{"Type": "notify", "NoNewPrivileges": "yes", "ProtectSystem": "strict", "LimitNOFILE": "1048576", "MemoryHigh": "75%", "OOMScoreAdjust": ""} {
		if s[key] != want {
			t.Errorf("%s is %q, want %s", key, s[key], want)
		}
	}
}
