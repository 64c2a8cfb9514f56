"""What is in a folder that nobody has sorted: images grouped by their embeddings, a picture of each group.

python pipelines/clustering.py                on scikit-learn's handwritten digits
python pipelines/clustering.py flowers/       on a folder of images, with or without a folder per class
"""

import sys
from pathlib import Path
from tempfile import mkdtemp

from featx import FeatureExtractor, load_folder
from featx.exploring import cluster, write_clusters
from featx.images import digits

# settings
BACKBONE = "featx-mini"
METHOD = "kmeans"  # or "hdbscan", which leaves images out that are like no others
CLUSTERS = "auto"  # or a number
ROWS = 900  # of the digits, so that the example takes seconds

if len(sys.argv) > 1:
    table = load_folder(sys.argv[1])
    print(table)
    images, labels = table.paths, table.labels
else:
    images, labels = (part[:ROWS] for part in digits())

embeddings = FeatureExtractor(BACKBONE, verbose=1).transform(images)
found = cluster(embeddings, labels, clusters=CLUSTERS, method=METHOD)
print(found)  # the labels, where there are any, are only compared with

folder = write_clusters(found, images, Path(mkdtemp()) / "clusters", labels=labels)
print(f"a picture of each cluster, the most typical images first: {folder}")
