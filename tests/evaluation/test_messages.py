"""What a person reads when nothing can be judged: the whole message, for each mistake, before anything is fitted."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GroupKFold, KFold, LeaveOneOut, TimeSeriesSplit

from featx import evaluate
from featx.errors import InputError, UnknownNameError

X = np.zeros((12, 2))
Y = np.repeat(["ant", "bee"], 6)
GROUPS = np.repeat(np.array(["p1", "p2", "p3", "p4"]), 3)


class Never(LogisticRegression):
    """A classifier that must not be fitted."""

    def fit(self, X, y):  # noqa: ARG002, D102
        pytest.fail("it was fitted")


class NeverNumbers(LinearRegression):
    """A regressor that must not be fitted."""

    fit = Never.fit


def judge(y=Y, head=None, **choices):
    return lambda: evaluate(head or Never(), X, y, **choices)


MESSAGES = {
    "one fold": (
        judge(cv=1),
        InputError,
        "cv=1 leaves nothing to compare. Give 2 folds or more, or a splitter.",
    ),
    "one fold, and a class of one image": (
        judge(["ant", *["bee"] * 11], cv=1),
        InputError,
        "cv=1 leaves nothing to compare. Give 2 folds or more, or a splitter.",
    ),
    "folds in words": (
        judge(cv="five"),
        InputError,
        (
            "cv='five': give a number of folds, 2 or more, a splitter of scikit-learn, or pairs of rows to fit to and "
            "rows to judge by."
        ),
    ),
    "half a fold": (
        judge(cv=2.5),
        InputError,
        (
            "cv=2.5: give a number of folds, 2 or more, a splitter of scikit-learn, or pairs of rows to fit to and "
            "rows to judge by."
        ),
    ),
    "no folds": (
        judge(cv=[]),
        InputError,
        "cv makes no folds. Give at least one pair of rows to fit to and rows to judge by.",
    ),
    "a splitter by groups without groups": (
        judge(cv=GroupKFold(2)),
        InputError,
        (
            "GroupKFold(n_splits=2, random_state=None, shuffle=False) needs groups. Pass groups=, with one for each "
            "image."
        ),
    ),
    "a splitter that knows no groups": (
        judge(cv=KFold(2), groups=np.arange(12) % 3),
        InputError,
        (
            "Fold 1 of KFold(n_splits=2, random_state=None, shuffle=False) has images of group 0 on both sides. "
            "Give a number of folds, or a splitter that keeps groups apart, such as StratifiedGroupKFold."
        ),
    ),
    "an order in time that begins with one class": (
        judge(cv=TimeSeriesSplit(3)),
        InputError,
        (
            "Fold 1 of TimeSeriesSplit(gap=0, max_train_size=None, n_splits=3, test_size=None) has one class only "
            "to learn from, 'ant'. Give folds whose images to learn from are of two classes or more, such as those of "
            "StratifiedKFold."
        ),
    ),
    "images on both sides": (
        judge(cv=[(np.arange(12), np.arange(12))]),
        InputError,
        "Fold 1 of cv judges by images that it learns from. Give each row one side.",
    ),
    "rows that are not there": (
        judge(cv=[(np.arange(6), np.arange(6, 13))]),
        InputError,
        "Fold 1 of cv has rows outside of 0..11, which is all there are.",
    ),
    "nothing to judge by": (
        judge(cv=[(np.arange(12), [])]),
        InputError,
        "Fold 1 of cv has no images to judge by. Give both sides some.",
    ),
    "a group missing": (
        judge(groups=[*GROUPS[:-1], None]),
        InputError,
        (
            "groups contains NaN or None in row 11. Give every image a group; one that belongs to none gets one of its "
            "own."
        ),
    ),
    "too few groups": (
        judge(groups=GROUPS[:-1]),
        InputError,
        "groups has 11 rows for 12 images. Give one group for each image.",
    ),
    "one group": (
        judge(groups=np.array(["p1"] * 12)),
        InputError,
        (
            "All images are of one group, 'p1', but models are judged by groups that they were not fitted to. Give two "
            "groups or more."
        ),
    ),
    "a class in one group": (
        judge(groups=np.repeat(np.array(["p1", "p2", "p3"]), [6, 3, 3])),
        InputError,
        (
            "The class 'ant' is in one group only, 'p1', but it takes one group to learn from and one to judge by. "
            "Give images of two groups or more of each class."
        ),
    ),
    "no such metric": (
        judge(scoring="f1macro"),
        UnknownNameError,
        "Unknown scoring 'f1macro'. Did you mean 'f1_macro'? sklearn.metrics.get_scorer_names() lists them all.",
    ),
    "no metric at all": (
        judge(scoring=[3]),
        InputError,
        (
            "scoring=[3]: give a name, such as 'balanced_accuracy', a callable (estimator, X, y), several names, or a "
            "dict of them."
        ),
    ),
    "a metric of two classes for three": (
        judge(np.arange(12) % 3, scoring="roc_auc"),
        InputError,
        "scoring='roc_auc' does not suit these targets: multi_class must be in ('ovo', 'ovr')",
    ),
    "R² of single images": (
        judge(np.arange(12.0), NeverNumbers(), cv=LeaveOneOut()),
        InputError,
        "scoring='r2' has no value for the 1 image tested in fold 1. Give fewer folds, or another scoring.",
    ),
}


@pytest.mark.parametrize("mistake", MESSAGES)
def test_says(mistake, says):
    says(*MESSAGES[mistake])
