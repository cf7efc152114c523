package hoofbeat_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"hoofbeat"
	"hoofbeat/internal/client"
)

// Example runs a broker on a free port of loopback.
func Example() {
	broker, err := hoofbeat.New(hoofbeat.Options{Settings: map[string]string{
		"listen.websocket.address": "127.0.0.1:0", // a free port
		"listen.admin.address":     "",            // no admin API
	}})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- broker.Serve(ctx) }()

	greet(broker.URL("websocket"))

	stop() // drains the clients
	if err := <-ended; err != nil {
		log.Fatal(err)
	}
	// Output: hello from /topic/greetings
}

// A program with an HTTP server of its own mounts the WebSocket endpoint beside
// its pages.
func ExampleServer_Handler() {
	broker, err := hoofbeat.New(hoofbeat.Options{
		NoListeners: true,
		Settings:    map[string]string{"auth.anonymous": "true"},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer broker.Shutdown(context.Background())

	mux := http.NewServeMux()
	mux.Handle("/ws", broker.Handler())
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "the program's own page") })
	web := httptest.NewServer(mux)
	defer web.Close()

	greet(strings.Replace(web.URL, "http", "ws", 1) + "/ws")
	// Output: hello from /topic/greetings
}

// greet subscribes to a topic, sends to it, and prints the MESSAGE.
func greet(url string) {
	conn, err := client.Dial(context.Background(), url, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Disconnect()
	greetings, err := conn.Subscribe("/topic/greetings", 0)
	if err != nil {
		log.Fatal(err)
	}
	if err := conn.Send("/topic/greetings", "text/plain", []byte("hello")); err != nil {
		log.Fatal(err)
	}
	m := <-greetings.C
	fmt.Println(string(m.Body), "from", m.Destination)
}
