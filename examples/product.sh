#!/usr/bin/env bash
# From two raw files with real defects to a governed product and back: quarantine, contracts, stages, an
# approval, a policy, lineage, a lock, new data, a rebuild, and a step back. In a temporary folder that is removed
# at the end, against a lake there or the one that is named, which should be a new one.
#
#   examples/product.sh                   with `lakebed` from the PATH
#   LAKEBED=target/debug/lakebed examples/product.sh
#   LAKEBED_CATALOG=postgres://user@host/empty examples/product.sh s3://bucket/empty
set -euo pipefail

LAKEBED=$(command -v "${LAKEBED:-lakebed}") || { echo "lakebed was not found; set LAKEBED" >&2; exit 2; }
[[ "$LAKEBED" = /* ]] || LAKEBED=$PWD/$LAKEBED
data=$(cd "$(dirname "${BASH_SOURCE[0]}")/data" && pwd)
lake=${1:-./lake}
[[ -z "${1:-}" || "$lake" = /* || "$lake" = *://* ]] || lake=$PWD/$lake
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export LAKEBED_LAKE=$lake

say() { printf '\n# %s\n' "$1"; }
lakebed() { printf '$ lakebed %s\n' "$*"; "$LAKEBED" "$@"; }
# What is meant to be refused: its reasons are shown, and that it was.
not_yet() {
    printf '$ lakebed %s\n' "$*"
    ! "$LAKEBED" "$@" || { echo "that should have been refused" >&2; exit 1; }
}

say "What the team declares: who may do what, what is promised, and what the product is."
mkdir -p catalog/datasets/nyc catalog/products/nyc catalog/policies
cat >catalog/grants.yaml <<'YAML'
grants:
  - { to: nina, may: [read, ingest], on: { namespace: nyc } }    # makes the product
  - { to: omar, may: [read, approve], on: { namespace: nyc } }   # answers for quality
  - { to: pia, may: [read], on: { namespace: nyc } }             # sees New York's airports alone
YAML
cat >catalog/stages.yaml <<'YAML'
stages:
  - name: raw
  - name: validated
    gates: [integrity, owner, contract, quarantine]
  - name: product
    gates: [integrity, owner, documented, contract, compatible, lineage(validated), quarantine, approvals(1)]
YAML
cat >catalog/datasets/nyc/flights.odcs.yaml <<'YAML'
apiVersion: v3.1.0
kind: DataContract
id: nyc.flights
version: 1.0.0
status: active
team: [{ username: nina, role: owner }]
schema:
  - name: flights
    description: A flight that left New York.
    properties:
      - { name: carrier, logicalType: string, required: true }
      - { name: origin, logicalType: string, required: true }
      - { name: tailnum, logicalType: string }
      - { name: dep_delay, logicalType: integer, required: true, description: Minutes. }
    customProperties:
      - { property: maxQuarantined, value: 5% }
YAML
cat >catalog/datasets/nyc/planes.odcs.yaml <<'YAML'
apiVersion: v3.1.0
kind: DataContract
id: nyc.planes
version: 1.0.0
status: active
team: [{ username: nina, role: owner }]
schema:
  - name: planes
    properties:
      - { name: tailnum, logicalType: string, primaryKey: true }
      - { name: year, logicalType: integer, required: true, logicalTypeOptions: { minimum: 1950 } }
    customProperties:
      - { property: maxQuarantined, value: 5% }
YAML
cat >catalog/datasets/nyc/delays.odcs.yaml <<'YAML'
apiVersion: v3.1.0
kind: DataContract
id: nyc.delays
version: 1.0.0
status: active
team: [{ username: nina, role: owner }]
schema:
  - name: delays
    description: How late planes of each age leave each airport.
    properties:
      - { name: origin, logicalType: string, required: true, description: The airport. }
      - { name: built, logicalType: integer, required: true, description: The decade. }
      - { name: flights, logicalType: integer, required: true, description: How many. }
      - { name: minutes, logicalType: number, description: The mean delay at departure. }
YAML
cat >catalog/products/nyc/delays.yaml <<'YAML'
owner: nina
purpose: Whether old planes are late
input_stage: validated
order_by: [origin, built]
sql: |
  SELECT f.origin, p.year / 10 * 10 AS built, count(*) AS flights, avg(f.dep_delay) AS minutes
  FROM nyc.flights f JOIN nyc.planes p ON f.tailnum = p.tailnum
  GROUP BY f.origin, p.year / 10 * 10
YAML
cat >catalog/policies/flights.yaml <<'YAML'
policies:
  - name: kennedy
    on: { dataset: nyc.flights }
    row_filter: origin = 'JFK'
    except: [nina, omar]
YAML
lakebed ingest "$data/README.md" --to nyc.about --as files    # the first file makes the lake
lakebed apply

say "Two raw files. Cancelled flights and planes of no known age do not fit, and are set aside."
lakebed ingest "$data/flights-week-1.csv" --to nyc.flights --null NA
lakebed ingest "$data/planes.csv" --to nyc.planes --null NA
lakebed quarantine nyc.flights

say "The product wants validated inputs, which these are not yet."
not_yet build nyc.delays --as nina
lakebed promote nyc.flights nyc.planes --to validated --as nina
lakebed build nyc.delays --as nina

say "A product is for others, so somebody else has to look at it."
lakebed promote nyc.delays --to validated --as nina
not_yet promote nyc.delays --to product --as nina
lakebed approve nyc.delays --to product --as omar
lakebed promote nyc.delays --to product --as nina

say "Omar sees all of it. Pia may see flights from Kennedy alone, and so of what was made of them."
lakebed sql 'SELECT origin, sum(flights) AS flights FROM nyc."delays@product" GROUP BY origin' --as omar
lakebed sql 'SELECT origin, sum(flights) AS flights FROM nyc."delays@product" GROUP BY origin' --as pia
seen=$("$LAKEBED" sql 'SELECT DISTINCT origin FROM nyc."delays@product"' --as pia --format csv)
[[ "$(tail -n +2 <<<"$seen" | tr -d '\r')" == JFK ]] || { echo "she should see JFK alone: $seen" >&2; exit 1; }

say "A lock pins what the product was made of."
lakebed lock nyc.flights nyc.planes

say "From a column of the product to the files that were delivered, and from a column of a file to who would notice."
lakebed lineage 'nyc.delays@product' --column minutes
lakebed impact nyc.flights.dep_delay
lakebed report

say "A week later: more flights, and the product again."
lakebed ingest "$data/flights-week-2.csv" --to nyc.flights --append --null NA
lakebed promote nyc.flights --to validated --as nina
lakebed build nyc.delays --as nina
lakebed history nyc.delays

say "Something is wrong with it? Back to the one that was approved, and nobody's query changes."
lakebed promote nyc.delays@v2 --to validated --as nina
lakebed approve nyc.delays@v2 --to product --as omar
lakebed promote nyc.delays@v2 --to product --as nina
lakebed approve nyc.delays@v1 --to product --as omar
lakebed promote nyc.delays@v1 --to product --as nina
lakebed sql 'SELECT sum(flights) AS flights FROM nyc."delays@product"' --as omar

say "From the lock the first one is made again, and has the content it had."
lakebed build nyc.delays --locked --as nina
content_of() { "$LAKEBED" resolve "$1" --json | grep -o '"content_id": *"[0-9a-f]*"'; }
approved=$(content_of nyc.delays@v1)
[[ "$(content_of nyc.delays@v3)" == "$approved" ]]
echo "$approved"

say "Served live it is computed whenever it is read, of what is validated by then. No query changes, nor who sees what."
echo 'served: live' >>catalog/products/nyc/delays.yaml
lakebed apply
lakebed sql 'SELECT origin, sum(flights) AS flights FROM nyc.delays GROUP BY origin ORDER BY origin' --as omar
lakebed sql 'SELECT origin, sum(flights) AS flights FROM nyc.delays GROUP BY origin ORDER BY origin' --as pia
lakebed fetch nyc.delays --into live
bytes_of() { "$LAKEBED" resolve "$1" --files --json | grep -A9 '"files"' | grep -o '"object": *"[0-9a-f]*"'; }
built=$(bytes_of nyc.delays@v2)
[[ -n "$built" && "$(bytes_of nyc.delays)" == "$built" ]] || { echo "it should be what was built" >&2; exit 1; }
lakebed history nyc.delays

say "Every byte of it is what its name says."
lakebed verify
