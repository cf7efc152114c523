package hoofbeat

import (
	"context"
	"log/slog"
	"slices"

	"hoofbeat/config"
)

// ownDescriptors is the number of files that the broker opens for itself: about
// 300 of the store, and key files, logs, and connections to issuers.
const ownDescriptors = 400

// reachable returns limits.connections, or less if the process cannot open so
// many files: without a free file descriptor it could neither refuse a client
// with an explanation nor open a file of the store. Only a number that the
// operator has configured is worth a warning.
func reachable(c *config.Config, descriptors int, log *slog.Logger) int {
	most := max(descriptors-ownDescriptors-c.Listen.Admin.Connections, descriptors/2)
	if descriptors == 0 || c.Limits.Connections <= most {
		return c.Limits.Connections
	}
	level := slog.LevelInfo
	if isSet(c, "limits.connections") {
		level = slog.LevelWarn
	}
	log.Log(context.Background(), level, "the limit of open files (ulimit -n) allows fewer connections", "limit", "limits.connections",
		"configured", c.Limits.Connections, "files", descriptors, "connections", most)
	return most
}

// isSet reports whether a key has another source than its default.
func isSet(c *config.Config, key string) bool {
	return slices.ContainsFunc(c.Effective(), func(s config.Setting) bool { return s.Key == key && s.Source != "default" })
}
