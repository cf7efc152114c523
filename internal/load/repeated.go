package load

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// A RepeatedRow compares two builds in one scenario, over several pairs of
// runs. Run i of the first build is compared with run i of the other, which ran
// in the same minute: the speed of a machine drifts.
type RepeatedRow struct {
	Name string `json:"name"`
	Runs int    `json:"runs"` // pairs of runs
	Rate Spread `json:"rate"` // the first build's rate divided by the other's
	// CPU is the first build's processor time per delivery or connection
	// divided by the other's; nil if not measured.
	CPU *Spread `json:"cpu,omitempty"`
}

// A Spread is the median and the interquartile range of several ratios.
type Spread struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`  // first quartile
	High   float64 `json:"high"` // third quartile
}

// CompareRepeated pairs the runs of each scenario in order. Runs without a
// partner are left out.
func CompareRepeated(first, other []*Result) []RepeatedRow {
	var rows []RepeatedRow
	for _, name := range namesOf(first) {
		a, b := named(first, name), named(other, name)
		n := min(len(a), len(b))
		if n == 0 {
			continue
		}
		var rates, cpus []float64
		for i := range n {
			rates = appendRatio(rates, a[i].rate(), b[i].rate())
			cpus = appendRatio(cpus, a[i].cpuEach(), b[i].cpuEach())
		}
		row := RepeatedRow{Name: name, Runs: n, Rate: spreadOf(rates)}
		if len(cpus) > 0 {
			s := spreadOf(cpus)
			row.CPU = &s
		}
		rows = append(rows, row)
	}
	return rows
}

func namesOf(results []*Result) []string {
	var names []string
	for _, r := range results {
		if !slices.Contains(names, r.Name) {
			names = append(names, r.Name)
		}
	}
	return names
}

func named(results []*Result, name string) []*Result {
	var some []*Result
	for _, r := range results {
		if r.Name == name {
			some = append(some, r)
		}
	}
	return some
}

func appendRatio(ratios []float64, a, b float64) []float64 {
	if a == 0 || b == 0 {
		return ratios
	}
	return append(ratios, a/b)
}

// cpuEach returns the broker's processor time per delivery or connection in
// microseconds; 0: not measured.
func (r *Result) cpuEach() float64 {
	switch {
	case r.Connections != nil:
		return r.Connections.BrokerCPUMicros
	case r.Broker != nil:
		return r.Broker.CPUPerDelivery
	}
	return 0
}

// spreadOf returns the spread of ratios, and sorts them.
func spreadOf(ratios []float64) Spread {
	slices.Sort(ratios)
	return Spread{Median: quantile(ratios, 0.5), Low: quantile(ratios, 0.25), High: quantile(ratios, 0.75)}
}

// quantile interpolates between sorted values.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 == len(sorted) {
		return sorted[i]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

// WriteRepeated writes a comparison of two builds as one table.
func WriteRepeated(w io.Writer, rows []RepeatedRow, firstName, otherName string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, strings.Join([]string{"scenario", "pairs of runs", "rate, " + firstName + " / " + otherName, "middle half", "cpu each", "middle half"}, "\t")+"\t")
	for _, r := range rows {
		cpu := []string{"-", "-"}
		if r.CPU != nil {
			cpu = r.CPU.cells()
		}
		cells := slices.Concat([]string{r.Name, fmt.Sprint(r.Runs)}, r.Rate.cells(), cpu)
		fmt.Fprintln(t, strings.Join(cells, "\t")+"\t")
	}
	return t.Flush()
}

func (s *Spread) cells() []string {
	return []string{fmt.Sprintf("%.3f", s.Median), fmt.Sprintf("%.3f to %.3f", s.Low, s.High)}
}
