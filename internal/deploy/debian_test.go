//go:build unix

package deploy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A machine is this one, in a mount namespace: everything written in it is gone
// when the command ends.
type machine struct {
	t      *testing.T
	folder string
}

// overlay runs a script in a copy of this machine. Its changes are private, and
// it sees no other process.
const overlay = `set -eu
mount -t tmpfs none "$1"
mkdir "$1/changes" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/changes,workdir=$1/work" "$1/root"
mount -t proc proc "$1/root/proc"
mount --bind /dev "$1/root/dev"
mount -t tmpfs none "$1/root/run"
mount -t tmpfs none "$1/root/tmp"
# The copy must not contain a broker that is installed on this machine.
for left in etc/hoofbeat etc/logrotate.d/hoofbeat var/lib/hoofbeat var/log/hoofbeat usr/bin/hoofbeat; do
	rm -rf "$1/root/$left"
done
chroot "$1/root" sh -c '
	! dpkg -s hoofbeat || dpkg -P --force-all hoofbeat
	! getent passwd hoofbeat || userdel hoofbeat
	! getent group hoofbeat || groupdel hoofbeat
' >/dev/null 2>&1
mount --bind "$2" "$1/root/mnt"
exec chroot "$1/root" sh -eux -c "$3"`

func newMachine(t *testing.T) *machine {
	t.Helper()
	need(t, "unshare", "dpkg", "mount", "systemd-analyze")
	m := &machine{t, filepath.Join(t.TempDir())}
	if out, err := m.try(t.TempDir(), "true"); err != nil {
		lack(t, "no private copy of this machine can be made: "+err.Error()+": "+out)
	}
	return m
}

