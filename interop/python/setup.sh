#!/usr/bin/env bash
# Creates .venv with the packages of requirements.txt unless it is up to date. Concurrent runs wait for each other.
set -euo pipefail
cd "$(dirname "$0")"

exec 9>.venv.lock
flock 9
if ! cmp -s requirements.txt .venv/requirements.txt; then
  rm -rf .venv
  python3 -m venv .venv
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements.txt
  cp requirements.txt .venv/requirements.txt # last, to mark a complete installation
fi
