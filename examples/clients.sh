#!/usr/bin/env bash
# A product is a service: it is built, served, and read over HTTP from Python and R, by somebody who may read
# nothing else. In a temporary folder that is removed at the end, against a lake there or the one that is named,
# which should be a new one. Needs Python with pyarrow, and R.
#
#   examples/clients.sh                   with `lakebed`, `python3` and `Rscript` from the PATH
#   LAKEBED=target/debug/lakebed PYTHON=.venv/bin/python examples/clients.sh
#   LAKEBED_CATALOG=postgres://user@host/empty examples/clients.sh s3://bucket/empty
set -euo pipefail

LAKEBED=$(command -v "${LAKEBED:-lakebed}") || { echo "lakebed was not found; set LAKEBED" >&2; exit 2; }
[[ "$LAKEBED" = /* ]] || LAKEBED=$PWD/$LAKEBED
PYTHON=$(command -v "${PYTHON:-python3}") || { echo "Python was not found; set PYTHON" >&2; exit 2; }
[[ "$PYTHON" = /* ]] || PYTHON=$PWD/$PYTHON
"$PYTHON" -c 'import pyarrow' || { echo "pip install pyarrow" >&2; exit 2; }
RSCRIPT=$(command -v "${RSCRIPT:-Rscript}") || { echo "R was not found; set RSCRIPT" >&2; exit 2; }
[[ "$RSCRIPT" = /* ]] || RSCRIPT=$PWD/$RSCRIPT
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
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
export LAKEBED_LAKE=$lake

say() { printf '\n# %s\n' "$1"; }
lakebed() { printf '$ lakebed %s\n' "$*"; "$LAKEBED" "$@"; }

say "The weather of every hour becomes a product: that of every day. An application may read it, and nothing else."
mkdir -p catalog/products/nyc
cat >catalog/grants.yaml <<'YAML'
grants:
  - { to: nina, may: [read, ingest], on: { namespace: nyc } }
  - { to: "svc:app", may: [read], on: { dataset: nyc.daily } }
YAML
cat >catalog/products/nyc/daily.yaml <<'YAML'
owner: nina
purpose: The weather of every day
input_stage: raw
order_by: [origin, month, day]
sql: |
  SELECT origin, month, day, avg(temp) AS temp, max(wind_speed) AS wind, sum(precip) AS rain
  FROM nyc.weather GROUP BY origin, month, day
YAML
lakebed ingest "$here/data/weather.csv" --to nyc.weather --null NA
lakebed apply
lakebed build nyc.daily --as nina
export LAKEBED_TOKEN
LAKEBED_TOKEN=$("$LAKEBED" token create --for svc:app --name example --days 1)

say "Somebody serves it."
env -u LAKEBED_TOKEN "$LAKEBED" serve --listen 127.0.0.1:0 >serve.log 2>&1 &
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

say "Python reads all of it, as Arrow, a page at a time."
"$PYTHON" "$here/read_product.py" "$url" nyc.daily | tee python.log

say "R reads it into a data frame."
"$RSCRIPT" --vanilla "$here/read_product.R" "$url" nyc.daily | tee r.log
[[ "$(tail -n 1 python.log)" == "$(tail -n 1 r.log)" ]] || { echo "they should read the same rows" >&2; exit 1; }

say "Filters are parameters, typed by the product's columns."
"$PYTHON" "$here/read_product.py" "$url" nyc.daily origin=JFK month=7 | tee python.log
"$RSCRIPT" --vanilla "$here/read_product.R" "$url" nyc.daily origin=JFK month=7 | tee r.log
[[ "$(tail -n 1 python.log)" == "31 rows" && "$(tail -n 1 r.log)" == "31 rows" ]]

say "What it is made of is not the application's: it does not exist for it."
! "$PYTHON" "$here/read_product.py" "$url" nyc.weather || { echo "that should have been refused" >&2; exit 1; }
