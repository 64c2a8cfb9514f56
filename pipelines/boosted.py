"""Boosted trees on embeddings, their settings and the depth of the cut searched together. Copy and change it.

python pipelines/boosted.py                on scikit-learn's handwritten digits
python pipelines/boosted.py flowers/       on a folder with one folder per class
"""

import sys

from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline

from featx import FeatureExtractor, load_folder, make_head
from featx.images import digits

# settings
BACKBONE = "featx-mini"
POOLING = "avg+std"
SEARCH = {
    "features__depth": [3, 4],
    "head__max_depth": [2, 4],
}
FOLDS = 3
ROWS = 900  # of the digits, so that the example takes seconds

if len(sys.argv) > 1:
    table = load_folder(sys.argv[1])
    print(table)
    images, labels = table.paths, table.labels
else:
    images, labels = (part[:ROWS] for part in digits())

pipeline = Pipeline(
    [
        ("features", FeatureExtractor(BACKBONE, pooling=POOLING)),
        ("head", make_head("xgboost", n_estimators=40, learning_rate=0.3, n_jobs=1)),
    ]
)

# all depths in one pass first: then the search, whatever its size, reads embeddings from the cache
FeatureExtractor(BACKBONE, depth=SEARCH["features__depth"], pooling=POOLING, verbose=1).transform(images)

# one process for each core: better use of them than several threads for one small tree
search = GridSearchCV(pipeline, SEARCH, cv=StratifiedKFold(FOLDS, shuffle=True, random_state=0), n_jobs=-1)
search.fit(images, labels)
for parameters, score in zip(
    search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
):
    print(f"{score:.4f}  {parameters}")
print(f"best: {search.best_score_:.4f}  {search.best_params_}")
