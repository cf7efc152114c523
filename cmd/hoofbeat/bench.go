package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"hoofbeat/internal/load"
)

// newBenchCommand returns the command that generates load for a STOMP broker
// and measures it.
func newBenchCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Generate load for a STOMP broker and measure it",
		Long: `Generate load for any STOMP 1.2 broker and measure it.

Every message is numbered; lost, late and double ones are counted, and make the
command fail. How fast the broker is never does.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newBenchScenario(load.ScenarioFanout, "Publish to one topic with many subscribers", fanoutFlags),
		newBenchScenario(load.ScenarioPairs, "Publish to several topics with one subscriber each", pairsFlags),
		newBenchScenario(load.ScenarioQueue, "Publish to several queues with one consumer each", queueFlags),
		newBenchScenario(load.ScenarioConnections, "Open many idle connections with one subscription each", connectionFlags),
		newBenchCompareCommand(),
	)
	return cmd
}

// newBenchScenario returns the command of one scenario. own adds its specific
// flags.
func newBenchScenario(scenario, short string, own func(*pflag.FlagSet, *load.Options)) *cobra.Command {
	options := load.DefaultOptions(scenario)
	var asJSON, progress bool
	var processors int
	cmd := &cobra.Command{
		Use:   scenario,
		Short: short,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cmp.Or(processors, max(1, runtime.NumCPU()/2))))
			var lines io.Writer
			if progress || (!cmd.Flags().Changed("progress") && isTerminal(os.Stderr)) {
				lines = cmd.ErrOrStderr()
			}
			result, err := load.Run(cmd.Context(), options, lines)
			if err != nil {
				return fmt.Errorf("bench %s: %w", scenario, err)
			}
			if err := writeResult(cmd.OutOrStdout(), result, asJSON); err != nil {
				return err
			}
			return result.Err()
		},
	}
	f := cmd.Flags()
	f.BoolVar(&asJSON, "json", false, "write the result as one JSON object")
	f.BoolVar(&progress, "progress", false, "write a line of progress each second to stderr (default: if that is a terminal)")
	// One processor for the goroutines is cheaper than two that look for work,
	// and leaves the rest to the broker.
	f.IntVar(&processors, "processors", 0, "processors that the generator may use at a time (default half of the machine's)")
	brokerFlags(f, &options)
	if scenario != load.ScenarioConnections {
		messageFlags(f, &options)
	}
	own(f, &options)
	return cmd
}

// writeResult writes a result to standard output.
func writeResult(w io.Writer, result *load.Result, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(result)
	}
	return result.Table(w)
}

// brokerFlags adds the flags for the broker's address and the credentials.
func brokerFlags(f *pflag.FlagSet, o *load.Options) {
	f.StringVar(&o.URL, "url", o.URL, "broker: ws, wss, tcp, stomp, tcps or stomps; for comparison, nats or nats+ws")
	f.StringVar(&o.Name, "name", o.Name, "name of the result (default: made from the scenario)")
	f.StringVar(&o.Host, "host", o.Host, "host header of CONNECT; RabbitMQ takes it as the virtual host (default: the URL's host)")
	f.StringVar(&o.Login, "login", o.Login, "login header of CONNECT")
	f.StringVar(&o.Passcode, "passcode", o.Passcode, "passcode header of CONNECT")
	f.StringVar(&o.Token, "token", o.Token, "token, sent as Authorization: Bearer with CONNECT and the WebSocket handshake")
	f.StringVar(&o.CAFile, "ca", o.CAFile, "PEM `file` of certificates to trust instead of the system's")
	f.BoolVar(&o.Insecure, "insecure", o.Insecure, "accept any certificate")
	f.StringVar(&o.TopicPrefix, "prefix-topic", o.TopicPrefix, "what names of topics begin with")
	f.StringArrayVar(&o.SubscribeHeaders, "subscribe-header", nil, "`name:value` to add to every SUBSCRIBE, may be repeated")
	f.StringVar(&o.Mask, "mask", o.Mask, "WebSocket masking keys: zero (costs the generator nothing) or random")
	f.DurationVar(&o.Timeout, "timeout", o.Timeout, "longest time without any progress")
	f.IntVar(&o.PID, "pid", o.PID, "process id of the broker, to measure its processor time and memory")
	f.BoolVar(&o.PIDTree, "pid-tree", o.PIDTree, "count the descendants of --pid too")
}

// messageFlags adds the flags of the scenarios with messages.
func messageFlags(f *pflag.FlagSet, o *load.Options) {
	f.IntVar(&o.Size, "size", o.Size, "size of a body in bytes, at least 32")
	f.Float64Var(&o.Rate, "rate", o.Rate, "messages/s of each publisher, 0: as fast as possible")
	f.IntVar(&o.Window, "window", o.Window, "messages a publisher may have outstanding at its slowest subscriber, or receipts (default: 1024, fewer of large ones)")
	f.IntVar(&o.Batch, "batch", o.Batch, "messages in one write at most")
	f.IntVar(&o.Sample, "sample", o.Sample, "time every how-manieth message (default: 16, at low rates 1)")
	f.Uint64Var(&o.Count, "count", o.Count, "messages of each publisher; instead of --duration and --warmup")
	f.DurationVar(&o.Duration, "duration", o.Duration, "how long to measure")
	f.DurationVar(&o.Warmup, "warmup", o.Warmup, "how long to run before measuring")
	f.StringVar(&o.Ack, "ack", o.Ack, "ack mode: auto, client or client-individual")
	f.BoolVar(&o.Receipt, "receipt", o.Receipt, "ask for a receipt for every SEND")
	f.StringArrayVar(&o.SendHeaders, "send-header", nil, "`name:value` to add to every SEND, may be repeated")
}

// fanoutFlags adds the flags of bench fanout.
func fanoutFlags(f *pflag.FlagSet, o *load.Options) {
	f.IntVar(&o.Publishers, "publishers", o.Publishers, "number of publishers")
	f.IntVar(&o.Subscribers, "subscribers", o.Subscribers, "number of subscribers")
	f.IntVar(&o.Stalled, "stalled", o.Stalled, "number of subscribers more that never read")
}

// pairsFlags adds the flags of bench pairs.
func pairsFlags(f *pflag.FlagSet, o *load.Options) {
	f.IntVar(&o.Pairs, "pairs", o.Pairs, "number of destinations, with one publisher and one subscriber each")
}

// queueFlags adds the flags of bench queue.
func queueFlags(f *pflag.FlagSet, o *load.Options) {
	pairsFlags(f, o)
	f.StringVar(&o.QueuePrefix, "prefix-queue", o.QueuePrefix, "what names of queues begin with")
	f.IntVar(&o.Prefetch, "prefetch", o.Prefetch, "prefetch-count header of SUBSCRIBE (default: none)")
	f.BoolVar(&o.Persistent, "persistent", o.Persistent, "add persistent:true to every SEND")
}

// connectionFlags adds the flags of bench connections.
func connectionFlags(f *pflag.FlagSet, o *load.Options) {
	f.IntVar(&o.Connections, "connections", o.Connections, "number of connections")
	f.IntVar(&o.Concurrency, "concurrency", o.Concurrency, "connections being made at a time")
	f.DurationVar(&o.Hold, "hold", o.Hold, "how long to hold the connections")
}

// comparison has the options of bench compare.
type comparison struct {
	names    []string // of the brokers, in the order of their files
	out      string   // file for the comparison as JSON, or ""
	markdown bool     // write the table of the README as well
	repeated bool     // the files contain several runs of two builds, alternating
}

// newBenchCompareCommand returns the command that compares files of results.
func newBenchCompareCommand() *cobra.Command {
	var c comparison
	cmd := &cobra.Command{
		Use:    "compare FIRST [OTHER...]",
		Short:  "Set the JSON results of brokers beside each other",
		Hidden: true,
		Args:   cobra.MinimumNArgs(1),
		RunE:   func(cmd *cobra.Command, files []string) error { return c.write(cmd.OutOrStdout(), files) },
	}
	cmd.Flags().StringSliceVar(&c.names, "names", []string{"hoofbeat"}, "names of the brokers, in the order of their files")
	cmd.Flags().StringVar(&c.out, "out", "", "`file` to write the comparison to as JSON")
	cmd.Flags().BoolVar(&c.markdown, "markdown", false, "write the table of the README as well")
	cmd.Flags().BoolVar(&c.repeated, "repeated", false, "two files hold several runs of each scenario, made in turn: give the median of their ratios")
	return cmd
}

// write reads files of results and writes the comparison.
func (c *comparison) write(w io.Writer, files []string) error {
	if len(c.names) != len(files) || c.repeated && len(files) != 2 {
		return fmt.Errorf("--names: %d names for %d files", len(c.names), len(files))
	}
	var sides []load.Side
	for i, name := range files {
		results, err := readResults(name)
		if err != nil {
			return err
		}
		sides = append(sides, load.Side{Name: c.names[i], Results: results})
	}
	if c.repeated {
		return c.writeRepeated(w, load.CompareRepeated(sides[0].Results, sides[1].Results))
	}
	rows := load.Compare(sides)
	if c.out != "" {
		if err := writeRows(c.out, rows); err != nil {
			return err
		}
	}
	if err := load.WriteRows(w, rows, sides); err != nil {
		return err
	}
	for _, side := range sides {
		for _, note := range load.StalledNotes(side.Results, side.Name) {
			if _, err := fmt.Fprintln(w, note); err != nil {
				return err
			}
		}
	}
	if !c.markdown {
		return nil
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	return load.WriteMarkdown(w, rows, sides)
}

// writeRepeated writes the comparison of two builds.
func (c *comparison) writeRepeated(w io.Writer, rows []load.RepeatedRow) error {
	if c.out != "" {
		if err := writeRows(c.out, rows); err != nil {
			return err
		}
	}
	return load.WriteRepeated(w, rows, c.names[0], c.names[1])
}

// readResults reads a file of results.
func readResults(name string) ([]*load.Result, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // only read
	return load.ReadResults(file)
}

// writeRows writes a comparison as JSON.
func writeRows[R load.Row | load.RepeatedRow](name string, rows []R) error {
	data, err := json.MarshalIndent(rows, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(data, '\n'), 0o644) //nolint:gosec // figures are no secret
}
