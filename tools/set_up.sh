#!/usr/bin/env bash
# Builds .venv from requirements.lock if it is missing or stale. Any python3 is enough to start with.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'set-up: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

has_gpu() { command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L 2>/dev/null | grep -q GPU; }

wanted="$PWD $(cat requirements.lock requirements-gpu.lock setup.py tools/set_up.sh | sha256sum | cut -c1-16)-$(has_gpu && echo gpu || echo cpu)"
stamp=.venv/.sazon-set-up
[ "$(cat "$stamp" 2>/dev/null || true)" = "$wanted" ] && exit 0

# Two terminals may call at once: the second waits and then finds the work done.
exec 9>.set-up.lock
if command -v flock >/dev/null 2>&1; then flock 9; fi
[ "$(cat "$stamp" 2>/dev/null || true)" = "$wanted" ] && exit 0
rm -f "$stamp"

uv=$(command -v uv || true)
[ -n "$uv" ] || [ ! -x .uv/bin/uv ] || uv=.uv/bin/uv
if [ -z "$uv" ]; then
  command -v python3 >/dev/null 2>&1 || fail "python3 is missing; install Python 3.11 (Debian: apt-get install python3 python3-pip)"
  say "fetching uv with pip"
  python3 -m pip install --quiet --disable-pip-version-check --target .uv 'uv>=0.5' 2>.uv.log ||
    fail "pip could not install uv: $(tail -n 1 .uv.log)"
  rm -f .uv.log
  uv=.uv/bin/uv
fi

say "making .venv with Python 3.11"
rm -rf .venv
"$uv" venv --quiet --python 3.11 .venv ||
  fail "no CPython 3.11 here and none could be fetched; install it (Debian 12: apt-get install python3.11, or pyenv install 3.11) and try again"
say "installing $(grep -c '==' requirements.lock) locked packages"
"$uv" pip install --quiet --python .venv/bin/python --no-deps --require-hashes -r requirements.lock
if has_gpu; then
  say "a GPU is visible: replacing tensorflow-cpu by tensorflow with CUDA"
  "$uv" pip uninstall --quiet --python .venv/bin/python tensorflow-cpu
  "$uv" pip install --quiet --python .venv/bin/python --no-deps --require-hashes -r requirements-gpu.lock
fi
"$uv" pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
# Imports without bytecode are three times slower. Cloud clients and test folders are not imported here.
say "compiling bytecode"
.venv/bin/python -m compileall -q -j 0 -x '/(tests?|testing)/|/google/cloud/|/googleapiclient/|/torch/' .venv/lib >/dev/null || true
printf '%s' "$wanted" >"$stamp"
say "done"
