package destination

import "testing"

func TestNested(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"/topic/", "/topic/", true}, {"/topic/", "/topic/internal/", true}, {"/topic/", "/topic.internal/", true},
		{"/app.jobs/", "/app/", true}, {"/topic/", "/topics/", false}, {"/topic.a/", "/topic.b/", false}, {"/a.b.c/", "/a/b/", true},
	} {
		if Nested(tt.a, tt.b) != tt.want || Nested(tt.b, tt.a) != tt.want {
			t.Errorf("%s and %s: want %v", tt.a, tt.b, tt.want)
		}
	}
}
