package destination

import (
	"errors"
	"strings"
	"testing"
)

var (
	alice = Owner{User: "alice", Connection: "c1"}
	bob   = Owner{User: "bob", Connection: "c2"}
)

func TestDestinationKinds(t *testing.T) {
	const sub, send = true, false
	tests := []struct {
		subscribe bool
		text      string
		kind      Kind
		key       string
		wild      bool
	}{
		{send, "/topic/a", Topic, "/topic/a", false},
		{send, "/topic/a.b", Topic, "/topic/a.b", false},
		{send, "/topic/a/b", Topic, "/topic/a.b", false},
		{sub, "/topic/a/b", Topic, "/topic/a.b", false},
		{sub, "/topic/*", Topic, "/topic/*", true},
		{sub, "/topic/a/*/c", Topic, "/topic/a.*.c", true},
		{sub, "/topic/**", Topic, "/topic/**", true},
		{sub, "/topic/a.#", Topic, "/topic/a.**", true},
		{sub, "/topic/a.>", Topic, "/topic/a.**", true},
		{sub, "/topic/#/b.>", Topic, "/topic/**.b.**", true},
		{sub, "/topic/a#b.c>", Topic, "/topic/a#b.c>", false},
		{send, "/topic/a#b.c>", Topic, "/topic/a#b.c>", false},
		{send, "/queue/a", Queue, "/queue/a", false},
		{sub, "/queue/a/b", Queue, "/queue/a.b", false},
		{send, "/queue/grüße.日本", Queue, "/queue/grüße.日本", false},
		{send, "/queue/with space", Queue, "/queue/with space", false},
		{send, "/temp-queue/r", TempQueue, "/temp-queue/c1\x00r", false},
		{sub, "/temp-queue/r/s", TempQueue, "/temp-queue/c1\x00r.s", false},
		{send, "/reply-queue/c9.r", TempQueue, "/temp-queue/c9\x00r", false},
		{send, "/reply-queue/c9.r.s/t", TempQueue, "/temp-queue/c9\x00r.s.t", false},
		{sub, "/user/queue/a", User, "/user/alice\x00/queue/a", false},
		{sub, "/user/topic/a/b", User, "/user/alice\x00/topic/a.b", false},
		{sub, "/user/queue/**", User, "/user/alice\x00/queue/**", true},
		{send, "/user/bob/queue/a", User, "/user/bob\x00/queue/a", false},
		{send, "/user/bob/topic/a/b", User, "/user/bob\x00/topic/a.b", false},
		{send, "/user/acme%2Fbob/queue/a", User, "/user/acme/bob\x00/queue/a", false},
		{send, "/user/b.o.b/queue/a", User, "/user/b.o.b\x00/queue/a", false},
		{send, "/user/queue/queue/a", User, "/user/queue\x00/queue/a", false},
	}
	for _, tt := range tests {
		read := DefaultNamespace().ForSend
		if tt.subscribe {
			read = DefaultNamespace().ForSubscribe
		}
		d, err := read(tt.text, alice)
		if err != nil {
			t.Errorf("%q: %v", tt.text, err)
			continue
		}
		if d.Kind != tt.kind || d.Key() != tt.key || d.Wild() != tt.wild || d.Space()+d.Name() != tt.key {
			t.Errorf("%q: got kind %d, key %q, wild %v; want %d, %q, %v", tt.text, d.Kind, d.Key(), d.Wild(), tt.kind, tt.key, tt.wild)
		}
	}
}

