#!/usr/bin/env bash
# Builds a release of the checked-out commit: `VERSION=v1.0.0 bash scripts/release.sh`, or `make release
# VERSION=v1.0.0`.
#
# OUT (dist) receives an archive and a bill of materials (CycloneDX) for each of PLATFORMS, Debian packages for Linux,
# and SHA256SUMS. The same commit and version give the same bytes on any machine at any time: the Go release is that
# of go.mod, all dates are the commit's, and nothing of the machine is included. `make release-check` verifies that.
set -euo pipefail
umask 022
cd "$(dirname "$0")/.."

die() {
  echo "release: $*" >&2
  exit 1
}

version=${VERSION:-}
[[ $version =~ ^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?$ ]] || die "VERSION is '$version'; expected such as v1.0.0 or v1.0.0-rc.1"
[ -z "$(git status --porcelain)" ] || die 'there are changes that are in no commit; a release is of a commit'

platforms=${PLATFORMS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64}
mkdir -p "${OUT:-dist}"
out=$(realpath "${OUT:-dist}")
commit=$(git rev-parse HEAD)
number=${version#v}

LC_ALL=C
TZ=UTC
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
GOTOOLCHAIN=go$(sed -n 's/^go //p' go.mod)
export LC_ALL TZ SOURCE_DATE_EPOCH GOTOOLCHAIN
# Settings of the machine that would change the result.
unset GOEXPERIMENT
export GOFLAGS='' GOWORK=off CGO_ENABLED=0 GOAMD64=v1 GOARM64=v8.0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
native=$(go env GOOS)/$(go env GOARCH)

# compile FILE builds the program for GOOS and GOARCH.
compile() {
  go build -trimpath -buildvcs=false -ldflags "-s -w -buildid= -X main.linkedVersion=$version -X main.linkedCommit=$commit" -o "$1" ./cmd/hoofbeat
}

# helper ARGUMENTS... runs scripts/release.
helper() {
  (cd scripts/release && GOOS='' GOARCH='' go build -trimpath -o "$work/helper" .)
  helper() { "$work/helper" "$@"; }
  helper "$@"
}

# licences prints the licences of everything that is linked into the binary for GOOS and GOARCH.
licences() {
  local path version folder file
  echo 'hoofbeat contains the software of others, under these licences.'
  printf '\n==== Go, %s\n\n' "$(go env GOVERSION)"
  cat "$(go env GOROOT)/LICENSE"
  for file in admin/console/files/vendor/*LICENSE examples/browser/vendor/*LICENSE; do
    [ ! -e "$file" ] || { printf '\n==== %s\n\n' "$file" && cat "$file"; }
  done
  go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' ./cmd/hoofbeat | sort -u |
    while read -r path version folder; do
      for file in "$folder"/LICEN[CS]E* "$folder"/COPYING* "$folder"/NOTICE*; do
        [ ! -f "$file" ] || { printf '\n==== %s %s, %s\n\n' "$path" "$version" "$(basename "$file")" && cat "$file"; }
      done
    done
}

echo "== hoofbeat $version, commit $commit"
compile "$work/native"
mkdir -p "$work/man" "$work/completions"
"$work/native" man "$work/man"
"$work/native" completion bash >"$work/completions/hoofbeat.bash"
"$work/native" completion zsh >"$work/completions/_hoofbeat"
"$work/native" completion fish >"$work/completions/hoofbeat.fish"
"$work/native" config default >"$work/hoofbeat.example.yaml"

# release OS ARCHITECTURE
release() {
  local name="hoofbeat_${number}_$1_$2" suffix='' kind=tar.gz
  [ "$1" != windows ] || { suffix=.exe && kind=zip; }
  echo "== $name"
  local folder="$work/$name"
  mkdir -p "$folder"
  if [ "$1/$2" = "$native" ]; then
    cp "$work/native" "$folder/hoofbeat$suffix"
  else
    GOOS=$1 GOARCH=$2 compile "$folder/hoofbeat$suffix"
  fi
  GOOS=$1 GOARCH=$2 licences >"$folder/LICENSES-OF-OTHERS"
  cp LICENSE README.md CHANGELOG.md "$work/hoofbeat.example.yaml" "$folder"
  cp -r "$work/man" "$work/completions" "$folder"
  [ "$1" != linux ] || cp deploy/systemd/hoofbeat.service "$folder"
  chmod 755 "$folder/hoofbeat$suffix"
  helper archive -time "$SOURCE_DATE_EPOCH" -out "$out/$name.$kind" "$folder"
  helper sbom -time "$SOURCE_DATE_EPOCH" -version "$version" -lock interop/package-lock.json -out "$out/$name.cdx.json" "$folder/hoofbeat$suffix"
  [ "$1" != linux ] || package "$2" "$folder"
}

# package ARCHITECTURE FOLDER builds the Debian package from the folder.
package() {
  if ! command -v dpkg-deb >/dev/null; then
    [ "${DEB:-}" = 0 ] || die 'dpkg-deb is not installed; DEB=0 leaves out the Debian packages'
    return 0
  fi
  bash scripts/release/deb.sh "$number" "$1" "$2" "$out"
}

rm -f "$out"/hoofbeat_* "$out/SHA256SUMS"
for platform in $platforms; do
  release "${platform%/*}" "${platform#*/}"
done
(cd "$out" && sha256sum hoofbeat_* >"$work/sums" && mv "$work/sums" SHA256SUMS && cat SHA256SUMS)
