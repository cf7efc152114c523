package config

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// Rate is a number of events per time. Zero events mean no limit.
type Rate struct {
	Events int
	Per    time.Duration
}

// String returns the form in a configuration file, like 5/s or 100/m.
func (r Rate) String() string {
	unit := formatDuration(r.Per)
	for letter, per := range rateUnits() {
		if r.Per == per {
			unit = letter
		}
	}
	return strconv.Itoa(r.Events) + "/" + unit
}

func rateUnits() map[string]time.Duration {
	return map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}
}

// parseRate parses forms like 5/s, 100/m or 1000/h.
func parseRate(text string) (Rate, bool) {
	events, unit, _ := strings.Cut(text, "/")
	per, known := rateUnits()[unit]
	if !known {
		return Rate{}, false
	}
	n, ok := parseDigits(events)
	return Rate{Events: n, Per: per}, ok
}

// Share is a number of bytes, or, if Percent is not 0, a percentage of the
// available bytes.
type Share struct{ Bytes, Percent int }

// String returns the form in a configuration file.
func (s Share) String() string {
	if s.Percent != 0 {
		return strconv.Itoa(s.Percent) + "%"
	}
	return formatSize(s.Bytes)
}

// Of returns the number of bytes, given that all are available.
func (s Share) Of(all int) int {
	if s.Percent != 0 {
		return all / 100 * s.Percent
	}
	return s.Bytes
}

// parseShare parses a size, or a percentage from 1% to 100%.
func parseShare(text string) (Share, bool) {
	if digits, ok := strings.CutSuffix(text, "%"); ok {
		n, ok := parseDigits(digits)
		return Share{Percent: n}, ok && n >= 1 && n <= 100
	}
	n, ok := parseSize(text)
	return Share{Bytes: n}, ok
}

// parseSize parses a whole number of bytes, alone or with a unit: 65536, 64KiB,
// 64 kib. KB, MB, GB and TB are powers of 1000; KiB, MiB, GiB and TiB of 1024.
func parseSize(text string) (int, bool) {
	digits := strings.TrimRight(text, "BKMGTIbkmgti ")
	if !allDigits(digits) || !isSizeUnit(text[len(digits):]) {
		return 0, false
	}
	n, err := humanize.ParseBytes(text)
	if err != nil || n > math.MaxInt {
		return 0, false
	}
	return int(n), true
}

// isSizeUnit rejects units that ParseBytes accepts but that are ambiguous: a
// lone K or M is 1000 to some readers and 1024 to others.
func isSizeUnit(text string) bool {
	switch strings.ToLower(strings.TrimPrefix(text, " ")) {
	case "b", "kb", "kib", "mb", "mib", "gb", "gib", "tb", "tib":
		return true
	}
	return text == ""
}

// formatSize uses the largest binary unit that is exact.
func formatSize(n int) string {
	units := []string{"", "KiB", "MiB", "GiB", "TiB"}
	unit := 0
	for n != 0 && n%1024 == 0 && unit < len(units)-1 {
		n /= 1024
		unit++
	}
	return strconv.Itoa(n) + units[unit]
}

// parseDuration is time.ParseDuration, but requires a unit and rejects a sign.
func parseDuration(text string) (time.Duration, bool) {
	if text == "0" || strings.HasPrefix(text, "-") || strings.HasPrefix(text, "+") {
		return 0, false
	}
	d, err := time.ParseDuration(text)
	return d, err == nil
}

// formatDuration is Duration.String without its trailing zeros: 1m, not 1m0s.
func formatDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func parseDigits(text string) (int, bool) {
	if !allDigits(text) {
		return 0, false
	}
	n, err := strconv.Atoi(text)
	return n, err == nil
}

func allDigits(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}
