#!/usr/bin/env bash
# Resolves the requirements into hash-pinned lock files that name no index and no URL.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=$(command -v uv || echo .uv/bin/uv)
resolve() {
  "$uv" pip compile --quiet --python-version 3.11 --generate-hashes --no-header --no-annotate \
    --no-emit-index-url --no-emit-find-links --override requirements.override "$@"
}
resolve requirements.in -o requirements.lock
# The GPU set: TensorFlow with its CUDA packages, everything else at the versions of the main lock.
sed '/^tensorflow ;/d' requirements.override >.gpu.override
printf 'tensorflow[and-cuda]==%s\n' "$(sed -n 's/^tensorflow-cpu==\([^ ]*\).*/\1/p' requirements.lock)" >.gpu.in
"$uv" pip compile --quiet --python-version 3.11 --generate-hashes --no-header --no-annotate \
  --no-emit-index-url --no-emit-find-links --override .gpu.override .gpu.in -c requirements.lock -o requirements-gpu.lock
rm -f .gpu.in .gpu.override
! grep -n '://' requirements.lock requirements-gpu.lock
