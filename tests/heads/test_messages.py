"""What a person reads when a head cannot be fitted: the whole message, for each mistake."""

import numpy as np
import pytest
from sklearn import config_context
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from featx.errors import InputError, UnknownNameError
from featx.evaluation import evaluate
from featx.heads import BlendHead, EnsembleHead, HeadPipeline, make_head
from featx.heads.checks import labels_of
from featx.heads.routing import routed

X = np.arange(12.0).reshape(6, 2)
WORDS = np.array(["ant", "bee"] * 3)
NAMED = ("logistic", "xgboost", "svm", "knn", "ridge-classifier")


def fit(name, y, **choices):
    return lambda: make_head(name).fit(X, y, **choices)


def requested(name="logistic"):
    with config_context(enable_metadata_routing=True):
        routed(make_head(name), sample_weight=np.ones(6))


MESSAGES = {
    "unlabelled images of other columns": (
        fit("logistic", WORDS, unlabelled=X[:, :1]),
        InputError,
        (
            "unlabelled has the shape (6, 1), and X has 2 columns. Give embeddings by the same extractor; a "
            "HeadPipeline that begins with the extractor takes images."
        ),
    ),
    "no unlabelled images": (
        fit("svm", WORDS, unlabelled=X[:0]),
        InputError,
        "unlabelled holds no images. Give some, or leave it out.",
    ),
    "unlabelled images for trees": (
        lambda: HeadPipeline([("head", make_head("xgboost"))]).fit(X, WORDS, unlabelled=X),
        InputError,
        (
            "XGBoostHead learns nothing from unlabelled images. Leave them out, or take another head, such as "
            "'logistic'."
        ),
    ),
    "unlabelled images in a pipeline that keeps them": (
        lambda: evaluate(
            make_pipeline(StandardScaler(), make_head("logistic")), X, WORDS, cv=2, unlabelled=X
        ),
        InputError,
        (
            "Pipeline passes no unlabelled images on to LogisticHead. A featx.heads.HeadPipeline of the same steps "
            "does."
        ),
    ),
    "parts of other columns": (
        lambda: EnsembleHead(make_head("logistic"), (1, 2)).fit(X, WORDS),
        InputError,
        "widths=[1, 2], and X has 2 columns: give the width of each part, which add up to that.",
    ),
    "blocks of other columns": (
        lambda: BlendHead((1, 2), [[0], [1]]).fit(X, WORDS),
        InputError,
        "widths=[1, 2], and X has 2 columns: give the width of each block, which add up to that.",
    ),
    "a mean without probabilities": (
        lambda: EnsembleHead(make_head("svm"), (1, 1)).fit(X, WORDS),
        InputError,
        (
            "HeadPipeline gives no probabilities, and the mean is one of these. Take 'logistic' or another head that "
            "does."
        ),
    ),
    "counts in two columns": (
        lambda: labels_of([[1, 3], [2, 4]]),
        InputError,
        (
            "y has 2 columns of labels. Give one label for each image, columns of 0 and 1 for several labels, or for "
            "counts take an estimator for numbers, such as the head 'ridge'."
        ),
    ),
    "fractions for classes": (
        lambda: labels_of([0.5, 1.5]),
        InputError,
        (
            "Unknown label type: continuous. y holds numbers with fractions; take an estimator for numbers, such "
            "as the head 'ridge'."
        ),
    ),
    "words for numbers": (
        fit("ridge", WORDS),
        InputError,
        "y holds 'ant', but numbers are needed; for labels take a classifier.",
    ),
    "words for numbers of trees": (
        fit("xgboost-regressor", WORDS),
        InputError,
        "y holds 'ant', but numbers are needed; for labels take a classifier.",
    ),
    **{
        f"one class for {name}": (
            fit(name, np.array(["ant"] * 6)),
            InputError,
            "Two classes or more are needed, but y holds one class only: 'ant'. Add images of another class.",
        )
        for name in NAMED
    },
    **{
        f"a label missing for {name}": (
            fit(name, ["ant", "bee", float("nan"), "bee", None, "ant"]),
            InputError,
            "Input y contains NaN or None in row 2 and 1 more. Leave out the images that have no target.",
        )
        for name in NAMED
    },
    "a number missing": (
        fit("ridge", [1.0, 2.0, None, 4.0, 5.0, 6.0]),
        InputError,
        "Input y contains NaN or None in row 2. Leave out the images that have no target.",
    ),
    "no targets": (
        fit("svm", None),
        InputError,
        "This estimator requires y to be passed, but the target y is None. Give a label or a number for each image.",
    ),
    "weights for neighbours": (
        fit("knn", WORDS, sample_weight=np.ones(6)),
        InputError,
        (
            "KNeighborsClassifier takes no sample_weight. Take another head, such as 'logistic', or repeat images "
            "instead."
        ),
    ),
    "weights of another length": (
        fit("svm", WORDS, sample_weight=[1, 2]),
        InputError,
        "sample_weight has 2 values for 6 images. Give one number for each image.",
    ),
    "a weight below 0": (
        fit("ridge", np.arange(6), sample_weight=[1, 1, -1, 1, 1, 1]),
        InputError,
        "sample_weight is -1 in row 2. Give numbers of 0 or more.",
    ),
    "a weight that is no number": (
        fit("xgboost", WORDS, sample_weight=[1, 1, 1, np.nan, 1, 1]),
        InputError,
        "sample_weight is nan in row 3. Give numbers of 0 or more.",
    ),
    "no weight at all": (
        fit("logistic", WORDS, sample_weight=np.zeros(6)),
        InputError,
        "sample_weight is zero for every image. Give some of them a number above 0.",
    ),
    "weights that nobody requests": (
        requested,
        InputError,
        (
            "LogisticHead does not request sample_weight, and scikit-learn's metadata routing is enabled. Call its "
            "set_fit_request(sample_weight=True)."
        ),
    ),
    "weights that cannot be requested": (
        lambda: requested("knn"),
        InputError,
        (
            "KNeighborsClassifier takes no sample_weight. Take another head, such as 'logistic', or repeat images "
            "instead."
        ),
    ),
    "a start that is not there": (
        lambda: make_head("xgboost", start="logistic").fit(X, WORDS),
        InputError,
        "start='logistic': give 'linear' or None.",
    ),
    "trees without what they add to": (
        lambda: make_head("xgboost").fit(X, WORDS).save_model("trees.json"),
        InputError,
        (
            "The trees add to a linear model, which XGBoost's own files cannot hold. Write the whole head by "
            "featx.save, or fit one with start=None."
        ),
    ),
    "a head that is not there": (
        lambda: make_head("logistics"),
        UnknownNameError,
        (
            "Unknown head 'logistics'. Did you mean 'logistic'? Known: 'auto', 'logistic', 'xgboost', 'svm', 'knn', "
            "'ridge-classifier', 'ridge', 'xgboost-regressor'."
        ),
    ),
}


@pytest.mark.parametrize("mistake", MESSAGES)
def test_says(mistake, says):
    says(*MESSAGES[mistake])
