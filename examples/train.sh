#!/usr/bin/env bash
# A model is trained on pinned data by `lakebed run`: its predictions become a table, the model itself a dataset
# of files, and both know what they were made of and how. Then once more where no lake can be reached. In a
# temporary folder that is removed at the end, against a lake there or the one that is named, which should be a
# new one. Needs Python with scikit-learn and pyarrow.
#
#   examples/train.sh                     with `lakebed` and `python3` from the PATH
#   LAKEBED=target/debug/lakebed PYTHON=.venv/bin/python examples/train.sh
#   LAKEBED_CATALOG=postgres://user@host/empty examples/train.sh s3://bucket/empty
set -euo pipefail

LAKEBED=$(command -v "${LAKEBED:-lakebed}") || { echo "lakebed was not found; set LAKEBED" >&2; exit 2; }
[[ "$LAKEBED" = /* ]] || LAKEBED=$PWD/$LAKEBED
PYTHON=$(command -v "${PYTHON:-python3}") || { echo "Python was not found; set PYTHON" >&2; exit 2; }
[[ "$PYTHON" = /* ]] || PYTHON=$PWD/$PYTHON
"$PYTHON" -c 'import joblib, pyarrow, sklearn' || { echo "pip install scikit-learn pyarrow" >&2; exit 2; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
lake=${1:-./lake}
[[ -z "${1:-}" || "$lake" = /* || "$lake" = *://* ]] || lake=$PWD/$lake
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export LAKEBED_LAKE=$lake

say() { printf '\n# %s\n' "$1"; }
lakebed() { printf '$ lakebed %s\n' "$*"; "$LAKEBED" "$@"; }
# train DEPTH [ARGUMENTS]: trains a forest of trees of that depth.
train() {
    local depth=$1
    shift
    lakebed run "$@" --param depth="$depth" --out ml.predictions=predictions.parquet \
        --out ml.model=model.joblib -- "$PYTHON" "$here/train/train.py"
}

say "Penguins, as they were counted; a lock pins them."
lakebed ingest "$here/data/penguins-raw.csv" --to zoo.penguins --null NA
lakebed lock zoo.penguins

say "The program reads what is locked. What it writes becomes two versions, both or none."
train 2
lakebed sql 'SELECT species, count(*) AS penguins, sum(CASE WHEN predicted = species THEN 1 ELSE 0 END) AS "right"
    FROM ml.predictions GROUP BY species ORDER BY species'

say "The same program on the same data wrote the same: nothing is new."
train 2 | tee again.log
[[ $(grep -c unchanged again.log) -eq 2 ]] || { echo "both outputs should be what they were" >&2; exit 1; }

say "Where the predictions are from, down to the file that was delivered; and who would notice another one."
lakebed lineage ml.predictions
lakebed impact zoo.penguins
lakebed runs

say "A program that fails leaves nothing."
status=0
train none || status=$?
[[ $status -eq 1 ]] || { echo "expected exit code 1, got $status" >&2; exit 1; }
lakebed history ml.predictions

say "Where no lake can be reached, what was fetched before is enough; what comes of it is kept."
lakebed fetch --lock lakebed.lock --into inputs
LAKEBED_LAKE=http://127.0.0.1:9 train 4 --offline --into inputs --outputs made
ls made

say "And committed once the lake is back."
lakebed runs commit made
lakebed history ml.predictions

say "The model is a version like any other: fetched, verified, and used."
lakebed fetch ml.model --into models
"$PYTHON" -c 'import joblib; print(joblib.load("models/ml/model/model.joblib").predict([[50.0, 15.2, 220, 5300]])[0])'
