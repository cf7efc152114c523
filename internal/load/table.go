package load

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// count formats a number with a unit: 2.81M, 590k, 42.
func count(n float64) string {
	switch {
	case n >= 999_500:
		return fmt.Sprintf("%.2fM", n/1e6)
	case n >= 9_950:
		return fmt.Sprintf("%.0fk", n/1e3)
	case n >= 100:
		return fmt.Sprintf("%.0f", n)
	default:
		return fmt.Sprintf("%.3g", n)
	}
}

// duration formats a number of microseconds.
func duration(us float64) string {
	switch {
	case us >= 1e6:
		return fmt.Sprintf("%.2f s", us/1e6)
	case us >= 1e3:
		return fmt.Sprintf("%.1f ms", us/1e3)
	default:
		return fmt.Sprintf("%.0f us", us)
	}
}

// size formats a number of bytes.
func size(bytes float64) string {
	switch {
	case bytes >= 1<<30:
		return fmt.Sprintf("%.2f GiB", bytes/(1<<30))
	case bytes >= 1<<20:
		return fmt.Sprintf("%.1f MiB", bytes/(1<<20))
	default:
		return fmt.Sprintf("%.1f KiB", bytes/(1<<10))
	}
}

// Table writes the result as aligned lines of name and value.
func (r *Result) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...)) // errors are returned by Flush
	}
	row("scenario", "%s", r.Name)
	row("broker", "%s at %s", or(r.Server, "unnamed"), r.Options.URL)
	if r.Interrupted {
		row("interrupted", "yes, nothing was verified")
	}
	if c := r.Connections; c != nil {
		c.rows(row)
	} else {
		r.flowRows(row)
	}
	if b := r.Broker; b != nil {
		row("broker cpu", "%s", share(b.CPUPercent, b.CPUPerDelivery))
		row("broker memory", "%s at the start, %s at the peak", size(float64(b.ResidentStart)), size(float64(b.ResidentPeak)))
	}
	row("generator cpu", "%s", share(r.Generator.CPUPercent, r.Generator.CPUPerDelivery))
	return t.Flush()
}

// share formats a processor share, with the time per delivery if there were
// any.
func share(percent, each float64) string {
	text := fmt.Sprintf("%.0f %% of one processor", percent)
	if each > 0 {
		text += fmt.Sprintf(", %.3f us per delivery", each)
	}
	return text
}

// flowRows writes the rows of a run with messages.
func (r *Result) flowRows(row func(name, format string, args ...any)) {
	o := &r.Options
	row("parameters", "%d bytes, ack %s, window %d, rate %s", o.Size, o.Ack, o.Window, rateText(o.Rate))
	row("measured", "%.2f s", r.Seconds)
	row("sent", "%s/s", count(r.SentRate))
	row("delivered", "%s/s, %s/s of bodies", count(r.DeliveredRate), size(r.BodyRate))
	if l := r.Latency; l != nil {
		row("latency", "p50 %s  p90 %s  p99 %s  p99.9 %s  max %s  (%d samples)",
			duration(l.P50), duration(l.P90), duration(l.P99), duration(l.P999), duration(l.Max), l.Samples)
	}
	row("in all", "%d sent, %d delivered, %d lost, %d late or double", r.Sent, r.Delivered, r.Lost, r.Misordered)
	if o.Receipt {
		row("receipts", "%d", r.Receipts)
	}
	if s := r.Stalled; s != nil {
		row("stalled", "%d, of which the broker disconnected %d; %d messages lay in the sockets", s.Count, s.Disconnected, s.Waiting)
		if s.Reason != "" {
			row("", "%s", s.Reason)
		}
	}
}

// rows writes the rows of the connections scenario.
func (c *ConnectionFigures) rows(row func(name, format string, args ...any)) {
	row("connected", "%d, %s/s", c.Made, count(c.Rate))
	l := c.Latency
	row("time to connect", "p50 %s  p90 %s  p99 %s  max %s", duration(l.P50), duration(l.P90), duration(l.P99), duration(l.Max))
	if c.ResidentBefore > 0 {
		row("memory each", "%s", size(c.ResidentEach))
		row("broker cpu each", "%s", duration(c.BrokerCPUMicros))
	}
	row("closed by broker", "%d", c.ClosedByBroker)
}

// rateText formats a rate, which may be unlimited.
func rateText(rate float64) string {
	if rate == 0 {
		return "unlimited"
	}
	return count(rate) + "/s"
}

// or returns text, or other if it is empty.
func or(text, other string) string {
	if text == "" {
		return other
	}
	return text
}
