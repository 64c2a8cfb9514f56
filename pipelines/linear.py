"""A linear baseline: images, a pretrained CNN cut at some depth, logistic regression. Copy and change it.

python pipelines/linear.py                 on scikit-learn's handwritten digits
python pipelines/linear.py flowers/        on a folder with one folder per class
"""

import sys

from sklearn.metrics import classification_report
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from featx import FeatureExtractor, evaluate, load_folder, make_head
from featx.images import digits

# settings
BACKBONE = "featx-mini"  # for photographs: "mobilenet_v2", "resnet50", ... (featx backbones lists them)
DEPTH = [3, 4]  # stages, layers, or "default"
POOLING = "avg+std"
FOLDS = 5

if len(sys.argv) > 1:
    table = load_folder(sys.argv[1])
    print(table)
    images, labels = table.paths, table.labels
else:
    images, labels = digits()

pipeline = make_pipeline(
    FeatureExtractor(BACKBONE, depth=DEPTH, pooling=POOLING, verbose=1), make_head("logistic")
)

# how good is it? each image goes through the network once, whatever the number of folds
print(evaluate(pipeline, images, labels, cv=FOLDS))

# where does it err?
train_x, test_x, train_y, test_y = train_test_split(
    images, labels, test_size=0.2, stratify=labels, random_state=0
)
pipeline.fit(train_x, train_y)
print(classification_report(test_y, pipeline.predict(test_x)))
