package config

import "strings"

// Reloads reports whether a change of a key is applied without a restart.
func Reloads(key string) bool {
	switch key {
	case "auth.on_denied_subscribe", "auth.jwt.query_parameter", "auth.jwt.cookie", "auth.jwt.sources":
		return false
	case "limits.queues", "limits.queues_per_user", "limits.durable_subscriptions", "limits.durable_subscriptions_per_user",
		"limits.temporary_queues", "limits.temporary_queues_per_user", "limits.stored_bytes_per_user":
		return true
	}
	return key == "acl" || key == "destinations" || strings.HasPrefix(key, "auth.")
}
