#!/usr/bin/env bash
# Writes what each image's Python packages are, in CycloneDX, to build/sbom. Needs no Docker; the base images' own
# packages are the business of `docker buildx build --sbom=true`.
set -euo pipefail
cd "$(dirname "$0")/.."
uvx=$(command -v uvx || echo .uv/bin/uvx)
mkdir -p build/sbom
# Each image's arguments are those that the Dockerfile installs it with.
sed -n 's/^RUN docker\/install.sh \/opt\/venv \([^\\]*\).*/\1/p; s/^FROM lock AS \(.*\)-packages$/\1/p' docker/Dockerfile | paste - - |
  while IFS=$'\t' read -r name arguments; do
    read -ra words <<<"$arguments"
    { docker/install.sh - "${words[@]}"; case $arguments in *requirements-gpu.lock) grep -o '^[^ ]*==[^ ]*' requirements-gpu.lock ;; esac; } |
      sort -u >"build/sbom/$name.txt"
    "$uvx" --quiet --from cyclonedx-bom==7.5.0 cyclonedx-py requirements --output-format JSON \
      --output-file "build/sbom/$name.cdx.json" "build/sbom/$name.txt"
    echo "build/sbom/$name.cdx.json: $(wc -l <"build/sbom/$name.txt") packages"
  done
