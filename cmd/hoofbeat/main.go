// Command hoofbeat is a STOMP-over-WebSocket message broker, and its tools.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the first signal asks for an orderly end, a second one ends at once
	os.Exit(report(os.Stderr, newRootCommand().ExecuteContext(ctx)))
}
