"""Groups, weights and metrics reach every choice between depths and strategies; what is wrong is told at once."""

import json

import numpy as np
import pytest
from sklearn import config_context
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import RepeatedStratifiedKFold, StratifiedKFold, TimeSeriesSplit

from featx import (
    FeatureExtractor,
    FineTuner,
    TransferClassifier,
    TransferRegressor,
    advise,
    depth_curve,
    evaluate,
)
from featx.errors import InputError
from featx.evaluation.folds import make_folds
from featx.heads import make_head
from featx.images import synthetic
from featx.transfer import make_strategy
from featx.transfer.judging import Judge, Told

IMAGES, LABELS = synthetic(n=36, classes=3, size=32, random_state=0)
LABELS = np.array(LABELS)
PATIENTS = np.arange(36) % 12
SMALL = FeatureExtractor(input_size=32, pooling="avg", cache=None)
PIPE = make_strategy("end", SMALL)

FUNCTIONS = {
    "evaluate": lambda y, **told: evaluate(PIPE, IMAGES, y, **told),
    "depth_curve": lambda y, **told: depth_curve(IMAGES, y, SMALL, **told),
    "advise": lambda y, **told: advise(IMAGES, y, SMALL, **told),
    "TransferClassifier": lambda y, **told: TransferClassifier(SMALL).fit(IMAGES, y, **told),
    "TransferClassifier, named": lambda y, **told: TransferClassifier(SMALL, strategy="end").fit(
        IMAGES, y, **told
    ),
    "FineTuner": lambda y, **told: FineTuner(SMALL).fit(IMAGES, y, **told),
    "strategy": lambda y, **told: make_strategy("end", SMALL).fit(IMAGES, y, **told),
}
BAD = {
    "none": (None, {}, "requires y to be passed, but the target y is None"),
    "a label missing": ([*LABELS[:-1], None], {}, "Input y contains NaN or None in row 35"),
    "NaN among words": ([float("nan"), *LABELS[1:]], {}, "Input y contains NaN or None in row 0"),
    "one class": (["ant"] * 36, {}, "y holds one class only: 'ant'"),
    "too few": (LABELS[:-1], {}, "inconsistent numbers of samples"),
    "two columns of counts": (np.arange(72).reshape(36, 2), {}, "y has 2 columns of labels"),
    "a weight below 0": (LABELS, {"sample_weight": [-1, *[1] * 35]}, "sample_weight is -1 in row 0"),
    "a group missing": (LABELS, {"groups": [None, *PATIENTS[1:]]}, "groups contains NaN or None in row 0"),
}


@pytest.mark.parametrize("wrong", BAD)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_image_goes_through_a_network_for_wrong_targets(name, wrong, forwards):
    """Whatever is asked, it is told at once, in the same words."""
    y, told, message = BAD[wrong]
    with pytest.raises(ValueError, match=message):
        FUNCTIONS[name](y, **told)
    assert not forwards


@pytest.mark.parametrize("name", ["evaluate", "depth_curve", "advise", "TransferClassifier", "FineTuner"])
def test_no_image_goes_through_a_network_where_groups_cannot_be_kept_apart(name, forwards):
    """A class of one group cannot be learned from and judged."""
    groups = np.where(LABELS[0] == LABELS, "one", PATIENTS.astype(str))
    with pytest.raises(InputError, match=f"The class '{LABELS[0]}' is in one group only, 'one'"):
        FUNCTIONS[name](LABELS, groups=groups)
    assert not forwards


