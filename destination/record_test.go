package destination

import "testing"

func TestRecord(t *testing.T) {
	n := DefaultNamespace()
	var all []Destination
	for _, text := range []string{"/topic/a", "/topic/a/b", "/queue/a.b", "/user/queue/x", "/topic/a.*.#"} {
		d, err := n.ForSubscribe(text, alice)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, d)
	}
	all = append(all, DurableSubscription("alice", "", "s"), DurableSubscription("alice", "phone", "s t"))
	for _, d := range all {
		record := d.AppendRecord([]byte("x"))[1:]
		got, rest, ok := CutRecord(append(record, "behind"...))
		if !ok || got != d || string(rest) != "behind" {
			t.Errorf("%q comes back as %+v, with %q behind it, %v", d, got, rest, ok)
		}
		for i := range record {
			if d, _, ok := CutRecord(record[:i]); ok {
				t.Errorf("the first %d bytes of %q are %+v", i, record, d)
			}
		}
	}
}

func FuzzRecord(f *testing.F) {
	f.Add(DurableSubscription("alice", "phone", "s").AppendRecord(nil))
	f.Add([]byte{byte(Topic)<<kindShift | textFlag, 200, 1, 'a'})
	f.Fuzz(func(t *testing.T, b []byte) {
		d, _, ok := CutRecord(b)
		if !ok {
			return
		}
		_, _ = d.Space(), d.Name()
		if again, rest, ok := CutRecord(d.AppendRecord(nil)); !ok || again != d || len(rest) > 0 {
			t.Errorf("%+v comes back as %+v", d, again)
		}
	})
}
