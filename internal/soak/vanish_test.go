package soak

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"hoofbeat/internal/proctest"
)

// A vanishing peer loses its network from one moment to the next: the forwarder
// between client and broker stops.
type vanishing struct {
	client, broker net.Conn // the ends of the forwarder
	copying        sync.WaitGroup
}

// vanish connects over TCP through a forwarder, and returns the client's end
// and the forwarder.
func (w *world) vanish(from net.IP) (net.Conn, *vanishing, error) {
	broker, err := w.dial(path{by: overTCP}, from, 0)
	if err != nil {
		return nil, nil, err
	}
	client, end := net.Pipe()
	v := &vanishing{client: end, broker: broker.Conn}
	for _, way := range [][2]net.Conn{{v.client, v.broker}, {v.broker, v.client}} {
		v.copying.Go(func() {
			if _, err := io.Copy(way[0], way[1]); err == nil {
				_ = v.client.Close() // one of them left before it could vanish
			}
		})
	}
	return client, v, nil
}

// freeze stops the forwarding; both ends stay open.
func (v *vanishing) freeze() {
	past := time.Now()
	_ = v.client.SetDeadline(past)
	_ = v.broker.SetDeadline(past)
	v.copying.Wait()
}

// ended reads the broker's remaining bytes up to the end of the connection. It
// returns an error if the connection does not end.
func (v *vanishing) ended() error {
	defer func() { _ = v.client.Close(); _ = v.broker.Close() }()
	if err := v.broker.SetDeadline(time.Now().Add(proctest.StepTimeout)); err != nil {
		return nil // it is closed
	}
	_, err := io.Copy(io.Discard, v.broker)
	if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
		return fmt.Errorf("a peer that has vanished was kept for %v", proctest.StepTimeout)
	}
	return nil
}
