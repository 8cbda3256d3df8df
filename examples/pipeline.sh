#!/usr/bin/env bash
# A pipeline with pinned inputs: the data moves on, the rerun reads what the first run read. The lake
# is in a temporary folder that is removed at the end, unless another, new one is named.
#
#   examples/pipeline.sh                  with `lakebed` from the PATH
#   LAKEBED=target/debug/lakebed examples/pipeline.sh
#   LAKEBED_CATALOG=postgres://user@host/empty examples/pipeline.sh s3://bucket/empty
set -euo pipefail

LAKEBED=$(command -v "${LAKEBED:-lakebed}") || { echo "lakebed was not found; set LAKEBED" >&2; exit 2; }
[[ "$LAKEBED" = /* ]] || LAKEBED=$PWD/$LAKEBED
data=$(cd "$(dirname "${BASH_SOURCE[0]}")/data" && pwd)
folder=$(mktemp -d)
lake=${1:-$folder/lake}
[[ "$lake" = /* || "$lake" = *://* ]] || lake=$PWD/$lake
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export LAKEBED_LAKE=$lake

say() { printf '\n# %s\n' "$1"; }

say "Two datasets, and a lock that pins both."
"$LAKEBED" ingest "$data/airlines.csv" --to nyc.airlines
"$LAKEBED" ingest "$data/airports.csv" --to nyc.airports
"$LAKEBED" lock nyc.airlines nyc.airports

say "The first run fetches what the lock names."
"$LAKEBED" fetch --lock lakebed.lock --into first

say "Later an airline is added: version 2."
{ cat "$data/airlines.csv"; echo 'LB,"Lakebed Air"'; } >airlines.csv
"$LAKEBED" ingest airlines.csv --to nyc.airlines
"$LAKEBED" history nyc.airlines

say "The lock notices."
status=0
"$LAKEBED" lock --check || status=$?
if [[ $status -ne 1 ]]; then
    echo "expected exit code 1, got $status" >&2
    exit 1
fi

say "The rerun fetches the same bytes as the first run, though the data has moved on."
"$LAKEBED" fetch --lock lakebed.lock --into again
diff -r first again
echo "the same bytes"

say "Moving on is a decision: update the lock, look at the diff, fetch."
cp lakebed.lock before.lock
"$LAKEBED" lock --update
diff before.lock lakebed.lock || true
"$LAKEBED" lock --check

say "The old version still answers."
"$LAKEBED" sql 'SELECT count(*) AS before FROM nyc."airlines@v1"'
"$LAKEBED" sql 'SELECT count(*) AS now FROM nyc.airlines'
