package schemas

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

const compose = "../../../deploy/compose"

// project loads compose.yaml as Compose does, against its schema and with
// everything that services refer to.
func project(t *testing.T) *types.Project {
	t.Helper()
	o, err := cli.NewProjectOptions([]string{filepath.Join(compose, "compose.yaml")}, cli.WithWorkingDirectory(compose))
	if err != nil {
		t.Fatal(err)
	}
	p, err := o.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCompose(t *testing.T) {
	p := project(t)
	broker, nginx := p.Services["broker"], p.Services["nginx"]
	if broker.Image != "hoofbeat" || !broker.ReadOnly || len(broker.CapDrop) != 1 || len(broker.Ports) != 0 || broker.Ulimits["nofile"].Single != 1048576 {
		t.Errorf("the broker is %+v", broker)
	}
	if grace := broker.StopGracePeriod; grace == nil || time.Duration(*grace) < time.Minute {
		t.Errorf("it may take %v to stop", grace)
	}
	if !p.Networks["inside"].Internal {
		t.Error("the broker's network has a way out")
	}
	for _, v := range p.Services["prometheus"].Ports {
		if v.HostIP != "127.0.0.1" {
			t.Errorf("Prometheus has no access control, and port %s is open to %q", v.Published, v.HostIP)
		}
	}
	for _, s := range p.Services {
		for _, v := range s.Volumes {
			if v.Type == types.VolumeTypeBind && !strings.HasSuffix(v.Source, "/tls") { // created by the user
				if _, err := os.Stat(v.Source); err != nil {
					t.Errorf("%s mounts a missing path: %v", s.Name, err)
				}
			}
		}
	}
	// The addresses in the files next to it.
	text := read(t, filepath.Join(compose, "nginx.conf"))
	if address := broker.Networks["inside"].Ipv4Address; strings.Count(text, "http://"+address+":15674") != 2 {
		t.Errorf("nginx.conf does not have the broker's address, %s", address)
	}
	text = read(t, filepath.Join(compose, "hoofbeat/hoofbeat.yaml"))
	if address := nginx.Networks["inside"].Ipv4Address; !strings.Contains(text, "trusted_proxies: ["+address+"]") {
		t.Errorf("hoofbeat.yaml does not have the address of nginx, %s", address)
	}
}
