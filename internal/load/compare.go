package load

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// A Side is a broker that is compared.
type Side struct {
	Name    string
	Results []*Result
}

// Row compares the results of one scenario.
type Row struct {
	Name    string    `json:"name"`
	Results []*Result `json:"results"` // one for each side; nil: it has none
	Ratios  []float64 `json:"ratios"`  // of the first side's rate to that of each other; 0: unknown
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

// Compare puts results of the same name into a row: in the order of the first side,
// then the names that only others have.
func Compare(sides []Side) []Row {
	var rows []Row
	index := map[string]int{}
	for n, side := range sides {
		for _, r := range side.Results {
			i, ok := index[r.Name]
			if !ok {
				i = len(rows)
				index[r.Name] = i
				rows = append(rows, Row{Name: r.Name, Results: make([]*Result, len(sides)), Ratios: make([]float64, max(0, len(sides)-1))})
			}
			rows[i].Results[n] = r
			if first := rows[i].Results[0]; n > 0 && first != nil && r.rate() > 0 {
				rows[i].Ratios[n-1] = first.rate() / r.rate()
			}
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

// WriteRows writes a comparison as one table.
func WriteRows(w io.Writer, rows []Row, sides []Side) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	head := []string{"scenario"}
	for i, side := range sides {
		head = append(head, side.Name+"/s", "us each", "p99", "memory", "generator us")
		if i > 0 {
			head = append(head, "ratio")
		}
	}
	fmt.Fprintln(t, strings.Join(head, "\t")+"\t")
	for _, r := range rows {
		cells := []string{r.Name}
		for i, result := range r.Results {
			cells = append(append(cells, result.cells()...), result.generator())
			if i > 0 {
				cells = append(cells, ratio(r.Ratios[i-1]))
			}
		}
		fmt.Fprintln(t, strings.Join(cells, "\t")+"\t")
	}
	return t.Flush()
}

// WriteMarkdown writes a comparison as the table of the README: rates, processor time
// for each delivery or connection, and ratios. Connections have a row more, for the
// memory of each.
func WriteMarkdown(w io.Writer, rows []Row, sides []Side) error {
	var b strings.Builder
	line := func(cells []string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	head := []string{"scenario"}
	for i, side := range sides {
		head = append(head, side.Name, "CPU each")
		if i > 0 {
			head = append(head, "ratio")
		}
	}
	line(head)
	b.WriteString(strings.Repeat("|---", len(head)) + "|\n")
	for _, r := range rows {
		cells, memory := []string{r.Name}, []string{"memory of each"}
		known := false
		for i, result := range r.Results {
			rate, each := result.brief()
			cells, memory = append(cells, rate, each), append(memory, result.memoryEach(), "")
			known = known || result.memoryEach() != ""
			if i > 0 {
				cells, memory = append(cells, ratio(r.Ratios[i-1])), append(memory, "")
			}
		}
		if line(cells); known {
			line(memory)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// brief returns the rate and the broker's processor time for each as text; empty
// without a result.
func (r *Result) brief() (rate, each string) {
	if r == nil {
		return "", ""
	}
	us := 0.0
	switch {
	case r.Connections != nil:
		us = r.Connections.BrokerCPUMicros
	case r.Broker != nil:
		us = r.Broker.CPUPerDelivery
	}
	rate = count(r.rate()) + "/s"
	switch {
	case us >= 1000:
		each = fmt.Sprintf("%.2g ms", us/1000)
	case us >= 100:
		each = fmt.Sprintf("%.0f us", us)
	case us > 0:
		each = fmt.Sprintf("%.2g us", us)
	}
	return rate, each
}

// memoryEach returns the memory of a connection as text; empty if it is not known.
func (r *Result) memoryEach() string {
	if r == nil || r.Connections == nil || r.Connections.ResidentEach <= 0 {
		return ""
	}
	return fmt.Sprintf("%.0f KiB", r.Connections.ResidentEach/1024)
}

// ratio returns a ratio as text, or "" if it is unknown.
func ratio(x float64) string {
	if x == 0 {
		return ""
	}
	return fmt.Sprintf("%.3g", x)
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

// generator returns the generator's processor time for each delivery as text.
func (r *Result) generator() string {
	if r == nil || r.Generator.CPUPerDelivery == 0 {
		return "-"
	}
	return fmt.Sprintf("%.3g", r.Generator.CPUPerDelivery)
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
