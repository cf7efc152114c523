package main

import (
	"log/slog"

	"github.com/coreos/go-systemd/v22/daemon"
)

// What a supervisor is told: that all listeners are open, and that the program
// has begun to end. See sd_notify(3).
const (
	supervisedReady = daemon.SdNotifyReady
	supervisedEnds  = daemon.SdNotifyStopping
)

// tellSupervisor tells systemd how far the program is. It does nothing if it
// was not systemd that started it with Type=notify. That systemd cannot be
// told is no reason for clients to suffer.
func tellSupervisor(state string, log *slog.Logger) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("systemd could not be told", "state", state, "error", err)
	}
}