@pytest.mark.parametrize(
    "call",
    [
        lambda: evaluate(make_strategy("end", SMALL, head="knn"), IMAGES, LABELS, sample_weight=np.ones(36)),
        lambda: depth_curve(IMAGES, LABELS, SMALL, head="knn", sample_weight=np.ones(36)),
        lambda: TransferClassifier(SMALL, head="knn").fit(IMAGES, LABELS, sample_weight=np.ones(36)),
        lambda: make_strategy("end", SMALL, head="knn").fit(IMAGES, LABELS, sample_weight=np.ones(36)),
    ],
)
def test_a_head_that_takes_no_weights_says_so_before_any_image_is_read(call, forwards):
    """Whoever asks."""
    with pytest.raises(InputError, match=r"KNeighborsClassifier takes no sample_weight\. Take another head"):
        call()
    assert not forwards


@pytest.mark.parametrize("scoring", ["no_such", ["accuracy", "f1_macro"], "roc_auc"])
def test_a_metric_that_cannot_choose_is_refused_before_any_image_is_read(scoring, forwards):
    """An unknown one, several, one for two classes."""
    with pytest.raises(InputError, match=r"Unknown scoring|give one metric|does not suit these targets"):
        TransferClassifier(SMALL, scoring=scoring).fit(IMAGES, LABELS)
    assert not forwards


@pytest.mark.parametrize("asked", [True, False])
def test_a_scorer_that_requests_weights_gets_them(asked):
    """Images of weight 0 are wrong on purpose: they cost nothing where weights count, and a sixth where they do not."""
    wrong = np.arange(36) % 6 == 0
    y = np.where(wrong, np.roll(np.unique(LABELS), 1)[np.searchsorted(np.unique(LABELS), LABELS)], LABELS)
    with config_context(enable_metadata_routing=True):
        scorer = make_scorer(accuracy_score).set_score_request(sample_weight=asked)
        model = TransferClassifier(SMALL, cv=3, scoring=scorer).fit(IMAGES, y, sample_weight=~wrong)

    assert model.scores_["default"][0] == pytest.approx(1.0 if asked else 5 / 6, abs=0.05)


def test_words_are_refused_where_numbers_are_meant(forwards):
    """By the head ridge, and by the regressor."""
    for call in (
        lambda: TransferRegressor(SMALL).fit(IMAGES, LABELS),
        lambda: depth_curve(IMAGES, LABELS, SMALL, head="ridge"),
        lambda: make_strategy("end", SMALL, head="ridge").fit(IMAGES, LABELS),
    ):
        with pytest.raises(InputError, match=r"y holds .*, but numbers are needed"):
            call()
    assert not forwards


def test_the_depth_curve_and_the_advice_judge_as_they_are_told():
    """By groups, weights and a metric of one's own, in every row, for the pixels and for fewer images."""
    told = {"cv": 3, "groups": PATIENTS, "sample_weight": np.arange(36) % 3 + 0.5}
    curve = depth_curve(IMAGES, LABELS, SMALL, scoring=["balanced_accuracy", "accuracy"], **told)
    for row in curve.rows:
        expected = evaluate(
            make_head("ridge-classifier"), curve.features(row), LABELS, scoring="balanced_accuracy", **told
        )
        assert row.report.scores == expected.scores
        assert row.report.units == 12
        assert row.report["accuracy"].metric == "accuracy"
    advice = advise(IMAGES, LABELS, SMALL, scoring="balanced_accuracy", **told)
    assert advice.pixels.metric == advice.row.report.metric == "balanced_accuracy"
    assert advice.learning[-1][1] == pytest.approx(advice.row.score)


CHOICES = {
    "strategy": lambda **told: TransferClassifier(SMALL, strategy="end").fit(IMAGES, LABELS, **told),
    "auto": lambda **told: TransferClassifier(SMALL, cv=2, head="ridge-classifier").fit(
        IMAGES, LABELS, **told
    ),
    "scoring": lambda **told: TransferClassifier(
        SMALL, cv=2, head="ridge-classifier", scoring="balanced_accuracy"
    ).fit(IMAGES, LABELS, **told),
    "finetune": lambda **told: TransferClassifier(
        SMALL, cv=2, head="ridge-classifier", finetune=True, tuner=Trees(SMALL)
    ).fit(IMAGES, LABELS, **told),
    "TransferRegressor": lambda **told: TransferRegressor(SMALL, strategy="end").fit(
        IMAGES, IMAGES.mean(axis=(1, 2, 3)), **told
    ),
}


