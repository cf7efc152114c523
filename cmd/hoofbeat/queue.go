package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hoofbeat/admin"
)

func newQueueCommand() *cobra.Command {
	cmd := newGroup("queue", "Look into queues, and move or drop what is in them",
		newQueueListCommand(), newQueueShowCommand(), newQueueBrowseCommand(), newQueueCreateCommand(),
		newQueuePurgeCommand(), newQueueMoveCommand(), newQueueDeleteCommand())
	cmd.Long = `Works on a running broker, by its listener for operators (listen.admin.address), or with --directory on the storage directory of
one that is stopped. A queue is named as clients name it, such as /queue/orders; a durable subscription is
/subscription/USER/CLIENT-ID/NAME, as ` + "`queue list`" + ` prints it.`
	return cmd
}

func newQueueListCommand() *cobra.Command {
	return listing[admin.Queue]{
		what: "queues", short: "Print queues and durable subscriptions with what they hold", stopped: true,
		filters: []filter{
			{"filter", "q", "only those with this `text` in their name"},
			{"sort", "sort", "by `what` they are ordered: name, ready or oldest"},
			{"order", "order", "`asc` or desc"},
		},
		header: "QUEUE\tREADY\tUNACKED\tDELAYED\tCONSUMERS\tBYTES\tOLDEST\tDURABLE",
		row: func(q admin.Queue, now time.Time) []string {
			n := strconv.Itoa
			return []string{q.Name, n(q.Ready), n(q.Unacked), n(q.Delayed), n(q.Consumers), n(q.Bytes), age(q.Oldest, now), yesNo(q.Durable)}
		},
	}.command()
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func newQueueCreateCommand() *cobra.Command {
	var on operation
	cmd := &cobra.Command{
		Use:   "create QUEUE",
		Short: "Make a queue that stays while it is empty",
		Long: `A queue needs not be made: it comes with the first message, or the first subscriber, and goes with the last. One that was made stays
until it is deleted, and is kept on disk if its policy is durable.`,
		Example: "  hoofbeat queue create /queue/orders",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return on.with(cmd, func(o *operator) error {
				if err := o.keeps(args[0]); err != nil {
					return err
				}
				var done admin.Created
				if err := o.post(cmd.Context(), "/api/v1/queue/create", map[string]string{"name": args[0]}, &done); err != nil {
					return err
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: created\n", printable(done.Name))
				return err
			})
		},
	}
	on.add(cmd)
	return cmd
}

// age formats the time since at; "-" if unknown.
func age(at *time.Time, now time.Time) string {
	if at == nil {
		return "-"
	}
	return max(0, now.Sub(*at)).Round(time.Second).String()
}

func newQueueShowCommand() *cobra.Command {
	var on operation
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "show QUEUE",
		Short:   "Print what a queue holds, and the policy that it follows",
		Example: "  hoofbeat queue show /queue/orders",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return on.with(cmd, func(o *operator) error {
				q, err := o.queue(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				if asJSON {
					return writeJSON(cmd.OutOrStdout(), q)
				}
				return printQueue(cmd.OutOrStdout(), q, time.Now())
			})
		},
	}
	on.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

func (o *operator) queue(ctx context.Context, name string) (admin.Queue, error) {
	var q admin.Queue
	err := o.get(ctx, "/api/v1/queue", url.Values{"name": {name}}, &q)
	return q, err
}

func printQueue(w io.Writer, q admin.Queue, now time.Time) error {
	var b strings.Builder
	row := func(name, value string) {
		if value != "" && value != "0" {
			fmt.Fprintf(&b, "%s\t%s\n", name, printable(value))
		}
	}
	number := strconv.Itoa
	row("queue", q.Name)
	row("topic", q.Topic)
	fmt.Fprintf(&b, "ready\t%d\nunacked\t%d\ndelayed\t%d\nconsumers\t%d\nbytes\t%d\noldest\t%s\n", q.Ready, q.Unacked, q.Delayed, q.Consumers, q.Bytes, age(q.Oldest, now))
	if q.Owner != "" {
		row("owner", q.Owner)
	}
	if q.Abandoned != nil {
		row("without subscriber for", age(q.Abandoned, now))
	}
	for _, c := range []counted{
		{"enqueued", q.Totals.Enqueued}, {"delivered", q.Totals.Delivered}, {"redelivered", q.Totals.Redelivered}, {"acked", q.Totals.Acked},
	} {
		row(c.name, strconv.FormatInt(c.count, 10))
	}
	if q.OverLimits {
		row("over its limits", "yes: what it holds stays")
	}
	if p := q.Policy; p != nil {
		row("durable", strconv.FormatBool(p.Durable))
		row("max_deliveries", number(p.MaxDeliveries))
		row("redelivery_delay", describeDelay(p))
		row("dead_letter", p.DeadLetter)
		row("ttl", p.TTL)
		row("max_messages", number(p.MaxMessages))
		row("max_bytes", number(p.MaxBytes))
		row("overflow", p.Overflow)
		row("prefetch", number(p.Prefetch))
		row("subscription_expiry", p.SubscriptionExpiry)
		if p.DurableSharing {
			row("durable_sharing", "true")
		}
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if _, err := io.WriteString(table, b.String()); err != nil {
		return err
	}
	return table.Flush()
}

func describeDelay(p *admin.Policy) string {
	if p.DelayMultiplier == 0 {
		return p.RedeliveryDelay
	}
	text := fmt.Sprintf("%s, times %v each time", p.RedeliveryDelay, p.DelayMultiplier)
	if p.MaxDelay != "" {
		text += ", at most " + p.MaxDelay
	}
	return text
}

func newQueueBrowseCommand() *cobra.Command {
	var on operation
	var asJSON bool
	var skip, limit, body int
	cmd := &cobra.Command{
		Use:   "browse QUEUE",
		Short: "Print the messages that wait in a queue; they stay there",
		Long: `Prints messages in the order in which they will be delivered, the delayed ones last. What consumers have at this moment is not
among them.`,
		Example: "  hoofbeat queue browse /queue/dead.orders --limit 5 --body 1000",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if skip < 0 || limit < 1 || body < 0 {
				return errors.New("expected --skip and --body to be at least 0, and --limit at least 1")
			}
			return on.with(cmd, func(o *operator) error {
				all, err := o.messages(cmd.Context(), args[0], skip, limit, body)
				if err != nil {
					return err
				}
				if asJSON {
					return writeJSON(cmd.OutOrStdout(), all)
				}
				return printMessages(cmd.OutOrStdout(), all.Messages)
			})
		},
	}
	on.add(cmd)
	flags := cmd.Flags()
	flags.IntVar(&skip, "skip", 0, "`number` of messages to leave out at the beginning")
	flags.IntVar(&limit, "limit", 20, "`number` of messages to print at most")
	flags.IntVar(&body, "body", 200, "`bytes` to print of each body at most")
	flags.BoolVar(&asJSON, "json", false, "print one JSON object with messages")
	return cmd
}

// pageSize is the number of messages per request, the largest that is allowed.
const pageSize = 100

func (o *operator) messages(ctx context.Context, name string, skip, limit, body int) (admin.Messages, error) {
	all := admin.Messages{Messages: []admin.Message{}}
	for len(all.Messages) < limit {
		query := url.Values{
			"name": {name}, "skip": {strconv.Itoa(skip)}, "limit": {strconv.Itoa(min(pageSize, limit-len(all.Messages)))}, "body": {strconv.Itoa(body)},
		}
		var page admin.Messages
		if err := o.get(ctx, "/api/v1/queue/messages", query, &page); err != nil {
			return all, err
		}
		all.Messages = append(all.Messages, page.Messages...)
		if skip, all.Next = page.Next, page.Next; page.Next == 0 {
			break
		}
	}
	return all, nil
}

func printMessages(w io.Writer, messages []admin.Message) error {
	if len(messages) == 0 {
		_, err := fmt.Fprintln(w, "no message waits there")
		return err
	}
	var b strings.Builder
	for _, m := range messages {
		fmt.Fprintf(&b, "#%d  %s  priority %d, %d bytes", m.Sequence, printable(m.Destination), m.Priority, m.Size)
		for _, at := range []struct {
			what string
			when *time.Time
		}{{"arrived", m.Arrived}, {"visible", m.Visible}, {"expires", m.Expires}} {
			if at.when != nil {
				fmt.Fprintf(&b, ", %s %s", at.what, at.when.Format(time.RFC3339))
			}
		}
		if m.Deliveries > 0 {
			fmt.Fprintf(&b, ", delivered %d times, failed %d times", m.Deliveries, m.Failures)
		}
		b.WriteString("\n")
		for _, h := range m.Headers {
			fmt.Fprintf(&b, "    %s: %s\n", printable(h.Name), printable(h.Value))
		}
		fmt.Fprintf(&b, "    body of %d bytes: %s\n", m.BodyBytes, describeBody(m))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func describeBody(m admin.Message) string {
	text := printable(m.Body)
	if m.Base64 != nil {
		text = fmt.Sprintf("%x", m.Base64)
	}
	if m.Truncated {
		text += "..."
	}
	return text
}

func newQueuePurgeCommand() *cobra.Command {
	return newDroppingCommand("purge", "Drop all messages that wait in a queue", "/api/v1/queue/purge",
		`What consumers have at this moment stays. What is dropped is gone: it goes to no dead letter queue.`)
}

func newQueueDeleteCommand() *cobra.Command {
	return newDroppingCommand("delete", "Delete a queue or a durable subscription with all that it holds", "/api/v1/queue/delete",
		`Refused while it has consumers. A queue comes back with the next message that is sent to it; a durable subscription does not.`)
}

// newDroppingCommand returns a command that cannot be undone.
func newDroppingCommand(verb, short, path, long string) *cobra.Command {
	var on operation
	var yes bool
	cmd := &cobra.Command{
		Use:     verb + " QUEUE",
		Short:   short,
		Long:    long + " On a terminal it asks; elsewhere it takes --yes.",
		Example: "  hoofbeat queue " + verb + " /queue/dead.orders --yes",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return on.with(cmd, func(o *operator) error {
				if err := o.confirm(cmd, verb, args[0], yes); err != nil {
					return err
				}
				var done admin.Changed
				if err := o.post(cmd.Context(), path, map[string]string{"name": args[0]}, &done); err != nil {
					return err
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: %s dropped\n", printable(args[0]), count(done.Messages))
				return err
			})
		},
	}
	on.add(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// confirm asks for confirmation, unless --yes was given.
func (o *operator) confirm(cmd *cobra.Command, verb, name string, yes bool) error {
	if yes || !asks(cmd) {
		return agree(cmd, "", yes)
	}
	q, err := o.queue(cmd.Context(), name)
	if err != nil {
		return err
	}
	return agree(cmd, fmt.Sprintf("%s %s, with %s", verb, printable(q.Name), count(q.Ready+q.Delayed+q.Unacked)), false)
}

// count formats a number of messages.
func count(n int) string {
	if n == 1 {
		return "1 message"
	}
	return fmt.Sprintf("%d messages", n)
}

func newQueueMoveCommand() *cobra.Command {
	var on operation
	var limit int
	cmd := &cobra.Command{
		Use:   "move FROM TO",
		Short: "Move messages that wait in a queue to the end of another one",
		Long: `Moves what is there when it begins, in its order, and not what is delayed. Each message keeps its headers, and its deliveries are
counted anew. It ends early when the other queue is full.`,
		Example: "  hoofbeat queue move /queue/dead.orders /queue/orders --limit 100",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 0 {
				return errors.New("expected --limit to be at least 0, which means all")
			}
			return on.with(cmd, func(o *operator) error {
				if err := o.keeps(args[1]); err != nil {
					return err
				}
				var done admin.Changed
				if err := o.post(cmd.Context(), "/api/v1/queue/move", map[string]any{"from": args[0], "to": args[1], "limit": limit}, &done); err != nil {
					return err
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s moved from %s to %s\n", count(done.Messages), printable(args[0]), printable(args[1]))
				return err
			})
		},
	}
	on.add(cmd)
	cmd.Flags().IntVar(&limit, "limit", 0, "`number` of messages to move at most; 0: all")
	return cmd
}
