"""At which depth to cut a network for your images: every stage from one pass, each scored. Copy and change it.

python pipelines/depth_sweep.py                on scikit-learn's handwritten digits
python pipelines/depth_sweep.py flowers/       on a folder with one folder per class
"""

import sys

from sklearn.pipeline import make_pipeline

from featx import FeatureExtractor, depth_curve, evaluate, load_folder, make_head
from featx.images import digits

# settings
BACKBONE = "featx-mini"
FOLDS = 5
ROWS = 600  # of the digits, so that the example takes seconds

if len(sys.argv) > 1:
    table = load_folder(sys.argv[1])
    print(table)
    images, labels = table.paths, table.labels
else:
    images, labels = (part[:ROWS] for part in digits())

curve = depth_curve(images, labels, BACKBONE, cv=FOLDS, verbose=1)
print(curve)

# the cheapest depth that is as good as the best, with a head whose probabilities can be used; from the cache
pipeline = make_pipeline(FeatureExtractor(BACKBONE, **curve.cheapest.params), make_head("logistic"))
print(evaluate(pipeline, images, labels, cv=FOLDS))
