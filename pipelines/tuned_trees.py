"""Tune, then embed, then trees: a fine-tuned network and table columns for XGBoost. Copy and change it.

python pipelines/tuned_trees.py                on 600 parcels, a digit and a weight each, written to featx-parcels/
python pipelines/tuned_trees.py parts.csv      on a table with the columns named below; all others are numbers
python pipelines/tuned_trees.py flowers/       on a folder with one folder per class; the other column is files' sizes
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline

from featx import FeatureExtractor, FineTuner, evaluate, load_folder, make_head
from featx.images import digits

# settings
IMAGE, LABEL = "image", "label"  # columns of the table
EXTRACTOR = FeatureExtractor("featx-mini", depth=[3, 4], input_size=32)
TUNER = FineTuner(EXTRACTOR, epochs=5, max_seconds=300, random_state=0)
FOLDS = 3


def written_table(folder: Path) -> pd.DataFrame:
    """Write parcels: the digit is the zone, and how one is sent depends on zone and weight."""
    folder.mkdir(exist_ok=True)
    pictures, zones = digits()
    grams = np.random.default_rng(0).uniform(10, 2000, 600).round()
    rows = []
    for row, (picture, zone, weight) in enumerate(zip(pictures, zones, grams, strict=False)):
        path = folder / f"{row:03}.png"
        Image.fromarray(picture).save(path)
        way = "road" if int(zone) < 5 else "air" if weight < 1000 else "ship"
        rows.append((str(path), weight, way))
    return pd.DataFrame(rows, columns=[IMAGE, "grams", LABEL])


source = Path(sys.argv[1]) if len(sys.argv) > 1 else None
if source is None:
    table = written_table(Path("featx-parcels"))
elif source.is_dir():
    images = load_folder(source)
    sizes = [Path(path).stat().st_size for path in images.paths]
    table = pd.DataFrame({IMAGE: images.paths, "bytes": sizes, LABEL: images.labels})
else:
    table = pd.read_csv(source)
    table[IMAGE] = [str(source.parent / path) for path in table[IMAGE]]
print(table.head())

# every fold tunes a network of its own, on the images that it may learn from
numbers = list(table.drop(columns=[IMAGE, LABEL]))
ways = {
    "table": [("passthrough", numbers)],
    "frozen, table": [(EXTRACTOR, IMAGE), ("passthrough", numbers)],
    "tuned, table": [(TUNER, IMAGE), ("passthrough", numbers)],
}
for name, parts in ways.items():
    pipeline = make_pipeline(make_column_transformer(*parts), make_head("xgboost"))
    print(f"{name:13}", evaluate(pipeline, table, table[LABEL], cv=FOLDS))