@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_is_the_same_with_metadata_routing(name):
    """Nobody can make requests for a head within, so weights and groups reach it by themselves."""
    told = {"groups": PATIENTS, "sample_weight": np.arange(36) % 3 + 0.5}
    expected = CHOICES[name](**told)
    with config_context(enable_metadata_routing=True):
        found = CHOICES[name](**told)

    assert found.report_ == expected.report_
    np.testing.assert_array_equal(found.predict(IMAGES), expected.predict(IMAGES))


def test_curve_and_advice_are_the_same_with_metadata_routing():
    """Weights reach the heads that were named, or not even that."""
    told = {"cv": 2, "groups": PATIENTS, "sample_weight": np.arange(36) % 3 + 0.5}
    expected = advise(IMAGES, LABELS, SMALL, **told)
    with config_context(enable_metadata_routing=True):
        found = advise(IMAGES, LABELS, SMALL, **told)

    assert [row.score for row in found.curve.rows] == [row.score for row in expected.curve.rows]
    assert found.learning == expected.learning
    assert found.pixels.scores == expected.pixels.scores


class Remembers(LogisticRegression):
    """Keeps what `fit` was given."""

    given: list = []  # noqa: RUF012 - shared by the clones, on purpose

    def fit(self, X, y, sample_weight=None, groups=None):
        """Note weights and groups, then fit."""
        self.given.append((X[:, 0].astype(int), sample_weight, groups))
        return super().fit(X, y, sample_weight)


def test_each_fold_is_fitted_with_its_own_weights_and_groups():
    """Row by row, whether the estimator stands alone, in a pipeline or in a strategy's judge."""
    X = np.column_stack([np.arange(36.0), np.random.default_rng(0).normal(size=36)])
    weights, told = np.arange(36.0), Told(np.arange(36.0), PATIENTS)
    Remembers.given.clear()
    evaluate(Remembers(), X, LABELS, cv=3, groups=PATIENTS, sample_weight=weights)
    Judge(None, LABELS, make_folds(LABELS, 3, regression=False, groups=PATIENTS), told, regression=False)(
        Remembers(), X, n_jobs=None
    )

    assert len(Remembers.given) == 6
    for rows, own, groups in Remembers.given:
        np.testing.assert_array_equal(own, weights[rows])
        np.testing.assert_array_equal(np.unique(groups), np.unique(PATIENTS[rows]))
        assert len(rows) == 3 * len(np.unique(groups))  # whole patients


