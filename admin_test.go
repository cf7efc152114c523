package hoofbeat

import (
	"slices"
	"testing"

	"hoofbeat/admin"
	"hoofbeat/config"
	"hoofbeat/connections"
	"hoofbeat/transport"
)

// The admin listener answers before all other listeners are known to be open.
func TestReadyWhenListening(t *testing.T) {
	s := &adminServer{}
	none := connections.New(connections.Options{})
	o := s.options(adminParts{config: &config.Config{}, connections: none, transport: transport.NewServer(none, transport.Options{})})
	i := slices.IndexFunc(o.Checks, func(c admin.Check) bool { return c.Name == "listeners" })
	if i < 0 || o.Checks[i].Ready() == nil {
		t.Fatal("it is ready before it listens")
	}
	s.show(nil)
	if err := o.Checks[i].Ready(); err != nil {
		t.Error(err)
	}
}
