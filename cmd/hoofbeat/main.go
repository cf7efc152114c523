// Command hoofbeat is a message broker that speaks STOMP over WebSocket and
// TCP, with its tools.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the first signal starts an orderly shutdown, a second one ends the process at once
	os.Exit(report(os.Stderr, newRootCommand().ExecuteContext(ctx)))
}
