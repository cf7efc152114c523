package config

import (
	"strings"

	"github.com/agnivade/levenshtein"
)

// names suggests known names for an unknown one.
type names struct {
	keys     map[string]*entry
	sections map[string]bool
	order    []string // keys and sections, in the order of the table
}

func newNames(table []entry) names {
	n := names{keys: map[string]*entry{}, sections: map[string]bool{}}
	for i := range table {
		key := table[i].key
		n.keys[key] = &table[i]
		for at := range key {
			if key[at] == '.' && !n.sections[key[:at]] {
				n.sections[key[:at]] = true
				n.order = append(n.order, key[:at])
			}
		}
		n.order = append(n.order, key)
	}
	return n
}

// nearestKey returns the key that is most similar to the given one, or the
// section if sections is set. A matching last part counts more than the rest: a
// key in the wrong section is as common as a misspelt one. Among equals, a key
// in the given section is preferred.
func (n names) nearestKey(key string, sections bool) string {
	for at := range key {
		if key[at] == '.' && n.keys[key[:at]] != nil {
			return key[:at] // it has a value, and no keys below it
		}
	}
	var known []string
	for _, name := range n.order {
		if sections || !n.sections[name] {
			known = append(known, name)
		}
	}
	return nearest(known, func(known string) int {
		whole := levenshtein.ComputeDistance(key, known)
		last := levenshtein.ComputeDistance(lastPart(key), lastPart(known))
		if last > len(lastPart(key))/3 {
			last = whole
		}
		near := 1000*min(whole, last+1) + min(whole, 999)
		if parent := key[:len(key)-len(lastPart(key))]; parent != "" && strings.HasPrefix(known, parent) {
			near--
		}
		return near
	})
}

// nearestVariable returns the environment variable that is most similar to
// name.
func (n names) nearestVariable(name string) string {
	var variables []string
	for _, known := range n.order {
		if e := n.keys[known]; e != nil {
			variables = append(variables, e.envName())
		}
	}
	return nearest(variables, func(known string) int {
		return levenshtein.ComputeDistance(name, known)
	})
}

func nearest(known []string, distance func(string) int) string {
	best, least := "", 0
	for i, candidate := range known {
		if d := distance(candidate); i == 0 || d < least {
			best, least = candidate, d
		}
	}
	return best
}

func lastPart(key string) string {
	return key[strings.LastIndexByte(key, '.')+1:]
}

// soundsSecret reports whether an unknown name may be that of a secret, so that
// the value of a misspelt secret is not shown.
func soundsSecret(name string) bool {
	name = strings.ToLower(name)
	for _, word := range []string{"secret", "passw", "token", "key", "credential", "hash", "auth.users", "auth_users"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}
