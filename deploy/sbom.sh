#!/bin/sh
# Writes the components of each image as CycloneDX: what its extra and traces install, by the pins.
# Usage: deploy/sbom.sh BIN [FOLDER]    BIN holds uv; FOLDER is sbom/
set -eu
cd "$(dirname "$0")/.."
uv=$1/uv
folder=${2:-sbom}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT INT TERM
mkdir -p "$folder"
for pair in market_ingest:ingest signal_svc:signal rl_svc:rl executor_svc:executor \
    optimizer_svc:optimizer studio_svc:studio backup:backup; do
    service=${pair%:*}
    "$uv" venv --quiet "$scratch/$service"
    VIRTUAL_ENV=$scratch/$service "$uv" pip install --quiet -c constraints.txt -r pyproject.toml \
        --extra otel --extra "${pair#*:}"
    "$uv" tool run --quiet --from cyclonedx-bom==7.5.0 cyclonedx-py environment \
        --pyproject pyproject.toml --output-reproducible --of JSON -o "$folder/$service.json" \
        "$scratch/$service"
    echo "$folder/$service.json"
done
