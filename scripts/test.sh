#!/usr/bin/env bash
# Sets up what the tests need and runs all of them. What cannot be set up is skipped and listed at the end; with CI=true
# a skip is a failure. FUZZ=0 leaves out fuzzing.
set -euo pipefail
cd "$(dirname "$0")/.."

skipped=()
skip() { skipped+=("$*"); }

soak=    # the process in the background
soaking= # its folder

# Last of all: the list of what was skipped.
finish() {
  local code=$? what
  [ -z "$soak" ] || kill "$soak" 2>/dev/null || true
  [ -z "$soaking" ] || rm -rf "$soaking"
  for what in ${skipped[@]+"${skipped[@]}"}; do
    echo "SKIPPED: $what"
  done
  if [ "$code" = 0 ] && [ "${CI:-}" = true ] && [ ${#skipped[@]} -gt 0 ]; then
    echo 'With CI=true nothing may be skipped.'
    code=1
  fi
  exit "$code"
}
trap finish EXIT

# shellcheck source=scripts/packages.sh
. scripts/packages.sh

setup_packages() {
  local package wanted=(chromium rabbitmq-server buildah systemd prometheus nginx libnginx-mod-stream)
  install_packages "${wanted[@]}"
  for package in $(missing_packages "${wanted[@]}"); do
    skip "tests with $package, which is not installed; installing it takes root and apt-get"
  done
}

# folders prints those of the arguments that hold Go files.
folders() {
  local folder
  for folder; do
    ! compgen -G "$folder/*.go" >/dev/null || echo "./$folder/..."
  done
}

echo '== setup'
go mod download
setup_packages

bash scripts/lint.sh || {
  code=$?
  [ "$code" = 3 ] || exit "$code"
  skip 'staticcheck: it could not be fetched'
}

echo '== build'
go build ./...
make build

if [ "${FUZZ:-1}" = 0 ]; then
  skip 'fuzzing: FUZZ=0'
else
  FUZZTIME=2s bash scripts/fuzz.sh
fi

echo '== go test, with the race detector'
mapfile -t packages < <(go list ./... | grep -vE '/internal/(durable|deploy|soak)$')
go test -race -count=1 "${packages[@]}"

# It takes half of one processor, and what follows often waits: for processes, for the disk, for the clock.
echo '== the soak begins; its output comes last'
soaking=$(mktemp -d)
go test -c -o "$soaking/soak.test" ./internal/soak
(cd internal/soak && SOAK=${SOAK:-5m} exec "$soaking/soak.test" -test.v -test.timeout 30m) >"$soaking/log" 2>&1 &
soak=$!

echo '== the program on a disk: killed, full, with backlogs'
go test -count=1 ./internal/durable

echo '== releases, packages, images, manifests'
go test -count=1 ./internal/deploy
for module in internal/deploy/schemas scripts/release; do # modules of their own
  (cd "$module" && go vet ./... && go test -count=1 ./...)
done

echo '== go test, with the race detector, on one processor'
mapfile -t concurrent < <(folders broker session transport)
GOMAXPROCS=1 go test -race -count=1 "${concurrent[@]}"

echo '== bench, too short to tell anything but that nothing is lost'
BENCH_DURATION=1s BENCH_WARMUP=1s BENCH_CONNECTIONS=500 bash scripts/bench.sh </dev/null

echo '== interop'
bash scripts/interop.sh || failed=$?

echo '== soak'
wait "$soak" || failed=$?
soak=
cat "$soaking/log"
exit "${failed:-0}"
