#!/usr/bin/env bash
# The README's five commands, against a lake in a temporary folder that is removed at the end, or
# against the lake that is named, which should be a new one.
#
#   examples/tour.sh                      with `lakebed` from the PATH
#   LAKEBED=target/debug/lakebed examples/tour.sh
#   LAKEBED_CATALOG=postgres://user@host/empty examples/tour.sh s3://bucket/empty
set -euo pipefail

LAKEBED=$(command -v "${LAKEBED:-lakebed}") || { echo "lakebed was not found; set LAKEBED" >&2; exit 2; }
[[ "$LAKEBED" = /* ]] || LAKEBED=$PWD/$LAKEBED
data=$(cd "$(dirname "${BASH_SOURCE[0]}")/data" && pwd)
lake=${1:-./lake}
[[ -z "${1:-}" || "$lake" = /* || "$lake" = *://* ]] || lake=$PWD/$lake
folder=$(mktemp -d)
server=
finish() {
    [[ -z "$server" ]] || { kill "$server" && wait "$server" || true; } 2>/dev/null
    rm -rf "$folder"
}
trap finish EXIT
cd "$folder"

say() { printf '\n# %s\n' "$1"; }

say "A file becomes version 1 of a dataset; NA means that there is no value."
"$LAKEBED" --lake "$lake" ingest "$data/weather.csv" --to nyc.weather --null NA

say "SQL reads it."
"$LAKEBED" --lake "$lake" sql 'SELECT origin, avg(temp) FROM nyc.weather GROUP BY origin ORDER BY origin'

say "A lock pins what was read."
"$LAKEBED" --lake "$lake" lock nyc.weather
cat lakebed.lock

say "The locked bytes, verified, for work without the lake."
"$LAKEBED" --lake "$lake" fetch --lock lakebed.lock --into ./inputs
find inputs -type f

say "The same lake over HTTP."
"$LAKEBED" serve --lake "$lake" --listen 127.0.0.1:0 >serve.log 2>&1 &
server=$!
url=
for _ in {1..300}; do
    # The first line says where: "listening on http://127.0.0.1:…"
    url=$(grep -o 'http://127[.]0[.]0[.]1:[0-9]*' serve.log | head -n 1) || true
    [[ -z "$url" ]] && kill -0 "$server" 2>/dev/null || break
    sleep 0.1
done
if [[ -z "$url" ]]; then
    echo "the server did not start:" >&2
    cat serve.log >&2
    exit 1
fi
"$LAKEBED" --lake "$url" ls
"$LAKEBED" --lake "$url" sql 'SELECT count(*) AS hours FROM nyc.weather'
