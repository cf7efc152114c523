package config

import (
	"fmt"
	"net/netip"
	"strings"
)

// networksKind is a list of addresses and networks; as text, its elements are
// separated by commas. Its values are of type []netip.Prefix and never nil.
type networksKind struct{}

func (networksKind) name() string     { return "list" }
func (networksKind) expected() string { return "a list of addresses or networks, such as 10.0.0.0/8" }
func (networksKind) format(value any) string {
	return strings.Join(prefixTexts(value.([]netip.Prefix)), ",")
}

func (k networksKind) typed(raw any) (any, bool) {
	value, found := k.read(raw)
	return value, len(found) == 0
}

func (k networksKind) text(s string) (any, bool) {
	value, found := k.decode(s)
	return value, len(found) == 0
}

func (networksKind) show(raw any) string         { return show(raw) }
func (networksKind) showText(text string) string { return show(text) }

func (k networksKind) read(raw any) (any, []complaint) {
	list, ok := listKind{}.typed(raw)
	if !ok {
		return nil, []complaint{{expected: "expected " + k.expected()}}
	}
	return readPrefixes(list.([]string))
}

func (networksKind) decode(text string) (any, []complaint) {
	list, _ := listKind{}.text(text)
	return readPrefixes(list.([]string))
}

func readPrefixes(list []string) (any, []complaint) {
	prefixes := []netip.Prefix{}
	var all []complaint
	for i, item := range list {
		prefix, expected := parsePrefix(item)
		if expected != "" {
			all = append(all, complaint{item: fmt.Sprintf("[%d]", i), shown: show(item), expected: expected})
			continue
		}
		prefixes = append(prefixes, prefix)
	}
	return prefixes, all
}

// parsePrefix parses an address, or a network whose bits after the prefix are
// 0.
func parsePrefix(text string) (prefix netip.Prefix, expected string) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		address, err := netip.ParseAddr(text)
		if err != nil || address.Zone() != "" {
			return prefix, "expected an address such as 10.0.0.1, or a network such as 10.0.0.0/8"
		}
		address = address.Unmap()
		return netip.PrefixFrom(address, address.BitLen()), ""
	}
	switch {
	case prefix.Addr().Is4In6():
		return prefix, "expected an IPv4 network to be written as one, such as 10.0.0.0/8"
	case prefix != prefix.Masked():
		return prefix, "expected " + prefix.Masked().String() + " for that network, or an address alone"
	}
	return prefix, ""
}

// prefixTexts formats a network of one address as the address.
func prefixTexts(prefixes []netip.Prefix) []string {
	texts := make([]string, len(prefixes))
	for i, prefix := range prefixes {
		if texts[i] = prefix.String(); prefix.IsSingleIP() {
			texts[i] = prefix.Addr().String()
		}
	}
	return texts
}
