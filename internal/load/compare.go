package load

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Row compares the results of one scenario.
type Row struct {
	Name  string  `json:"name"`
	First *Result `json:"first,omitempty"`
	Other *Result `json:"other,omitempty"`
	Ratio float64 `json:"ratio,omitempty"` // of the rates, first to other
}

// ReadResults reads a sequence of JSON objects written by runs.
func ReadResults(r io.Reader) ([]*Result, error) {
	var all []*Result
	for decoder := json.NewDecoder(r); ; {
		var one Result
		err := decoder.Decode(&one)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading results: %w", err)
		}
		all = append(all, &one)
	}
}

// Compare pairs results by name: first in the order of first, then the names
// that only other has.
func Compare(first, other []*Result) []Row {
	var rows []Row
	index := map[string]int{}
	for _, r := range first {
		index[r.Name] = len(rows)
		rows = append(rows, Row{Name: r.Name, First: r})
	}
	for _, r := range other {
		i, ok := index[r.Name]
		if !ok {
			i = len(rows)
			rows = append(rows, Row{Name: r.Name})
		}
		rows[i].Other = r
		if first := rows[i].First; first != nil && r.rate() > 0 {
			rows[i].Ratio = first.rate() / r.rate()
		}
	}
	return rows
}

// rate returns the figure by which results are compared: deliveries or
// connections per second.
func (r *Result) rate() float64 {
	if r.Connections != nil {
		return r.Connections.Rate
	}
	return r.DeliveredRate
}

// WriteRows writes a comparison as one table, with the given names of the
// brokers.
func WriteRows(w io.Writer, rows []Row, firstName, otherName string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	both := false
	for _, r := range rows {
		both = both || r.Other != nil
	}
	head := []string{"scenario", firstName + "/s", "us each", "p99", "memory"}
	if both {
		head = append(head, otherName+"/s", "us each", "p99", "memory", "ratio")
	}
	head = append(head, "generator cpu")
	fmt.Fprintln(t, strings.Join(head, "\t")+"\t")
	for _, r := range rows {
		cells := append([]string{r.Name}, r.First.cells()...)
		generator := r.First.generator()
		if both {
			cells = append(cells, r.Other.cells()...)
			cells = append(cells, r.ratio())
			generator += " / " + r.Other.generator()
		}
		fmt.Fprintln(t, strings.Join(append(cells, generator), "\t")+"\t")
	}
	return t.Flush()
}

// ratio returns the ratio as text, or "-".
func (r *Row) ratio() string {
	if r.Ratio == 0 {
		return "-"
	}
	return fmt.Sprintf("%.3g", r.Ratio)
}

// cells returns a result's rate, processor time, latency and memory as text.
func (r *Result) cells() []string {
	cells := []string{"-", "-", "-", "-"}
	if r == nil {
		return cells
	}
	cells[0] = count(r.rate())
	if r.Lost > 0 || r.Misordered > 0 {
		cells[0] += " LOST"
	}
	var each float64
	if b := r.Broker; b != nil {
		each = b.CPUPerDelivery
		cells[3] = "+" + size(float64(max(0, b.ResidentIncrement)))
	}
	if c := r.Connections; c != nil {
		each = c.BrokerCPUMicros
		cells[2] = duration(c.Latency.P99)
		if c.ResidentEach > 0 {
			cells[3] = size(c.ResidentEach) + " each"
		}
	} else if r.Latency != nil {
		cells[2] = duration(r.Latency.P99)
	}
	if each > 0 {
		cells[1] = fmt.Sprintf("%.3g", each)
	}
	return cells
}

// generator returns the generator's processor share as text.
func (r *Result) generator() string {
	if r == nil {
		return "-"
	}
	return fmt.Sprintf("%.0f%%", r.Generator.CPUPercent)
}

// StalledNotes reports, for each pair of results that differ only in stalled
// subscribers, their effect on the rate of the others.
func StalledNotes(results []*Result, broker string) []string {
	var notes []string
	for _, with := range results {
		for _, without := range results {
			a, b := with.Options, without.Options
			same := a.Scenario == b.Scenario && a.Subscribers == b.Subscribers && a.Publishers == b.Publishers && a.Size == b.Size && a.Rate == b.Rate
			if with.Stalled == nil || without.Stalled != nil || !same || without.DeliveredRate == 0 {
				continue
			}
			notes = append(notes, fmt.Sprintf("%s: with %d stalled the others keep %.0f %% of their rate, lose %d; %d disconnected",
				broker, with.Stalled.Count, 100*with.DeliveredRate/without.DeliveredRate, with.Lost, with.Stalled.Disconnected))
		}
	}
	return notes
}