// try runs a script with folder mounted at /mnt.
func (m *machine) try(folder, script string) (string, error) {
	return shell{env: []string{"DEBIAN_FRONTEND=noninteractive"}}.
		try(m.t.Context(), "unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "sh", "-c", overlay, "sh", m.folder, folder, script)
}

// run is try for a script that must succeed.
func (m *machine) run(folder, script string) string {
	m.t.Helper()
	out, err := m.try(folder, script)
	if err != nil {
		m.t.Fatalf("%v\n%s", err, out)
	}
	return out
}

// debFolder returns a folder that contains only the Debian package, as
// hoofbeat.deb.
func debFolder(t *testing.T) string {
	t.Helper()
	out, _ := release(t)
	folder := t.TempDir()
	copyFile(t, filepath.Join(out, "hoofbeat_1.2.3~rc.1_amd64.deb"), filepath.Join(folder, "hoofbeat.deb"))
	return folder
}

// The package is installed, gives a broker that admits only clients with a
// token, is reinstalled over changes, removed and purged. There is no systemd,
// and only processes started here run.
func TestDebianPackage(t *testing.T) {
	const installed = "/var/lib/dpkg/info/hoofbeat.list"
	_, before := os.Stat(installed)
	m := newMachine(t)
	out := m.run(debFolder(t), `
dpkg --compare-versions "$(dpkg-deb -f /mnt/hoofbeat.deb Version)" lt 1.2.3
dpkg -i /mnt/hoofbeat.deb
hoofbeat version | grep -F `+version+`
test "$(stat -c '%U:%G %a' /etc/hoofbeat/hoofbeat.yaml)" = 'root:hoofbeat 640'
test "$(stat -c '%U:%G %a' /etc/hoofbeat/jwt.secret)" = 'root:hoofbeat 640'
test "$(stat -c '%U:%G %a' /var/lib/hoofbeat)" = 'hoofbeat:hoofbeat 750'
test "$(wc -c </etc/hoofbeat/jwt.secret)" = 64
test "$(getent passwd hoofbeat | cut -d: -f6,7)" = /var/lib/hoofbeat:/usr/sbin/nologin
hoofbeat config check /etc/hoofbeat/hoofbeat.yaml
! grep -x hoofbeat /proc/[0-9]*/comm
test -s /usr/share/man/man1/hoofbeat-serve.1.gz -a -s /usr/share/man/man5/hoofbeat.yaml.5.gz
bash -c '. /usr/share/bash-completion/completions/hoofbeat && complete -p hoofbeat'
systemd-analyze verify --man=no hoofbeat.service
! command -v logrotate || logrotate --debug /etc/logrotate.d/hoofbeat

# It runs as the unit says.
cd /var/lib/hoofbeat
: >/tmp/out
setpriv --reuid hoofbeat --regid hoofbeat --init-groups env HOOFBEAT_LISTEN_WEBSOCKET_ADDRESS=127.0.0.1:0 HOOFBEAT_LISTEN_ADMIN_ADDRESS=127.0.0.1:0 \
  hoofbeat serve --config /etc/hoofbeat/hoofbeat.yaml >/tmp/out 2>&1 &
broker=$!
tail -f /tmp/out --pid "$broker" | grep -q 'answers operators' || { cat /tmp/out; exit 1; }
stomp=$(sed -n 's/^hoofbeat accepts STOMP on //p' /tmp/out)
operators=$(sed -n 's/^hoofbeat answers operators on //p' /tmp/out)
hoofbeat health --admin "${operators#http://}"
token=$(hoofbeat token sign --claims '{"sub":"anna","roles":["operator"]}')
hoofbeat pub /queue/a 'two horseshoes' --url "$stomp" --token "$token"
test "$(hoofbeat sub /queue/a --count 1 --url "$stomp" --token "$token")" = 'two horseshoes'
! hoofbeat pub /queue/a no --url "$stomp"
! hoofbeat pub /queue/a no --url "$stomp" --token "$(hoofbeat token sign --claims '{"sub":"bob"}')"
kill "$broker"
wait "$broker"
test -s /var/log/hoofbeat/audit.log

# An upgrade keeps changed files and the secret.
echo '# ours' >>/etc/hoofbeat/hoofbeat.yaml
was=$(cat /etc/hoofbeat/jwt.secret)
dpkg -i --force-confold /mnt/hoofbeat.deb
grep '# ours' /etc/hoofbeat/hoofbeat.yaml
test "$(cat /etc/hoofbeat/jwt.secret)" = "$was"
test -d /var/lib/hoofbeat/data

dpkg -r hoofbeat
test ! -e /usr/bin/hoofbeat
test -e /etc/hoofbeat/hoofbeat.yaml -a -e /etc/hoofbeat/jwt.secret -a -d /var/lib/hoofbeat/data
dpkg -P hoofbeat
test ! -e /etc/hoofbeat -a ! -e /var/lib/hoofbeat -a ! -e /var/log/hoofbeat -a ! -e /etc/logrotate.d/hoofbeat
! dpkg -s hoofbeat
echo 'all of it'
`)
	if !strings.HasSuffix(out, "all of it\n") {
		t.Errorf("it ended early:\n%s", out)
	}
	if _, after := os.Stat(installed); (before == nil) != (after == nil) {
		t.Error("the package was installed on this machine itself, or removed from it")
	}
}

// Existing directories become the broker's, unless the administrator has set an
// owner. Their content stays.
func TestDebianPackageOverDirectories(t *testing.T) {
	m := newMachine(t)
	m.run(debFolder(t), `
mkdir -m 0755 /var/lib/hoofbeat /var/log/hoofbeat
touch /var/lib/hoofbeat/kept
dpkg-statoverride --add --update root root 0700 /var/log/hoofbeat
dpkg -i /mnt/hoofbeat.deb
test "$(stat -c '%U:%G %a' /var/lib/hoofbeat)" = 'hoofbeat:hoofbeat 750'
test "$(stat -c '%U:%G %a' /var/log/hoofbeat)" = 'root:root 700'
test -e /var/lib/hoofbeat/kept
dpkg -i /mnt/hoofbeat.deb
test "$(stat -c '%U:%G %a' /var/log/hoofbeat)" = 'root:root 700'
`)
}

// lintian takes too long to install in every run, so it is used only where it
// is installed; `make release-check` does that.
func TestDebianPackageLint(t *testing.T) {
	if _, err := os.Stat("/usr/bin/lintian"); err != nil {
		return
	}
	out := shell{dir: debFolder(t)}.run(t, "lintian", "--allow-root", "--fail-on", "error,warning", "hoofbeat.deb")
	t.Log(out)
}
