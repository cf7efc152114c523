package load

import (
	"strings"
	"testing"
)

func TestCompareRepeated(t *testing.T) {
	run := func(name string, rate, cpu float64) *Result {
		return &Result{Name: name, DeliveredRate: rate, Broker: &BrokerUsage{CPUPerDelivery: cpu}}
	}
	first := []*Result{run("a", 100, 2), run("b", 1, 1), run("a", 120, 1), run("a", 90, 4), run("alone", 1, 1)}
	other := []*Result{run("a", 100, 1), run("b", 2, 0), run("a", 100, 1), run("a", 100, 2), run("a", 1, 1)}
	rows := CompareRepeated(first, other)
	if len(rows) != 2 || rows[0].Name != "a" || rows[1].Name != "b" {
		t.Fatalf("rows %+v", rows)
	}
	a, b := rows[0], rows[1]
	if a.Runs != 3 || a.Rate.Median != 1 || a.Rate.Low != 0.95 || a.Rate.High != 1.1 {
		t.Errorf("rates of a: %+v", a)
	}
	if a.CPU == nil || a.CPU.Median != 2 {
		t.Errorf("processor time of a: %+v", a.CPU)
	}
	if b.Rate.Median != 0.5 || b.CPU != nil {
		t.Errorf("b: %+v", b)
	}
	var out strings.Builder
	if err := WriteRepeated(&out, rows, "new", "old"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"rate, new / old", "1.000", "0.950 to 1.100"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
}
