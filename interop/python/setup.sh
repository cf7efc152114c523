#!/usr/bin/env bash
# Makes .venv, with the packages of requirements.txt, unless it is there. Who comes while another makes it, waits.
set -euo pipefail
cd "$(dirname "$0")"

exec 9>.venv.lock
flock 9
if ! cmp -s requirements.txt .venv/requirements.txt; then
  rm -rf .venv
  python3 -m venv .venv
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements.txt
  cp requirements.txt .venv/requirements.txt # last: all of it is installed
fi
