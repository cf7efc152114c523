//go:build unix

package deploy

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A builder is buildah with its own store. Its chroot isolation needs no
// daemon, control groups or network.
type builder struct {
	t    *testing.T
	args []string
}

func newBuilder(t *testing.T) *builder {
	t.Helper()
	need(t, "buildah")
	folder := t.TempDir()
	return &builder{t, []string{"--storage-driver", "vfs", "--root", filepath.Join(folder, "root"), "--runroot", filepath.Join(folder, "run")}}
}

func (b *builder) run(args ...string) string {
	b.t.Helper()
	return shell{}.run(b.t, "buildah", append(b.args, args...)...)
}

// command returns a command that runs args in a container with a mounted file.
// The container shares this machine's network.
func (b *builder) command(container, mount string, args ...string) *exec.Cmd {
	args = append([]string{"run", "--isolation", "chroot", "--volume", mount, container}, args...)
	return exec.Command("buildah", append(b.args, args...)...)
}

// The image of a release is built and run with its own user and command, and a
// message passes through it.
func TestImage(t *testing.T) {
	b := newBuilder(t)
	_, folder := release(t)
	binary := filepath.Join(folder, "hoofbeat")
	// scripts/image.sh passes further arguments to the engine, after "build".
	shell{dir: root, env: []string{"ENGINE=buildah"}}.run(t, "bash", append([]string{"scripts/image.sh", binary, "hoofbeat:test"}, b.args...)...)

	var image struct {
		Docker struct {
			Config struct {
				User, WorkingDir, StopSignal string
				Entrypoint, Cmd              []string
				ExposedPorts, Volumes        map[string]any
				Labels                       map[string]string
				Healthcheck                  struct{ Test []string }
			} `json:"config"`
		}
	}
	if err := json.Unmarshal([]byte(b.run("inspect", "--type", "image", "hoofbeat:test")), &image); err != nil {
		t.Fatal(err)
	}
	c := image.Docker.Config
	if c.User != "65532:65532" || c.Volumes["/data"] == nil || c.ExposedPorts["15674/tcp"] == nil || strings.Join(c.Healthcheck.Test, " ") != "CMD /usr/bin/hoofbeat health" ||
		c.Labels["org.opencontainers.image.version"] != version || len(c.Labels["org.opencontainers.image.revision"]) != 40 || c.StopSignal != "SIGTERM" {
		t.Errorf("the image is %+v", c)
	}

	container := strings.TrimSpace(b.run("from", "--pull-never", "hoofbeat:test"))
	secret := filepath.Join(t.TempDir(), "secret")
	writeSecret(t, secret)
	mount := secret + ":/run/secrets/hoofbeat-jwt:ro"
	own := append(c.Entrypoint, c.Cmd...)
	// The container uses this machine's ports.
	own = append(own, "--listen-websocket-address", "127.0.0.1:15764", "--listen-tcp-address", "", "--listen-admin-address", "127.0.0.1:15770")
	broker := start(t, b.command(container, mount, own...), "answers operators")

	inside := func(args ...string) string {
		t.Helper()
		out, err := b.command(container, mount, append([]string{"/usr/bin/hoofbeat"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%q: %v\n%s\n%s", args, err, out, broker.output.String())
		}
		return string(out)
	}
	if out := inside("health", "--listen-admin-address", "127.0.0.1:15770"); out != "ready\n" {
		t.Errorf("its health is %q", out)
	}
	token := strings.TrimSpace(inside("token", "sign", "--claims", `{"sub":"anna","roles":["operator"]}`))
	host := shell{}
	host.run(t, binary, "pub", "/queue/a", "two horseshoes", "--url", "ws://127.0.0.1:15764/ws", "--token", token)
	if out := host.run(t, binary, "sub", "/queue/a", "--count", "1", "--url", "ws://127.0.0.1:15764/ws", "--token", token); !strings.HasSuffix(out, "\ntwo horseshoes\n") {
		t.Errorf("what came is %q", out)
	}
	if out, err := host.try(t.Context(), binary, "pub", "/queue/a", "no", "--url", "ws://127.0.0.1:15764/ws"); err == nil {
		t.Errorf("without a token: %s", out)
	}
}

// afterLastFrom returns the instructions of the last stage, without comments
// and without the sources of COPY.
func afterLastFrom(text string) string {
	text = regexp.MustCompile(`(?m)^#.*\n`).ReplaceAllString(text, "")
	text = text[strings.LastIndex(text, "\nFROM ")+1:]
	text = strings.ReplaceAll(text, "--from=build ", "")
	return regexp.MustCompile(`(?m)^(COPY (?:--chown=\S+ )?)\S+ `).ReplaceAllString(text, "$1")
}

// The two Dockerfiles differ only in the origin of the binary.
func TestDockerfilesAgree(t *testing.T) {
	source, binary := afterLastFrom(read(t, filepath.Join(root, "Dockerfile"))), afterLastFrom("\n"+read(t, filepath.Join(root, "deploy/docker/Dockerfile")))
	if source != binary || !strings.Contains(source, "USER 65532:65532") {
		t.Errorf("the last stage of Dockerfile:\n%s\ndeploy/docker/Dockerfile:\n%s", source, binary)
	}
}

// .dockerignore lets all sources of the program through, and the image uses the
// Go release of go.mod.
func TestDockerfileHasTheSources(t *testing.T) {
	listed := shell{dir: root}.run(t, "go", "list", "-deps", "-f", `{{if .Module}}{{if .Module.Main}}{{.ImportPath}}{{"\n"}}{{end}}{{end}}`, "./cmd/hoofbeat")
	ignored := read(t, filepath.Join(root, ".dockerignore"))
	for name := range strings.Lines(listed) {
		folder := strings.TrimPrefix(strings.TrimSpace(name), "hoofbeat/")
		if folder == "hoofbeat" {
			folder = "*.go" // the package at the root
		}
		let := false
		for line := range strings.Lines(ignored) {
			line = strings.TrimPrefix(strings.TrimSpace(line), "!")
			let = let || folder == line || strings.HasPrefix(folder, line+"/")
		}
		if !let {
			t.Errorf(".dockerignore leaves out %s", folder)
		}
	}
	goes := regexp.MustCompile(`(?m)^go (\S+)$`).FindStringSubmatch(read(t, filepath.Join(root, "go.mod")))
	if want := "GO_IMAGE=golang:" + goes[1] + "-"; !strings.Contains(read(t, filepath.Join(root, "Dockerfile")), want) {
		t.Errorf("Dockerfile does not have %s", want)
	}
}
