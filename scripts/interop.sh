#!/usr/bin/env bash
# Tests third-party clients and proxies against the broker of this tree, or the one in BROKER_BIN: in Node and
# Chromium, Python, Mono and a JVM. Installs missing programs where possible, and prints the results by client. With
# CI=true, a skipped test is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
. scripts/packages.sh

broker=$(realpath "${BROKER_BIN:-bin/hoofbeat}")
tables=(interop/target/features.tsv)
code=0

# not_run WHAT WHY reports tests that cannot run.
not_run() {
  echo "SKIPPED: $1: $2"
  [ "${CI:-}" != true ] || code=1
}

install_packages nginx libnginx-mod-stream haproxy openssl chromium python3-venv maven mono-mcs mono-runtime

if ! command -v npm >/dev/null; then
  not_run 'everything in Node, Chromium, Python and Mono' 'node and npm are not installed'
  tables=()
else
  [ -d interop/node_modules ] || (cd interop && npm ci --no-audit --no-fund)
  bash interop/python/setup.sh || true # the tests report missing parts
  (cd interop && BROKER_BIN=$broker npm test) || code=1
  [ ! -f interop/python/target/features.tsv ] || tables+=(interop/python/target/features.tsv)
fi

# Maven downloads its dependencies, packages the examples and runs the tests.
if ! command -v mvn >/dev/null; then
  not_run 'Spring and krossbow' 'mvn is not installed'
else
  for project in spring kotlin; do
    HOOFBEAT_BIN=$broker timeout 600 mvn -q -B -f "interop/$project/pom.xml" verify || code=1
    tables+=("interop/$project/target/features.tsv")
  done
fi

[ ${#tables[@]} = 0 ] || node interop/table.js "${tables[@]}" || code=1
exit "$code"
