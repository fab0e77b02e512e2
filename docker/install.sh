#!/usr/bin/env bash
# Makes a virtual environment of what some extras of setup.py need, in the lock's versions and checked by its hashes.
# Usage: docker/install.sh VENV EXTRA… [-- REQUIREMENT… | -- -r FILE]; with VENV "-" it prints the packages instead.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1
shift
extras=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
  extras+=(--extra "$1")
  shift
done
[ $# -eq 0 ] || shift

uv=$(command -v uv || echo .uv/bin/uv)
names=$(mktemp)
trap 'rm -f "$names"' EXIT
# Which packages: the extras' closure, under the lock's versions.
"$uv" pip compile --quiet --python-version 3.11 setup.py "${extras[@]}" --override requirements.override \
  --constraint requirements.lock --no-header --no-annotate >"$names"
[ "${1:-}" = "" ] || [ "$1" = -r ] || grep "^$1==" requirements.lock | cut -d' ' -f1 >>"$names"
if [ "$venv" = - ]; then
  cat "$names"
  exit
fi
"$uv" venv --quiet --python 3.11 "$venv"
install=("$uv" pip install --quiet --python "$venv/bin/python" --no-deps --require-hashes)
"${install[@]}" -r "$names" --constraint requirements.lock
[ "${1:-}" != -r ] || "${install[@]}" -r "$2"
# The images' root is read-only and imports without bytecode are three times slower.
"$venv/bin/python" -m compileall -q -j 0 -x '/(tests?|testing)/' "$venv/lib" >/dev/null || true
