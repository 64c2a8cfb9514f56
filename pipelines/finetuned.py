"""Fine-tuning: train a pretrained CNN on, and see whether it beats its frozen features. Copy and change it.

python pipelines/finetuned.py              on 600 of scikit-learn's handwritten digits
python pipelines/finetuned.py flowers/     on a folder with one folder per class
"""

import sys

from sklearn.metrics import classification_report
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from featx import FeatureExtractor, FineTuner, load_folder, make_head, save
from featx.images import digits

# settings
BACKBONE = "featx-mini"  # for photographs: "mobilenet_v2", "resnet50", ... (featx backbones lists them)
DEPTH = [3, 4]  # stages, layers, or "default"
INPUT_SIZE = 32  # pixels; None: what the backbone was trained for
STAGES = "all"  # or how many of the last stages
EPOCHS = 8
AUGMENT = "default"  # for photographs: "flip+crop+contrast"
MODEL = "finetuned-model"

if len(sys.argv) > 1:
    table = load_folder(sys.argv[1])
    print(table)
    images, labels = table.paths, table.labels
else:
    images, labels = digits()
    images, labels = images[:600], labels[:600]

train_x, test_x, train_y, test_y = train_test_split(
    images, labels, test_size=0.25, stratify=labels, random_state=0
)

# what has to be beaten: the same network, frozen
extractor = FeatureExtractor(BACKBONE, depth=DEPTH, input_size=INPUT_SIZE)
frozen = make_pipeline(extractor, make_head("logistic"))
print(f"frozen  {frozen.fit(train_x, train_y).score(test_x, test_y):.3f}")

# it starts from there; the epoch is chosen by images held out of the training part
tuner = FineTuner(
    extractor,
    stages=STAGES,
    epochs=EPOCHS,
    augment=AUGMENT,
    random_state=0,
    verbose=1,
)
tuner.fit(train_x, train_y)
print(f"tuned   {tuner.score(test_x, test_y):.3f}  (epoch {tuner.best_epoch_} of {len(tuner.history_) - 1})")

# where does it err?
print(classification_report(test_y, tuner.predict(test_x), zero_division=0))

save(tuner, MODEL, overwrite=True)  # featx.load(MODEL).predict(...); tuner.backbone_ is a backbone of its own
