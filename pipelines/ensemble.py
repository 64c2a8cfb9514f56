"""Several backbones side by side. Copy and change it.

python pipelines/ensemble.py               on scikit-learn's handwritten digits
python pipelines/ensemble.py flowers/      on a folder with one folder per class

Winners of image competitions rarely trust one network: the best detector of ILSVRC 2016 (CUImage's) was six. With
frozen features the same costs one pass over the images for each network, and no training.
"""

import sys

from sklearn.ensemble import VotingClassifier
from sklearn.pipeline import make_pipeline, make_union

from featx import FeatureExtractor, evaluate, load_folder, make_head
from featx.images import digits

# settings; for photographs: mobilenet_v2, densenet121, efficientnet_b0, ... (featx backbones lists them)
MEMBERS = {
    "featx-mini, 64 pixels": FeatureExtractor("featx-mini", input_size=64),
    "featx-mini, 96 pixels": FeatureExtractor("featx-mini", input_size=96),
    "a random network": FeatureExtractor("mobilenet_0.25", weights=None, depth=3, input_size=64),
}
FOLDS = 3
ROWS = 600  # of the digits, so that the example takes a minute

if len(sys.argv) > 1:
    table = load_folder(sys.argv[1])
    print(table)
    images, labels = table.paths, table.labels
else:
    images, labels = (part[:ROWS] for part in digits())

for name, extractor in MEMBERS.items():
    print(f"{name:24}", evaluate(make_pipeline(extractor, make_head("logistic")), images, labels, cv=FOLDS))

# one head on the features of all, or one head for each whose probabilities are averaged
together = make_pipeline(make_union(*MEMBERS.values()), make_head("logistic"))
print(f"{'features side by side':24}", evaluate(together, images, labels, cv=FOLDS))
votes = VotingClassifier(
    [(name, make_pipeline(extractor, make_head("logistic"))) for name, extractor in MEMBERS.items()],
    voting="soft",
)
print(f"{'probabilities averaged':24}", evaluate(votes, images, labels, cv=FOLDS))
