// Package servertest makes servers for tests of other packages.
package servertest

import (
	"hoofbeat/connections"
	"hoofbeat/transport"
)

// Options are those of a [Server].
type Options struct {
	connections.Options
	endpoints
}

type endpoints = transport.Options

// A Server has endpoints and the connections that come from them.
type Server struct {
	*connections.Registry
	*transport.Server
}

// New returns a Server. The caller ends it with Shutdown.
func New(o Options) *Server {
	r := connections.New(o.Options)
	return &Server{r, transport.NewServer(r, o.endpoints)}
}