func TestDestinationRefused(t *testing.T) {
	long := strings.Repeat("x", MaxBytes)
	const both, sub, send = "both", "subscribe", "send"
	tests := []struct {
		when, text string
		unknown    bool
		says       string
	}{
		{both, "", false, "missing or empty"},
		{both, "/topic/" + long, false, "1024"},
		{both, "/topic/", false, "no name"},
		{both, "/queue/", false, "no name"},
		{both, "/temp-queue/", false, "no name"},
		{both, "/topic/a\x00b", false, "control character"},
		{both, "/topic/a\nb", false, "control character"},
		{both, "/topic/a\rb", false, "control character"},
		{both, "/topic/a\x7fb", false, "control character"},
		{both, "/topic/a\xffb", false, "control character"},
		{both, "/user/\x00/queue/a", false, "control character"},
		{both, "topic/a", true, "/topic/, /queue/"},
		{both, "/topics/a", true, "/topic/, /queue/"},
		{both, "/topic", true, "/topic/, /queue/"},
		{both, "/exchange/a", true, TempPrefix},
		{both, "/", true, UserPrefix},
		{sub, "/reply-queue/c1.r", true, "/topic/"},
		{both, "/topic/a*", false, "whole segment"},
		{both, "/topic/a.*b.c", false, "whole segment"},
		{both, "/topic/***", false, "whole segment"},
		{both, "/queue/a.*", false, "wildcard"},
		{both, "/queue/**", false, "wildcard"},
		{both, "/queue/#", false, "wildcard"},
		{both, "/queue/a.>", false, "wildcard"},
		{both, "/temp-queue/*", false, "wildcard"},
		{send, "/topic/*", false, "wildcard"},
		{send, "/topic/a.**", false, "wildcard"},
		{send, "/topic/a/#", false, "wildcard"},
		{send, "/topic/a.>", false, "wildcard"},
		{send, "/user/bob/queue/**", false, "wildcard"},
		{send, "/reply-queue/c1.*", false, "wildcard"},
		{send, "/reply-queue/c1", false, "not a reply destination"},
		{send, "/reply-queue/c1.", false, "no name"},
		{send, "/user/queue/a", false, "/user/{user}/queue/NAME"},
		{send, "/user/bob", false, "/user/{user}/queue/NAME"},
		{send, "/user/bob/other/a", false, "/user/{user}/queue/NAME"},
		{send, "/user/bob/queue/", false, "no name"},
		{sub, "/user/bob/queue/a", false, "/user/queue/NAME"},
		{sub, "/user/", false, "/user/queue/NAME"},
		{sub, "/user/queue/", false, "no name"},
	}
	n := DefaultNamespace()
	for _, tt := range tests {
		if tt.when != sub {
			_, err := n.ForSend(tt.text, alice)
			wantRefused(t, "SEND to", tt.text, err, tt.unknown, tt.says)
		}
		if tt.when != send {
			_, err := n.ForSubscribe(tt.text, alice)
			wantRefused(t, "SUBSCRIBE to", tt.text, err, tt.unknown, tt.says)
		}
	}
}

func wantRefused(t *testing.T, what, text string, err error, unknown bool, says string) {
	t.Helper()
	var de *Error
	if !errors.As(err, &de) {
		t.Errorf("%s %.40q: error is %v", what, text, err)
		return
	}
	if de.Unknown != unknown || !strings.Contains(de.Text, says) {
		t.Errorf("%s %.40q: unknown %v, %q; want %v and %q in it", what, text, de.Unknown, de.Text, unknown, says)
	}
}

func TestDestinationLongest(t *testing.T) {
	text := "/topic/" + strings.Repeat("x", MaxBytes-len("/topic/"))
	if _, err := DefaultNamespace().ForSend(text, alice); err != nil {
		t.Error(err)
	}
}

func TestNamespaceOfItsOwn(t *testing.T) {
	n := Namespace{Topics: []string{"/topic/", "/events/"}, Queues: []string{"/jobs/"}}
	for text, kind := range map[string]Kind{"/topic/a": Topic, "/events/a": Topic, "/jobs/a": Queue, "/temp-queue/a": TempQueue} {
		if d, err := n.ForSend(text, alice); err != nil || d.Kind != kind {
			t.Errorf("%q: kind %d, error %v; want %d", text, d.Kind, err, kind)
		}
	}
	a, _ := n.ForSend("/topic/a", alice)
	b, _ := n.ForSend("/events/a", alice)
	if a.Key() == b.Key() {
		t.Error("names behind two prefixes are the same")
	}
	_, err := n.ForSend("/queue/a", alice)
	wantRefused(t, "SEND to", "/queue/a", err, true, "/topic/, /events/, /jobs/, /temp-queue/, /user/")
}

func TestReplyTo(t *testing.T) {
	n := DefaultNamespace()
	longest := strings.Repeat("x", MaxBytes-len(TempPrefix))
	for _, name := range []string{"r", "r.s", "r/s", ".r", "..", "a b", "#a", longest} {
		d, err := n.ForSubscribe(TempPrefix+name, alice)
		if err != nil {
			t.Errorf("%.40q: %v", name, err)
			continue
		}
		back, err := n.ForSend(ReplyTo(d), bob)
		if err != nil || back.Key() != d.Key() || back.Kind != d.Kind {
			t.Errorf("%.40q: reply to %.40q reads as %.40q, error %v", name, ReplyTo(d), back.Key(), err)
		}
	}
}

