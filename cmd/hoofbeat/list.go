package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// A listing is a list of the admin API with a command that prints it.
type listing[T any] struct {
	what    string // the plural noun of the items, as in the API's responses: queues
	short   string // help
	filters []filter
	header  string // of the table, with tabs
	row     func(item T, now time.Time) []string
	// stopped marks a list that is available from a directory, too.
	stopped bool
}

// A filter is a query parameter with its flag.
type filter struct{ flag, parameter, help string }

// pageItems is the page size of requests, the largest that is allowed.
const pageItems = 1000

func (l listing[T]) command() *cobra.Command {
	var on operation
	var asJSON bool
	var most int
	given := make([]string, len(l.filters))
	cmd := &cobra.Command{
		Use:   "list",
		Short: l.short,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if most < 0 {
				return errors.New("expected --limit to be at least 0, which means all")
			}
			query := url.Values{}
			for i, f := range l.filters {
				if cmd.Flags().Changed(f.flag) {
					query.Set(f.parameter, given[i])
				}
			}
			return on.with(cmd, func(o *operator) error {
				items, total, err := l.fetch(cmd.Context(), o, query, most)
				if err != nil {
					return err
				}
				if asJSON {
					return writeJSON(cmd.OutOrStdout(), map[string]any{l.what: items, "total": total})
				}
				return l.print(cmd.OutOrStdout(), items, total, time.Now())
			})
		},
	}
	if l.stopped {
		on.add(cmd)
	} else {
		on.addRunning(cmd)
	}
	for i, f := range l.filters {
		cmd.Flags().StringVar(&given[i], f.flag, "", f.help)
	}
	cmd.Flags().IntVar(&most, "limit", 0, "`number` of "+l.what+" to print at most; 0: all")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object with "+l.what+" and total")
	return cmd
}

// fetch reads up to most items (0: all), page by page, and returns them with
// the total.
func (l listing[T]) fetch(ctx context.Context, o *operator, query url.Values, most int) (items []T, total int, err error) {
	items = []T{}
	for {
		size := pageItems
		if most > 0 {
			size = min(size, most-len(items))
		}
		query.Set("limit", strconv.Itoa(size))
		var page map[string]json.RawMessage
		if err := o.get(ctx, "/api/v1/"+l.what, query, &page); err != nil {
			return nil, 0, err
		}
		var some []T
		next := ""
		if err := errors.Join(memberOf(page, l.what, &some), memberOf(page, "total", &total), memberOf(page, "next", &next)); err != nil {
			return nil, 0, err
		}
		items = append(items, some...)
		if next == "" || most > 0 && len(items) >= most {
			return items, total, nil
		}
		query.Set("after", next)
	}
}

// memberOf decodes a member of a response, if it is present.
func memberOf(page map[string]json.RawMessage, name string, into any) error {
	text, there := page[name]
	if !there {
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("the broker's answer has no %s that can be read: %w", name, err)
	}
	return nil
}

func (l listing[T]) print(w io.Writer, items []T, total int, now time.Time) error {
	if len(items) == 0 {
		_, err := fmt.Fprintf(w, "there are no %s\n", l.what)
		return err
	}
	rows := [][]string{strings.Split(l.header, "\t")}
	for _, item := range items {
		rows = append(rows, l.row(item, now))
	}
	if err := printTableOf(w, rows); err != nil || len(items) == total {
		return err
	}
	_, err := fmt.Fprintf(w, "%d of %d\n", len(items), total)
	return err
}

// printTableOf prints rows in columns. Text that a terminal would not show
// unchanged is quoted.
func printTableOf(w io.Writer, rows [][]string) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = printable(cell)
		}
		if _, err := io.WriteString(table, strings.Join(cells, "\t")+"\n"); err != nil {
			return err
		}
	}
	return table.Flush()
}
