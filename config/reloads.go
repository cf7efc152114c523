package config

import "slices"

// Reloads reports whether a change of a key is applied without a restart.
func Reloads(key string) bool {
	return slices.ContainsFunc(schema(), func(e entry) bool { return e.key == key && e.reload })
}
