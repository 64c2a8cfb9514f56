"""Images and the columns of a table together. Copy and change it.

python pipelines/tabular.py                on 240 drawn parts with a measured length, which it writes to featx-parts/
python pipelines/tabular.py parts.csv      on a table with the columns named below; all others are features
python pipelines/tabular.py flowers/       on a folder with one folder per class; the other column is the files' sizes
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from featx import FeatureExtractor, evaluate, load_folder, make_head
from featx.images import synthetic

# settings
IMAGE, LABEL = "image", "label"  # columns of the table
BACKBONE = "featx-mini"
COMPONENTS = 30  # of the image: thousands of columns would drown the few of the table
HEAD = "xgboost"  # trees that go on from a linear model: for columns that matter in steps, or together
FOLDS = 5


def written_table(folder: Path) -> pd.DataFrame:
    """Draw parts: the picture shows the shape, but only the measured length tells a large part from a small one."""
    folder.mkdir(exist_ok=True)
    pictures, shapes = synthetic(n=240, classes=3, size=48)
    rng = np.random.default_rng(0)
    large = rng.random(len(shapes)) < 0.5
    rows = []
    for row, (picture, shape) in enumerate(zip(pictures, shapes, strict=True)):
        path = folder / f"{row:03}.png"
        Image.fromarray(picture).save(path)
        length = rng.normal(60 if large[row] else 40, 4)
        machine = rng.choice(["left", "right"])
        rows.append((str(path), length, machine, f"{'large' if large[row] else 'small'} {shape}"))
    return pd.DataFrame(rows, columns=[IMAGE, "millimetres", "machine", LABEL])


source = Path(sys.argv[1]) if len(sys.argv) > 1 else None
if source is None:
    table = written_table(Path("featx-parts"))
elif source.is_dir():
    images = load_folder(source)
    sizes = [Path(path).stat().st_size for path in images.paths]
    table = pd.DataFrame({IMAGE: images.paths, "bytes": sizes, LABEL: images.labels})
else:
    table = pd.read_csv(source)
    table[IMAGE] = [str(source.parent / path) for path in table[IMAGE]]
print(table.head())

others = table.drop(columns=[IMAGE, LABEL])
numbers = list(others.select_dtypes("number"))
words = [column for column in others if column not in numbers]

embedding = make_pipeline(
    FeatureExtractor(BACKBONE, verbose=1), StandardScaler(), PCA(COMPONENTS, random_state=0)
)
image = (embedding, IMAGE)
columns = [(StandardScaler(), numbers), (OneHotEncoder(handle_unknown="ignore"), words)]
for name, parts in {"image": [image], "table": columns, "both": [image, *columns]}.items():
    pipeline = make_pipeline(make_column_transformer(*parts, sparse_threshold=0), make_head(HEAD))
    print(f"{name:6}", evaluate(pipeline, table, table[LABEL], cv=FOLDS))
