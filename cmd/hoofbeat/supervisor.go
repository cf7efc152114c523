package main

import (
	"log/slog"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Notifications to a supervisor: all listeners are open, and the program has
// begun to stop. See sd_notify(3).
const (
	supervisedReady = daemon.SdNotifyReady
	supervisedEnds  = daemon.SdNotifyStopping
)

// tellSupervisor notifies systemd. It does nothing if systemd has not started
// the program with Type=notify. A failure is only logged, because it does not
// affect clients.
func tellSupervisor(state string, log *slog.Logger) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("systemd could not be told", "state", state, "error", err)
	}
}
