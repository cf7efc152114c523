package session

import (
	"math"
	"strconv"
	"testing"
)

func TestParseNumber(t *testing.T) {
	for _, n := range []uint64{1, 35, 36, 1<<32 - 1, 1 << 63, math.MaxUint64} {
		if got, ok := parseNumber(strconv.FormatUint(n, 36)); !ok || got != n {
			t.Errorf("%d is read as %d, %v", n, got, ok)
		}
	}
	most := strconv.FormatUint(math.MaxUint64, 36)
	for _, s := range []string{"", "0", "01", "A", "1A", "-1", "+1", "1 ", "1.", "1_0", most + "0", "3w5e11264sgsg", "zzzzzzzzzzzzz"} {
		if n, ok := parseNumber(s); ok {
			t.Errorf("%q is read as %d", s, n)
		}
	}
}
