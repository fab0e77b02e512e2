#!/usr/bin/env bash
# Builds the images, or some of them: docker/build.sh [gateway mlflow pipeline trainer-gpu server]. Needs Docker with buildx.
# From the environment: PYTHON_DIGEST, SERVING_DIGEST (@sha256:…); SERVING=tensorflow/serving:2.19.0-gpu TAG=0.1.0-gpu.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' sazon/__init__.py)
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
[ $# -gt 0 ] || set -- gateway mlflow pipeline trainer-gpu server
for name in "$@"; do
  docker buildx build --file docker/Dockerfile --target "$name" --tag "sazon/$name:${TAG:-$version}" --load \
    --build-arg "VERSION=$version" --build-arg "REVISION=$revision" \
    --build-arg "SERVING=${SERVING:-tensorflow/serving:2.19.0}" \
    --build-arg "PYTHON_DIGEST=${PYTHON_DIGEST:-}" --build-arg "SERVING_DIGEST=${SERVING_DIGEST:-}" .
done
