package transport_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"hoofbeat/broker"
	"hoofbeat/internal/client"
	"hoofbeat/session"
	"hoofbeat/transport"
)

// Example runs a broker inside a Go program, beside the program's own pages.
func Example() {
	b, err := broker.New(broker.Options{})
	if err != nil {
		panic(err)
	}
	server := transport.NewServer(transport.Options{Session: session.DefaultOptions(b)})
	defer server.Shutdown(context.Background())

	mux := http.NewServeMux()
	mux.Handle("/ws", server.Handler())
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "the program's own page") })
	web := httptest.NewServer(mux)
	defer web.Close()

	greet(strings.Replace(web.URL, "http", "ws", 1) + "/ws")
	// Output: hello from /topic/greetings
}

// greet subscribes to a topic, sends to it, and prints the MESSAGE.
func greet(url string) {
	conn, err := client.Dial(context.Background(), url, client.Options{})
	if err != nil {
		panic(err)
	}
	defer conn.Disconnect()
	greetings, err := conn.Subscribe("/topic/greetings", 0)
	if err != nil {
		panic(err)
	}
	if err := conn.Send("/topic/greetings", "text/plain", []byte("hello")); err != nil {
		panic(err)
	}
	m := <-greetings.C
	fmt.Println(string(m.Body), "from", m.Destination)
}
