package admin

import (
	"encoding/base64"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/url"
	"slices"
	"testing"

	"hoofbeat/auth"
	"hoofbeat/broker"
	"hoofbeat/destination"
	"hoofbeat/session"
)

// The pages together are the whole list in order, for any page size, and
// include every item that existed throughout, even if others come and go.
func TestPages(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var stay []place
		for range random.IntN(50) {
			stay = append(stay, place{random.Int64N(5) - 2, fmt.Sprint(random.IntN(1000))})
		}
		p := page{list: "x", limit: 1 + random.IntN(9), down: random.IntN(2) == 0}
		slices.SortFunc(stay, p.compare)
		stay = slices.CompactFunc(stay, func(a, b place) bool { return a == b })
		var got []place
		for {
			now := slices.Clone(stay)
			for range random.IntN(20) { // others that exist at this moment
				now = append(now, place{random.Int64N(5) - 2, fmt.Sprintf("other %d", random.IntN(1000))})
			}
			random.Shuffle(len(now), func(i, j int) { now[i], now[j] = now[j], now[i] })
			items, next, total := pick(&p, func(yield func(place, place) bool) {
				for _, at := range now {
					if !yield(at, at) {
						return
					}
				}
			})
			if total != len(now) || len(items) > p.limit || !slices.IsSortedFunc(items, p.compare) {
				t.Fatalf("%d of %d, total %d: %v", len(items), len(now), total, items)
			}
			got = append(got, items...)
			if next == "" {
				break
			}
			if err := p.from(map[string]string{"after": next}); err != nil {
				t.Fatal(err)
			}
		}
		got = slices.DeleteFunc(got, func(at place) bool { return len(at.text) > 4 })
		if !slices.Equal(got, stay) {
			t.Fatalf("got %v, want %v", got, stay)
		}
	}
}

func TestCursors(t *testing.T) {
	d := newDesk()
	for i := range 5 {
		d.infos = append(d.infos, broker.QueueInfo{Destination: parsed(t, fmt.Sprintf("/queue/%d", i)), Depth: broker.Depth{Ready: i % 2}})
	}
	first := decode[QueueList](t, d.do(t, "GET", "/api/v1/queues?limit=2", ""))
	if first.Total != 5 || len(first.Queues) != 2 || first.Next == "" {
		t.Fatalf("got %+v", first)
	}
	second := decode[QueueList](t, d.do(t, "GET", "/api/v1/queues?limit=3&after="+url.QueryEscape(first.Next), ""))
	if second.Total != 5 || len(second.Queues) != 3 || second.Next != "" || second.Queues[0].Name != "/queue/2" {
		t.Fatalf("got %+v", second)
	}
	for _, after := range []string{"", "x", "%00", first.Next + "x", first.Next + "=", base64.RawURLEncoding.EncodeToString([]byte(`{"l":"queues/name/asc"`)), base64.RawURLEncoding.EncodeToString([]byte(`{"l":"users"}`))} {
		wantRefusal(t, d.do(t, "GET", "/api/v1/queues?after="+after, ""), 400, "bad-request")
	}
	for _, query := range []string{"order=desc", "sort=ready"} {
		wantRefusal(t, d.do(t, "GET", "/api/v1/queues?after="+first.Next+"&"+query, ""), 400, "bad-request")
	}
	for _, query := range []string{"limit=0", "limit=1001", "limit=-1", "sort=x", "order=x", "q=a&q=b"} {
		wantRefusal(t, d.do(t, "GET", "/api/v1/queues?"+query, ""), 400, "bad-request")
	}
}

func TestQueueOrders(t *testing.T) {
	d := newDesk()
	for i, q := range []broker.QueueInfo{
		{Depth: broker.Depth{Ready: 5}, Oldest: 3000}, {Depth: broker.Depth{Ready: 9}}, {Depth: broker.Depth{Ready: 1}, Oldest: 1000}, {Depth: broker.Depth{Ready: 5}, Oldest: 2000},
	} {
		q.Destination = parsed(t, fmt.Sprintf("/queue/%c", 'a'+i))
		d.infos = append(d.infos, q)
	}
	for query, order := range map[string]string{
		"": "abcd", "order=desc": "dcba", "sort=ready": "cadb", "sort=ready&order=desc": "bdac", "sort=oldest": "cdab", "sort=oldest&order=desc": "adcb",
		"q=c": "c", "q=queue": "abcd", "q=Queue": "",
	} {
		got := ""
		for _, q := range decode[QueueList](t, d.do(t, "GET", "/api/v1/queues?"+query, "")).Queues {
			got += q.Name[len("/queue/"):]
		}
		if got != order {
			t.Errorf("%s: got %s, want %s", query, got, order)
		}
	}
}

// A standIn is a cheap connection.
type standIn struct {
	id       string
	identity *auth.Identity
}

func (s *standIn) ID() string               { return s.id }
func (s *standIn) Remote() string           { return "192.0.2.1:5000" }
func (s *standIn) Transport() string        { return "ws" }
func (s *standIn) Identity() *auth.Identity { return s.identity }
func (s *standIn) Describe() session.Description {
	return session.Description{ID: s.id, Identity: s.identity}
}
func (s *standIn) Load() (int, int) { return 1, 0 }
func (s *standIn) Close(string)     {}

func (s *standIn) Subscriptions(wanted func(string) bool) []session.SubscriptionInfo {
	if !wanted("/topic/a") {
		return nil
	}
	return []session.SubscriptionInfo{{Number: 1, ID: "1", Destination: "/topic/a", Ack: "auto"}}
}

// BenchmarkLists requests a page from the middle of 100,000 items.
func BenchmarkLists(b *testing.B) {
	const many = 100_000
	queues, err := broker.New(broker.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer queues.Close()
	publisher := queues.NewPublisher()
	connections := make([]Connection, many)
	for i := range many {
		d, err := destination.DefaultNamespace().ForSend(fmt.Sprintf("/queue/orders.%06d.new", i), destination.Owner{})
		if err != nil {
			b.Fatal(err)
		}
		publisher.Send(plainMessage(d), nil)
		connections[i] = &standIn{id: fmt.Sprintf("bcdf%05d", i), identity: &auth.Identity{User: fmt.Sprintf("user%d", i)}}
	}
	all := func() iter.Seq[Connection] { return slices.Values(connections) }
	h := New(Options{Queues: queues, Connections: all, Namespace: destination.DefaultNamespace(), LoopbackWithoutToken: true})
	after := func(list, text string, number int64) string {
		return "after=" + (&page{list: list}).format(place{number, text})
	}
	for _, path := range []string{
		"overview", "queues?" + after("queues/name/asc", "/queue/orders.050000.new", 0), "queues?sort=ready&order=desc", "queues?limit=1000", "queues?q=99",
		"connections?" + after("connections", "bcdf50000", 9), "connections?q=user99", "subscriptions", "users",
	} {
		b.Run(path[:min(len(path), 30)], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if status := serveOnce(h, "/api/v1/"+path); status != 200 {
					b.Fatal(status)
				}
			}
		})
	}
}