@pytest.mark.parametrize(
    "cv",
    [
        StratifiedKFold(3),
        RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0),
        TimeSeriesSplit(2),
        [(np.arange(20), np.arange(20, 36))],
    ],
    ids=lambda cv: type(cv).__name__,
)
@pytest.mark.parametrize("regression", [False, True])
def test_strategies_are_judged_on_any_folds(cv, regression):
    """Each image that is tested counts once, with the mean of its tests; others do not count."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(36, 4))
    y = X[:, 0] + rng.normal(size=36) if regression else (X[:, 0] + rng.normal(size=36) > 0).astype(int)
    y[:2] = 0, 1
    stratified = regression and "Stratified" in type(cv).__name__
    folds = make_folds(y, 3 if stratified else cv, regression=regression)
    model = Ridge() if regression else LogisticRegression()
    mean, error, _ = Judge(None, y, folds, Told(None, None), regression=regression)(model, X, n_jobs=None)
    right = {}
    for train, test in folds:
        predicted = model.fit(X[train], y[train]).predict(X[test])
        for row, one in zip(test, predicted, strict=True):
            right.setdefault(row, []).append(y[row] == one)

    assert 0 < error < 1
    if not regression:
        assert mean == pytest.approx(np.mean([np.mean(each) for each in right.values()]))


class Trees(FineTuner):
    """Stands where a network would be trained for minutes; notes the groups that it learns from."""

    learned: list = []  # noqa: RUF012 - shared by the clones, on purpose

    def fit(self, X, y, sample_weight=None, groups=None):  # noqa: ARG002
        """Keep the most frequent class."""
        self.learned.append(None if groups is None else set(groups))
        labels, counts = np.unique(y, return_counts=True)
        self.classes_, self.answer_ = labels, labels[counts.argmax()]
        return self

    def predict(self, X):
        """Answer one class."""
        return np.full(len(X), self.answer_)


def test_a_choice_by_groups_is_not_taken_in_by_images_of_one_patient():
    """Labels that only patients have are learned by heart, unless the patients are kept apart, in fine-tuning, too."""
    rng = np.random.default_rng(0)
    faces = rng.integers(0, 256, (16, 32, 32, 3))
    patients = np.repeat(np.arange(16), 4)
    images = np.clip(faces[patients] + rng.integers(-9, 9, (64, 32, 32, 3)), 0, 255).astype(np.uint8)
    labels = np.array(["ill", "well"])[rng.permutation(np.arange(16) % 2)][patients]
    model = TransferClassifier(
        SMALL, cv=3, finetune=True, tuner=Trees(SMALL), head=make_head("svm"), alpha=0.9
    )
    alone = model.fit(images, labels)
    assert max(mean for mean, _ in alone.scores_.values()) > 0.9
    Trees.learned.clear()
    apart = model.fit(images, labels, groups=patients)

    assert max(mean for mean, _ in apart.scores_.values()) < 0.8
    assert apart.comparison_["images"] == 16 - len(Trees.learned[0])
    assert "held-out groups of images" in apart.report_


def test_fine_tuning_has_to_be_better_by_the_metric_that_was_asked_for():
    """The report names both scores."""
    images, labels = IMAGES, np.where(LABELS[0] == LABELS, "rare", "often")
    model = TransferClassifier(
        SMALL,
        cv=2,
        scoring="balanced_accuracy",
        finetune=True,
        tuner=Trees(SMALL),
        head=make_head("svm"),
        alpha=1.1,
    ).fit(images, labels)

    assert not model.comparison_["kept"]
    assert model.comparison_["new_score"] == 0.5
    assert "balanced_accuracy 0.500 against" in model.report_
    assert "(balanced_accuracy on 2 folds" in model.report_


def test_images_without_weight_are_as_if_they_were_not_there():
    """For a strategy by name; whatever their labels say."""
    weights = np.where(np.arange(36) < 28, 1, 0)
    strange = np.where(weights, LABELS, "strange")
    model = TransferClassifier(SMALL, strategy="end")
    with_them = model.fit(IMAGES, strange, sample_weight=weights).predict_proba(IMAGES)
    without = model.fit(IMAGES[:28], LABELS[:28]).predict_proba(IMAGES)

    np.testing.assert_allclose(with_them, without, rtol=1e-6, atol=1e-6)


def test_one_fold_tells_no_error_and_makes_nothing_as_good_as_the_best():
    """No infinity in print or JSON; the cheapest is the best, not the first stage; of numbers there is no interval."""
    fold = [(np.arange(24), np.arange(24, 36))]
    bright = IMAGES.mean(axis=(1, 2, 3))
    for y in (LABELS, bright):
        advice = advise(IMAGES, y, SMALL, cv=fold)
        curve = advice.curve
        json.dumps(advice.to_dict(), allow_nan=False)
        assert "inf" not in f"{advice}{curve}"
        assert curve.cheapest.score == curve.best.score
        assert curve.to_dict()["rows"][0]["report"]["error"] is None
    assert "guessing 0.000" in str(curve)
