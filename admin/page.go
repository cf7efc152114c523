package admin

import (
	"cmp"
	"container/heap"
	"encoding/base64"
	"encoding/json"
	"errors"
	"iter"
	"slices"
)

// Lists are split into pages. A list may be long and is not stored, so a page
// is found by visiting each item once and holding those that belong to the
// page.

// Limits of a page, in items.
const (
	defaultItems = 100
	maxItems     = 1000
)

// A place is the position of an item in a list. No two items have the same one.
type place struct {
	number int64
	text   string
}

func (p place) compare(o place) int {
	return cmp.Or(cmp.Compare(p.number, o.number), cmp.Compare(p.text, o.text))
}

// A page is the requested part of a list.
type page struct {
	list  string // name and order, so that a cursor of another list is rejected
	limit int
	after *place // nil: from the start
	down  bool   // descending
}

// cursor is the encoded form of a place in /api/v1.
type cursor struct {
	List   string `json:"l"`
	Number int64  `json:"n,omitempty"`
	Text   string `json:"t,omitempty"`
}

// pageParameters are the parameters of every list.
var pageParameters = []string{"limit", "after"}

// listParameters parses a query with these and other parameters.
func listParameters(c *call, list string, others ...string) (map[string]string, page, error) {
	p := page{list: list}
	given, err := parameters(c.r, append(others, pageParameters...)...)
	if err != nil {
		return nil, p, err
	}
	if p.limit, err = number(given, "limit", defaultItems, 1, maxItems); err != nil {
		return nil, p, err
	}
	return given, p, nil
}

// from sets the start of the page, once the list is known.
func (p *page) from(given map[string]string) error {
	text, ok := given["after"]
	if !ok {
		return nil
	}
	at, err := p.parse(text)
	if err != nil {
		return badRequest("expected after to be the next of an answer to the same list in the same order")
	}
	p.after = &at
	return nil
}

func (p *page) parse(text string) (place, error) {
	data, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return place{}, err
	}
	var c cursor
	if err := json.Unmarshal(data, &c); err != nil {
		return place{}, err
	}
	if c.List != p.list {
		return place{}, errors.New("another list")
	}
	return place{c.Number, c.Text}, nil
}

func (p *page) format(at place) string {
	data, err := json.Marshal(cursor{p.list, at.number, at.text})
	if err != nil {
		return "" // three plain values always encode
	}
	return base64.RawURLEncoding.EncodeToString(data)
}

// compare compares in the order of the list.
func (p *page) compare(a, b place) int {
	if p.down {
		a, b = b, a
	}
	return a.compare(b)
}

// A found item is a candidate for the page.
type found[T any] struct {
	at   place
	item T
}

// A picker selects the items of a page and counts all. It is a heap with the
// last item on top.
type picker[T any] struct {
	*page
	total int
	held  []found[T] // at most one more than the page
}

func (p *picker[T]) Len() int           { return len(p.held) }
func (p *picker[T]) Less(i, j int) bool { return p.compare(p.held[i].at, p.held[j].at) > 0 }
func (p *picker[T]) Swap(i, j int)      { p.held[i], p.held[j] = p.held[j], p.held[i] }
func (p *picker[T]) Push(x any)         { p.held = append(p.held, x.(found[T])) }

func (p *picker[T]) Pop() any {
	last := p.held[len(p.held)-1]
	p.held = p.held[:len(p.held)-1]
	return last
}

func (p *picker[T]) offer(at place, item T) {
	p.total++
	switch {
	case p.after != nil && p.compare(at, *p.after) <= 0:
	case len(p.held) <= p.limit:
		heap.Push(p, found[T]{at, item})
	case p.compare(at, p.held[0].at) < 0:
		p.held[0] = found[T]{at, item}
		heap.Fix(p, 0)
	}
}

// pick selects the items of a page. It returns them with the cursor of the next
// page and the total.
func pick[T any](p *page, all iter.Seq2[place, T]) (items []T, next string, total int) {
	k := picker[T]{page: p}
	for at, item := range all {
		k.offer(at, item)
	}
	slices.SortFunc(k.held, func(a, b found[T]) int { return p.compare(a.at, b.at) })
	if len(k.held) > p.limit {
		k.held = k.held[:p.limit]
		next = p.format(k.held[p.limit-1].at)
	}
	items = make([]T, len(k.held))
	for i, f := range k.held {
		items[i] = f.item
	}
	return items, next, k.total
}

// described describes the items of a page. Items that have gone in the meantime
// are omitted.
func described[T, U any](items []T, describe func(T) (U, bool)) []U {
	out := make([]U, 0, len(items))
	for _, item := range items {
		if d, ok := describe(item); ok {
			out = append(out, d)
		}
	}
	return out
}

// A Page is the common part of every list.
type Page struct {
	// Next is the cursor of the next page; empty: this is the last.
	Next  string `json:"next,omitempty"`
	Total int    `json:"total"` // items that match the filter
}
