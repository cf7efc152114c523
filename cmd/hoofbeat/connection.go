package main

import (
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hoofbeat/admin"
)

func newConnectionCommand() *cobra.Command {
	return newGroup("connection", "Look at the clients of a running broker, and close connections",
		newConnectionListCommand(), newConnectionShowCommand(), newConnectionCloseCommand())
}

func newConnectionListCommand() *cobra.Command {
	return listing[admin.ConnectionInfo]{
		what: "connections", short: "Print connections, the oldest first",
		filters: []filter{
			{"user", "user", "only those of the user of this `name`"},
			{"transport", "transport", "only those of this `transport`, such as ws, wss, tcp or tls"},
			{"address", "address", "only those of this `address`, or of a network such as 10.0.0.0/8"},
			{"filter", "q", "only those with this `text` in their id, user or address"},
		},
		header: "ID\tUSER\tADDRESS\tTRANSPORT\tVERSION\tSUBSCRIPTIONS\tRECEIVED\tDELIVERED\tUNACKED\tCONNECTED\tSTATE",
		row: func(c admin.ConnectionInfo, now time.Time) []string {
			return []string{
				c.ID, orDash(c.User), c.Remote, c.Transport, orDash(c.Version), strconv.Itoa(c.Subscriptions), strconv.FormatInt(c.Received, 10),
				strconv.FormatInt(c.Delivered, 10), strconv.Itoa(c.Unacked), age(&c.Connected, now), c.State,
			}
		},
	}.command()
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func newConnectionShowCommand() *cobra.Command {
	var on operation
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Print a connection with its subscriptions",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return on.with(cmd, func(o *operator) error {
				var c admin.ConnectionInfo
				if err := o.get(cmd.Context(), "/api/v1/connection", url.Values{"id": {args[0]}}, &c); err != nil {
					return err
				}
				if asJSON {
					return writeJSON(cmd.OutOrStdout(), c)
				}
				return printConnection(cmd.OutOrStdout(), c, time.Now())
			})
		},
	}
	on.addRunning(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

func printConnection(w io.Writer, c admin.ConnectionInfo, now time.Time) error {
	rows := [][]string{
		{"connection", c.ID}, {"user", orDash(c.User)}, {"proven by", orDash(c.Method)}, {"address", c.Remote}, {"transport", c.Transport},
		{"version", orDash(c.Version)}, {"client-id", orDash(c.ClientID)}, {"state", c.State}, {"connected", age(&c.Connected, now)},
		{"frames received", strconv.FormatInt(c.Received, 10)}, {"messages delivered", strconv.FormatInt(c.Delivered, 10)},
		{"unacked", strconv.Itoa(c.Unacked)}, {"outbound bytes", strconv.Itoa(c.OutboundBytes)},
	}
	if c.Expires != nil {
		rows = append(rows, []string{"expires", c.Expires.Format(time.RFC3339)})
	}
	if err := printTableOf(w, rows); err != nil || len(c.SubscriptionsList) == 0 {
		return err
	}
	if _, err := io.WriteString(w, "\n"); err != nil {
		return err
	}
	table := [][]string{{"SUBSCRIPTION", "DESTINATION", "ACK", "UNACKED", "PREFETCH", "DURABLE"}}
	for _, s := range c.SubscriptionsList {
		table = append(table, []string{orDash(s.ID), s.Destination, s.Ack, strconv.Itoa(s.Unacked), prefetch(s), yesNo(s.Durable)})
	}
	return printTableOf(w, table)
}

// prefetch formats a subscription's prefetch count.
func prefetch(s admin.SubscriptionInfo) string {
	if s.Prefetch == 0 {
		return "-"
	}
	return strconv.Itoa(s.Prefetch)
}

func newConnectionCloseCommand() *cobra.Command {
	var on operation
	var reason string
	cmd := &cobra.Command{
		Use:   "close ID",
		Short: "Close a connection; its client is told why",
		Long: `The client gets an ERROR with the message closed-by-operator and the reason. What it has not acknowledged is given to others. Most
clients connect again at once: to keep a user away, revoke it (hoofbeat revocation add user:NAME).`,
		Example: "  hoofbeat connection close bcdf1 --reason 'this host is being replaced'",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return on.with(cmd, func(o *operator) error {
				var done admin.Closed
				if err := o.post(cmd.Context(), "/api/v1/connection/close", map[string]string{"id": args[0], "reason": reason}, &done); err != nil {
					return err
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: closed\n", printable(args[0]))
				return err
			})
		},
	}
	on.addRunning(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "`text` for the client and the audit log")
	return cmd
}

func newSubscriptionCommand() *cobra.Command {
	return newGroup("subscription", "Look at the subscriptions of a running broker", listing[admin.SubscriptionInfo]{
		what: "subscriptions", short: "Print subscriptions, by connection",
		filters: []filter{
			{"destination", "destination", "only those with this `text` in their destination"},
			{"user", "user", "only those of the user of this `name`"},
			{"connection", "connection", "only those of the connection with this `id`"},
		},
		header: "CONNECTION\tUSER\tSUBSCRIPTION\tDESTINATION\tACK\tUNACKED\tPREFETCH\tDURABLE",
		row: func(s admin.SubscriptionInfo, _ time.Time) []string {
			return []string{s.Connection, orDash(s.User), orDash(s.ID), s.Destination, s.Ack, strconv.Itoa(s.Unacked), prefetch(s), yesNo(s.Durable)}
		},
	}.command())
}

func newTopicCommand() *cobra.Command {
	return newGroup("topic", "Look at the topics of a running broker", listing[admin.Topic]{
		what: "topics", short: "Print the topics and patterns that are subscribed to",
		filters: []filter{{"filter", "q", "only those with this `text` in their name"}},
		header:  "TOPIC\tSUBSCRIBERS\tMESSAGES\tDELIVERIES",
		row: func(t admin.Topic, _ time.Time) []string {
			return []string{t.Name, strconv.Itoa(t.Subscribers), strconv.FormatInt(t.Totals.Messages, 10), strconv.FormatInt(t.Totals.Deliveries, 10)}
		},
	}.command())
}

func newUserCommand() *cobra.Command {
	return newGroup("user", "Look at who is connected to a running broker", listing[admin.User]{
		what: "users", short: "Print who is connected",
		filters: []filter{{"filter", "q", "only those with this `text` in their name"}},
		header:  "USER\tCONNECTIONS\tPROVEN BY\tEXPIRES",
		row: func(u admin.User, _ time.Time) []string {
			expires := "-"
			if u.Expires != nil {
				expires = u.Expires.Format(time.RFC3339)
			}
			return []string{u.User, strconv.Itoa(u.Connections), strings.Join(u.Methods, ", "), expires}
		},
	}.command())
}
