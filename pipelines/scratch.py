"""A network trained from nothing: LeNet-5 of 1998, on handwritten digits as it was then. Copy and change it.

python pipelines/scratch.py                on scikit-learn's handwritten digits
python pipelines/scratch.py flowers/       on a folder with one folder per class
"""

import sys
from time import monotonic

from sklearn.model_selection import train_test_split

from featx import FeatureExtractor, FineTuner, load_folder
from featx.images import digits

# settings; for larger pictures: resnet18, squeezenet, ... (featx backbones lists them)
NETWORK = FeatureExtractor("lenet5", weights=None)
TUNER = FineTuner(
    NETWORK,
    epochs=15,
    learning_rate=3e-3,  # higher than for weights that are good already
    decay=1,  # all layers learn at this rate
    augment="translation",
    validation=None,
    patience=None,
    random_state=0,
)
HELD_OUT = 0.2

if len(sys.argv) > 1:
    table = load_folder(sys.argv[1])
    print(table)
    images, labels = table.paths, table.labels
else:
    images, labels = digits()

seen, unseen, seen_labels, unseen_labels = train_test_split(
    images, labels, test_size=HELD_OUT, stratify=labels, random_state=0
)
started = monotonic()
TUNER.fit(seen, seen_labels)
print(
    f"{monotonic() - started:.0f} s, loss {TUNER.history_[1]['loss']:.3f} to {TUNER.history_[-1]['loss']:.3f}"
)
print(f"accuracy on {len(unseen)} images held out: {TUNER.score(unseen, unseen_labels):.3f}")
