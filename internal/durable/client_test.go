package durable

import (
	"github.com/go-stomp/stomp/v3/frame"

	"hoofbeat/frames"
	"hoofbeat/internal/proctest"
)

type client = proctest.Client

// connect connects; handle is called for every frame after CONNECTED.
func connect(address string, handle func(*client, frames.Inbound)) (*client, error) {
	return proctest.Connect(address, "", func(c *client, f frames.Inbound) {
		if f.Command != frame.CONNECTED {
			handle(c, f)
		}
	})
}
