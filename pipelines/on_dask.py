"""Boosted trees on embeddings that no machine need hold whole: Dask's workers embed, and learn. Copy and change it.

python pipelines/on_dask.py                on scikit-learn's handwritten digits, which it writes to featx-digits/
python pipelines/on_dask.py flowers/       on a folder with one folder per class
"""

import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
from dask import array, dataframe
from distributed import Client, LocalCluster
from sklearn.model_selection import train_test_split
from xgboost.dask import DaskXGBClassifier

from featx import FeatureExtractor, load_folder
from featx.embedding import Embedder
from featx.images import digits, write_folder

# settings
SCHEDULER = None  # such as "tcp://scheduler:8786"; None: two workers on this machine
STORE = "featx-store"  # a folder that all workers see, as they must the images
BACKBONE = "featx-mini"
DEPTH = [3, 4]
PART = 256  # images that a worker embeds at a time
BLOCK = 10_000  # rows that a worker reads at a time

if __name__ == "__main__":  # workers on this machine import this file
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "featx-digits")
    table = load_folder(folder if folder.exists() else write_folder(*digits(), folder))
    print(table)
    classes, codes = np.unique(table.labels, return_inverse=True)

    with ExitStack() as stack:
        scheduler = SCHEDULER or stack.enter_context(
            LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
        )
        client = stack.enter_context(Client(scheduler))

        # the workers embed, and give 16 bytes for each image; run again after any failure, they do the rest
        embedder = Embedder(
            FeatureExtractor(BACKBONE, depth=DEPTH, pooling="avg+std", cache=STORE), add="image_id"
        )
        rows = pd.DataFrame({"path": table.paths})
        parts = dataframe.from_pandas(rows, npartitions=-(-len(rows) // PART))
        ids = parts.map_partitions(embedder, meta={"path": str, "image_id": object}).compute()["image_id"]

        # they read their blocks of the vectors from the store, and grow one forest together
        train, test = train_test_split(np.arange(len(rows)), test_size=0.2, stratify=codes, random_state=0)
        X = embedder.array(ids.iloc[train], rows=BLOCK)
        y = array.from_array(codes[train], chunks=X.chunks[0])
        model = DaskXGBClassifier(n_estimators=40, learning_rate=0.3, max_depth=3, device="cpu")
        model.client = client
        model.fit(X, y)

        predicted = model.predict(embedder.array(ids.iloc[test], rows=BLOCK)).compute()
    print(f"accuracy {np.mean(predicted == codes[test]):.3f} on {len(test)} of {len(rows)} images")
