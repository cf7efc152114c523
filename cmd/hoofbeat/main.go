// Command hoofbeat is a message broker that speaks STOMP over WebSocket and TCP,
// and its tools.
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
