package hoofbeat

import (
	"log/slog"

	"hoofbeat/config"
)

// ownDescriptors is what the broker needs for itself: the store has about 300
// files open, and there are key files, logs, and connections to issuers.
const ownDescriptors = 400

// reachable is limits.connections, or less if the process may not have so many
// file descriptors: one that has none left could neither refuse a client with a
// word nor open a file of the store.
func reachable(c *config.Config, descriptors int, log *slog.Logger) int {
	most := max(descriptors-ownDescriptors-c.Listen.Admin.Connections, descriptors/2)
	if descriptors == 0 || c.Limits.Connections <= most {
		return c.Limits.Connections
	}
	log.Warn("the process may not have so many open files (ulimit -n): fewer connections are let in", "limit", "limits.connections",
		"configured", c.Limits.Connections, "files", descriptors, "connections", most)
	return most
}
