"""Which species is a penguin, by four measures of it? A program for `lakebed run`; `../train.sh` runs it.

It knows no lake: it finds its inputs where LAKEBED_INPUTS says, and writes to LAKEBED_OUTPUTS. Needs
scikit-learn and pyarrow.
"""

import json
import os
from pathlib import Path

import joblib
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

MEASURES = ["Culmen Length (mm)", "Culmen Depth (mm)", "Flipper Length (mm)", "Body Mass (g)"]


def read_input(reference: str) -> pa.Table:
    """The table that `reference` means in the lock."""
    index = json.loads((Path(os.environ["LAKEBED_INPUTS"]) / "inputs.json").read_text())
    found = next(found for found in index["inputs"] if found["reference"] == reference)
    return pyarrow.dataset.dataset(found["files"]).to_table()


def main() -> None:
    depth = int(os.environ.get("LAKEBED_PARAM_DEPTH", "3"))
    outputs = Path(os.environ["LAKEBED_OUTPUTS"])

    penguins = read_input("zoo.penguins").select(["Individual ID", "Species", *MEASURES]).drop_null()
    measures = list(zip(*(penguins[name].to_pylist() for name in MEASURES)))
    species = penguins["Species"].to_pylist()

    forest = RandomForestClassifier(n_estimators=50, max_depth=depth, random_state=0)
    model = make_pipeline(StandardScaler(), forest)
    # Each penguin is judged by a model that has not seen it.
    chances = cross_val_predict(model, measures, species, cv=5, method="predict_proba")
    names = sorted(set(species))
    predicted = [names[chance.argmax()] for chance in chances]
    print(f"depth {depth}: {accuracy_score(species, predicted):.1%} of {len(species)} are right")

    predictions = pa.table({
        "individual": penguins["Individual ID"],
        "species": penguins["Species"],
        "predicted": predicted,
        "chance": [float(chance.max()) for chance in chances],
    })
    pyarrow.parquet.write_table(predictions, outputs / "predictions.parquet")
    joblib.dump(model.fit(measures, species), outputs / "model.joblib")


if __name__ == "__main__":
    main()
