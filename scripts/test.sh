#!/usr/bin/env bash
# Installs the tests' requirements and runs all tests. Tests whose requirements are missing are skipped and listed at
# the end; with CI=true a skip is a failure. FUZZ=0 leaves out fuzzing.
set -euo pipefail
cd "$(dirname "$0")/.."

skipped=()
skip() { skipped+=("$*"); }

declare -A running=() # processes in the background, by name
logs=$(mktemp -d)   # their output

# Runs last: lists the skipped tests.
finish() {
  local code=$? what
  [ ${#running[@]} = 0 ] || kill "${running[@]}" 2>/dev/null || true
  rm -rf "$logs"
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

# folders prints the arguments that contain Go files.
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
mapfile -t packages < <(go list ./... | grep -vE '/internal/(attack|durable|deploy|soak)$')
go test -race -count=1 "${packages[@]}"

echo '== random operations on the broker, with new seeds'
MODEL=30s go test -count=1 -run 'TestModel|TestWorld' ./broker

# beside NAME COMMAND... runs a command in the background. joined prints its output and returns its exit code.
beside() {
  local name=$1
  shift
  "$@" >"$logs/$name" 2>&1 &
  running[$name]=$!
}

joined() {
  local name=$1 code=0
  wait "${running[$name]}" || code=$?
  unset "running[$name]"
  echo "== $name"
  cat "$logs/$name"
  return "$code"
}

# The soak uses half of one processor, the tests use the rest; those that run beside it often wait for processes, the
# disk or the clock.
go test -c -o "$logs/soak.test" ./internal/soak
soak() {
  cd internal/soak
  SOAK=${SOAK:-5m} exec "$logs/soak.test" -test.v -test.timeout 30m
}
mapfile -t concurrent < <(folders broker connections session transport)
beside soak soak
beside 'go test, with the race detector, on one processor' env GOMAXPROCS=1 go test -race -count=1 "${concurrent[@]}"

echo '== the program on a disk: killed, full, with backlogs'
go test -count=1 ./internal/durable

echo '== the program under attack'
go test -count=1 ./internal/attack

echo '== releases, packages, images, manifests'
go test -count=1 ./internal/deploy
for module in internal/deploy/schemas scripts/release; do # separate modules
  (cd "$module" && go vet ./... && go test -count=1 ./...)
done

joined 'go test, with the race detector, on one processor'

echo '== bench, too short to tell anything but that nothing is lost'
BENCH_DURATION=1s BENCH_WARMUP=1s BENCH_CONNECTIONS=500 BENCH_COMPARE=first BENCH_NATS=none bash scripts/bench.sh </dev/null

echo '== interop'
bash scripts/interop.sh || failed=$?
joined soak || failed=$?
exit "${failed:-0}"
