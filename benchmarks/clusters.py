"""Ways to group embeddings, compared with labels that none of them has seen.

    python benchmarks/clusters.py [FOLDER ...] [--backbone featx-mini ...]

Each FOLDER has a subfolder of images per class; default: scikit-learn's handwritten digits. k-means is given the
number of classes. Prints normalised mutual information (NMI) and the adjusted Rand index (ARI).
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from featx import FeatureExtractor, load_folder
from featx.exploring.clusters import cluster, half_whitened
from featx.images import digits

whitened = partial(PCA, whiten=True, random_state=0)
WAYS = {
    "50 components": make_pipeline(PCA(50, random_state=0)).fit_transform,
    "scale, 50 components, length": make_pipeline(
        StandardScaler(), PCA(50, random_state=0), Normalizer()
    ).fit_transform,
    "scale, 50 whitened, length": make_pipeline(StandardScaler(), whitened(50), Normalizer()).fit_transform,
    "50 whitened, length": make_pipeline(whitened(50), Normalizer()).fit_transform,
    "featx: 50 half whitened, length": partial(half_whitened, components=50),
}

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("folder", nargs="*")
parser.add_argument("--backbone", nargs="+", default=["featx-mini"])
choice = parser.parse_args()

print("| images | backbone | what goes before | k-means NMI | ARI | HDBSCAN NMI | in none |")
print("|---|---|---|---|---|---|---|")
for folder in choice.folder or [None]:
    if folder is None:
        name, (images, labels) = "digits", digits()
    else:
        table = load_folder(folder)
        name, images, labels = Path(folder).name, table.paths, table.labels
    for backbone in choice.backbone:
        embeddings = FeatureExtractor(backbone).transform(images)
        for way, prepare in WAYS.items():
            points = prepare(embeddings)
            even = KMeans(len(np.unique(labels)), n_init=4, random_state=0).fit_predict(points)
            dense = HDBSCAN(min_cluster_size=10, copy=True).fit_predict(points)
            print(
                f"| {name} | {backbone} | {way} | {normalized_mutual_info_score(labels, even):.2f} | "
                f"{adjusted_rand_score(labels, even):.2f} | {normalized_mutual_info_score(labels, dense):.2f} | "
                f"{np.mean(dense < 0):.2f} |",
                flush=True,
            )
        print(f"<!-- {name}, {backbone}: {cluster(embeddings).count} clusters chosen -->", flush=True)
