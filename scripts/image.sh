#!/usr/bin/env bash
# Builds the container image of an existing binary, without a base image: `bash scripts/image.sh BINARY TAG [OPTIONS
# OF THE ENGINE...]`. ENGINE is docker, podman or buildah; the default is the first of these that works. CERTIFICATES
# (/etc/ssl/certs/ca-certificates.crt) is copied into the image.
set -euo pipefail
[ $# -ge 2 ] || { echo "usage: ${0##*/} BINARY TAG [OPTIONS OF THE ENGINE...]" >&2 && exit 2; }
binary=$(realpath "$1")
tag=$2
shift 2
cd "$(dirname "$0")/.."

# engine prints the engine to use. An installed program alone is not enough: docker needs its daemon.
engine() {
  local name
  for name in ${ENGINE:-docker podman buildah}; do
    ! "$name" info >/dev/null 2>&1 || { echo "$name" && return; }
  done
  echo 'image: there is no docker, podman or buildah that works' >&2
  return 1
}
engine=$(engine)

context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
mkdir "$context/data"
cp deploy/docker/Dockerfile deploy/docker/hoofbeat.yaml "$context"
cp "${CERTIFICATES:-/etc/ssl/certs/ca-certificates.crt}" "$context/ca-certificates.crt"
install -m 755 "$binary" "$context/hoofbeat"
chmod 755 "$context/data"
chmod 644 "$context"/*.yaml "$context"/*.crt

# about prints a field of the binary's version, for example of
# {"version":"v1.0.0","commit":"3f2a...","go":"go1.26.8"}.
about() { "$context/hoofbeat" version --json | sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }
options=(--build-arg "VERSION=$(about version)" --build-arg "COMMIT=$(about commit)" -t "$tag")
# Only this format supports HEALTHCHECK.
[ "$engine" = docker ] || options+=(--format docker)
"$engine" build "${options[@]}" "$@" "$context"