// TestOwners: a text refers to different destinations for different owners.
func TestOwners(t *testing.T) {
	n := DefaultNamespace()
	owners := []Owner{
		alice, bob,
		{User: "alice/queue", Connection: "c1.r"},
		{User: "alice\x00/queue/a", Connection: "c1\x00r"},
		{User: "queue", Connection: ""},
		{User: "alice%2Fqueue", Connection: "c1/r"},
	}
	texts := []string{"/user/queue/a", "/user/topic/a", "/user/queue/queue/a", "/user/queue/a/queue/a", "/temp-queue/r", "/temp-queue/r.r"}
	seen := make(map[string]string)
	for _, o := range owners {
		for _, text := range texts {
			d, err := n.ForSubscribe(text, o)
			if err != nil {
				t.Fatal(err)
			}
			me := o.User + " " + text
			if other := seen[d.Key()]; other != "" {
				t.Errorf("%q and %q mean the same", me, other)
			}
			seen[d.Key()] = me
		}
	}
}

func FuzzDestination(f *testing.F) {
	for _, s := range []string{
		"/topic/a.b", "/topic/a/*/#", "/queue/a", "/temp-queue/r", "/reply-queue/c1.r", "/reply-queue/c2.r",
		"/user/queue/a", "/user/bob/queue/a", "/user/alice%2F/topic/x", "/topic/\xff", "/user//queue/a", "/topic/a..b.",
	} {
		f.Add(s, "alice", "bob")
		f.Add(s, "alice/queue", "%2F")
	}
	n := DefaultNamespace()
	f.Fuzz(func(t *testing.T, text, user, other string) {
		me, you := Owner{User: user, Connection: "c1" + user}, Owner{User: other, Connection: "c2" + other}
		for _, read := range []func(string, Owner) (Destination, error){n.ForSend, n.ForSubscribe} {
			mine, err := read(text, me)
			yours, err2 := read(text, you)
			if (err == nil) != (err2 == nil) {
				t.Fatalf("%q is refused to one of two: %v, %v", text, err, err2)
			}
			if err == nil {
				checkDestination(t, text, mine, yours, user == other)
			}
		}
		if user != other {
			checkReach(t, text, me, you)
		}
	})
}

// checkReach checks that a text written by one owner never refers to a
// destination of another owner, except a SEND to a name that says so.
func checkReach(t *testing.T, text string, me, you Owner) {
	n := DefaultNamespace()
	mine := map[string]string{tempSpace(me.Connection): ReplyPrefix + me.Connection + "."}
	for _, kind := range userKinds {
		mine[userSpace(me.User, kind)] = UserPrefix + me.User + "/"
	}
	if d, err := n.ForSubscribe(text, you); err == nil {
		if _, reached := mine[d.Space()]; reached {
			t.Fatalf("SUBSCRIBE to %q reaches %q", text, d.Key())
		}
	}
	if d, err := n.ForSend(text, you); err == nil {
		says, reached := mine[d.Space()]
		if reached && !strings.HasPrefix(strings.ReplaceAll(text, "%2F", "/"), says) {
			t.Fatalf("SEND to %q reaches %q", text, d.Key())
		}
	}
}

func checkDestination(t *testing.T, text string, mine, yours Destination, same bool) {
	if mine.Space()+mine.Name() != mine.Key() || mine.Name() == "" {
		t.Fatalf("%q: space %q and name %q of %q", text, mine.Space(), mine.Name(), mine.Key())
	}
	own := strings.HasPrefix(text, TempPrefix) || strings.HasPrefix(text, UserPrefix+"queue/") || strings.HasPrefix(text, UserPrefix+"topic/")
	bySend := mine.Kind == User && !own
	switch {
	case mine.Kind == TempQueue && own && mine.Key() == yours.Key():
		t.Fatalf("%q of two connections is one: %q", text, mine.Key())
	case mine.Kind == User && own && !same && !mine.Wild() && mine.Key() == yours.Key():
		// A SEND to /user/queue/queue/x is for the user called queue.
		if !strings.HasPrefix(mine.Space(), UserPrefix+"queue\x00") && !strings.HasPrefix(mine.Space(), UserPrefix+"topic\x00") {
			t.Fatalf("%q of two users is one: %q", text, mine.Key())
		}
	case (mine.Kind == Topic || mine.Kind == Queue || bySend) && mine.Key() != yours.Key():
		t.Fatalf("%q reads as %q and %q", text, mine.Key(), yours.Key())
	}
	if mine.Kind == Topic || mine.Kind == Queue {
		again, err := DefaultNamespace().ForSubscribe(mine.Key(), alice)
		if err != nil || again.Key() != mine.Key() || again.wild != mine.wild {
			t.Fatalf("%q: %q reads as %q, error %v", text, mine.Key(), again.Key(), err)
		}
	}
	if strings.Count(mine.Key(), "\x00") > 0 != (mine.Kind == TempQueue || mine.Kind == User) {
		t.Fatalf("%q: key %q", text, mine.Key())
	}
}
