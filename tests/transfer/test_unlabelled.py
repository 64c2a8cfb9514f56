"""Images without labels reach the head of the strategy that is taken."""

import numpy as np
import pytest

from featx import FeatureExtractor, TransferClassifier, TransferRegressor, report
from featx.heads import HeadPipeline, LogisticHead
from featx.images import synthetic
from featx.transfer import make_strategy

IMAGES, LABELS = synthetic(n=60, classes=3, size=32, random_state=0)
KNOWN, NAMES, OTHERS, NEW = IMAGES[:9], LABELS[:9], IMAGES[9:40], IMAGES[40:]


@pytest.fixture(scope="module")
def extractor(tmp_path_factory):
    """Keep the vectors, so that a depth by itself has those of all depths."""
    return FeatureExtractor(input_size=32, cache=tmp_path_factory.mktemp("cache"))


def test_a_strategy_by_its_name_learns_from_them():
    """As `make_strategy` gives it."""
    model = TransferClassifier(strategy="pixels").fit(KNOWN, NAMES, unlabelled=OTHERS)
    alone = make_strategy("pixels").fit(KNOWN, NAMES, unlabelled=OTHERS)

    assert alone[-1].taught_.tolist() == [True]
    np.testing.assert_array_equal(model.predict_proba(NEW), alone.predict_proba(NEW))
    assert model.report_ == "pixels, as asked for; beside 31 unlabelled images"


def test_what_is_chosen_learns_from_them(extractor):
    """They do not take part in the choice, which is the same without them; its head learns from them."""
    model = TransferClassifier(extractor, cv=2).fit(KNOWN, NAMES, unlabelled=OTHERS)
    named = make_strategy(model.strategy_, extractor).fit(KNOWN, NAMES, unlabelled=OTHERS)

    assert model.scores_ == TransferClassifier(extractor, cv=2).fit(KNOWN, NAMES).scores_
    np.testing.assert_allclose(model.predict_proba(NEW), named.predict_proba(NEW), atol=1e-5)
    assert model.report_.endswith("; beside 31 unlabelled images")


def test_numbers_are_scaled_by_them():
    """Ridge regression learns nothing else from them."""
    sizes = KNOWN.mean(axis=(1, 2, 3))
    model = TransferRegressor(strategy="pixels").fit(KNOWN, sizes, unlabelled=OTHERS)

    np.testing.assert_allclose(
        model.estimator_["head"][0].mean_,
        model.estimator_["features"].transform(IMAGES[:40]).mean(axis=0),
        rtol=1e-5,
    )


def test_a_report_is_of_the_head_that_learns_from_them(extractor):
    """Each goes through the network once, and the score is that of `evaluate`."""
    pipe = HeadPipeline([("features", extractor), ("head", LogisticHead(Cs=3))])
    told = report(pipe, KNOWN, NAMES, cv=2, unlabelled=OTHERS, verbose=0).to_dict()

    assert told["unlabelled"] == 31
    assert "(judged by 2 folds of 9 images, beside 31 images without labels, " in told["summary"][0]
