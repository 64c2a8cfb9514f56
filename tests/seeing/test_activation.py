"""Class activation: exact at any depth, over several, and behind any linear steps; and it points at the cause."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

import featx
from featx import FeatureExtractor, load_folder, make_head
from featx.finetuning import FineTuner, FineTunerRegressor
from featx.heads import RelevanceSelector, SteadyScaler
from featx.images import synthetic
from featx.seeing import class_activation
from featx.seeing.activation import spread
from featx.transfer import TransferClassifier

IMAGES, CLASSES = synthetic(n=36, classes=3, size=32, random_state=0)
CLASSES = np.asarray(CLASSES)
FIRST = np.equal(CLASSES, CLASSES[0])
TWO = np.where(FIRST, "this", "other")
LABELS = np.stack([FIRST, IMAGES.mean(axis=(1, 2, 3)) > 100], axis=1).astype(int)
NUMBERS = IMAGES.mean(axis=(1, 2, 3))
PAIRS = np.stack([NUMBERS, IMAGES.std(axis=(1, 2, 3))], axis=1)


@pytest.fixture
def extractor(tiny):
    return FeatureExtractor(tiny, scaling="unit", input_size=16, pooling="avg", cache=None, engine="keras")


def close(found, scores):
    """Hold each activation against a score: it is the constant and all that the pixels gave, at any resolution."""
    for one, score in zip(found, scores, strict=True):
        size = abs(one.constant) + sum(np.abs(part).sum() for part in one.parts)
        assert one.score == pytest.approx(score, abs=1e-5 * size)
        assert one.heat.sum() == pytest.approx(score - one.constant, abs=1e-5 * size)
        assert sum(part.sum() for part in one.parts) == pytest.approx(one.heat.sum(), abs=1e-9 * size)


@pytest.mark.parametrize("depth", [1, 2, 3, [1, 3], [3, 2, 1], "two", ["two", -1]])
@pytest.mark.parametrize("pooling", ["avg", "grid2", "none", "avg+grid2"])
def test_the_sum_is_the_score_less_its_constant(extractor, depth, pooling):
    """At each depth and over several, for every pooling that is linear in the maps."""
    pipe = make_pipeline(extractor.with_choices(depth=depth, pooling=pooling), make_head("logistic", cv=2))
    pipe.fit(IMAGES, CLASSES)
    found = class_activation(pipe, IMAGES[:4])
    close(found, pipe.decision_function(IMAGES[:4]).max(axis=1))
    assert [one.answer for one in found] == pipe.predict(IMAGES[:4]).tolist()
    assert found[0].heat.shape == (16, 16)


def test_it_is_the_published_formula(extractor):
    """At the last maps: the mean over space of maps weighted by the head's coefficients."""
    pipe = make_pipeline(extractor.with_choices(depth=-1), make_head("logistic", cv=2)).fit(IMAGES, CLASSES)
    (maps,) = extractor.with_choices(depth=-1, pooling="none").transform(IMAGES[:1]).reshape(1, 2, 2, 8)
    for number, one in enumerate(pipe.classes_):
        (found,) = class_activation(pipe, IMAGES[:1], one)
        np.testing.assert_allclose(found.parts[0], maps @ pipe[-1].coef_[number] / 4, rtol=1e-4, atol=1e-6)


def test_scalers_are_folded_in_exactly(extractor):
    """The weights are the head's over the scaler's deviations, and the constant holds what the means took away."""
    pipe = make_pipeline(extractor.with_choices(depth=[2, 3]), SteadyScaler(), LogisticRegression())
    pipe.fit(IMAGES, TWO)
    scaler, head = pipe[1:]
    weights = head.coef_[0] / scaler.scale_
    (found,) = class_activation(pipe, IMAGES[:1], pipe.classes_[1])
    assert found.constant == pytest.approx(head.intercept_[0] - weights @ scaler.mean_, rel=1e-9)
    two = extractor.with_choices(depth=2, pooling="none").transform(IMAGES[:1]).reshape(4, 4, 6)
    np.testing.assert_allclose(found.parts[0], two @ weights[:6] / 16, rtol=1e-4, atol=1e-6)


STEPS = {
    "standard": [StandardScaler()],
    "means only": [StandardScaler(with_std=False)],
    "steady": [SteadyScaler()],
    "range": [MinMaxScaler()],
    "quantiles": [RobustScaler()],
    "rotated and whitened": [StandardScaler(), PCA(5, whiten=True)],
    "selected": [RelevanceSelector(0.5)],
    "passed through": ["passthrough", make_pipeline(None, StandardScaler())],
    "named columns": [StandardScaler().set_output(transform="pandas")],
}


@pytest.mark.parametrize("steps", STEPS)
def test_any_linear_steps_may_stand_between(extractor, steps):
    """What a step is called does not count, only that it is linear."""
    given = extractor.with_choices(depth=[1, 3])
    pipe = make_pipeline(given, *STEPS[steps], LogisticRegression()).fit(IMAGES, CLASSES)
    close(class_activation(pipe, IMAGES[:3]), pipe.decision_function(IMAGES[:3]).max(axis=1))


def test_a_pipeline_whose_vectors_have_names(extractor):
    """An extractor that gives frames."""
    pipe = make_pipeline(extractor.with_choices(depth=2), StandardScaler(), LogisticRegression())
    pipe.set_output(transform="pandas").fit(IMAGES, TWO)
    close(class_activation(pipe, IMAGES[:2], pipe.classes_[1]), pipe.decision_function(IMAGES[:2]))


HEADS = {
    "two classes": (make_head("logistic", cv=2), TWO),
    "several classes": (make_head("logistic", cv=2), CLASSES),
    "labels": (make_head("logistic", cv=2), LABELS),
    "labels, one against the rest": (OneVsRestClassifier(LogisticRegression()), LABELS),
    "ridge, two classes": (make_head("ridge-classifier"), TWO),
    "ridge, several classes": (make_head("ridge-classifier"), CLASSES),
    "ridge, labels": (make_head("ridge-classifier"), LABELS),
    "support vectors": (make_head("svm"), TWO),
    "a number": (make_head("ridge"), NUMBERS),
    "several numbers": (LinearRegression(), PAIRS),
}


@pytest.mark.parametrize("head", HEADS)
def test_any_linear_head(extractor, head):
    """Every answer of it, named by its value or by how that is written."""
    model, y = HEADS[head]
    pipe = make_pipeline(extractor.with_choices(depth=[2, 3], pooling=["grid2", "avg"]), model).fit(IMAGES, y)
    scores = getattr(pipe, "decision_function", pipe.predict)(IMAGES[:2]).reshape(2, -1)
    if head in ("two classes", "ridge, two classes", "support vectors"):
        scores = np.concatenate([-scores, scores], axis=1)
    answers = pipe.classes_.tolist() if y.ndim == 1 and y is not NUMBERS else range(scores.shape[1])
    for number, answer in enumerate(answers):
        close(class_activation(pipe, IMAGES[:2], answer), scores[:, number])
        close(class_activation(pipe, IMAGES[:2], str(answer)), scores[:, number])


def test_two_classes_may_be_compared(extractor):
    """What spoke for one rather than for another is the difference of what spoke for each."""
    pipe = make_pipeline(extractor.with_choices(depth=2), make_head("logistic", cv=2)).fit(IMAGES, CLASSES)
    first, second, _ = pipe.classes_
    each = [class_activation(pipe, IMAGES[:1], one)[0] for one in (first, second)]
    (both,) = class_activation(pipe, IMAGES[:1], first, against=second)
    np.testing.assert_allclose(both.heat, each[0].heat - each[1].heat, atol=1e-12)
    assert f"score of {first} less that of {second}" in both.sentence


def test_what_holds_a_pipeline_is_opened(extractor, tmp_path):
    """A search, a strategy that was chosen, and a model from its folder give what their pipeline gives."""
    pipe = make_pipeline(extractor.with_choices(depth=2), make_head("logistic", cv=2))
    search = GridSearchCV(pipe, {"featureextractor__depth": [2, 3]}, cv=2).fit(IMAGES, CLASSES)
    close(class_activation(search, IMAGES[:2]), search.decision_function(IMAGES[:2]).max(axis=1))
    chosen = TransferClassifier(extractor, strategy="end", random_state=0)
    chosen.fit(IMAGES, CLASSES)
    inner = chosen.estimator_
    assert class_activation(chosen, IMAGES[:2])[1].score == class_activation(inner, IMAGES[:2])[1].score
    featx.save(search.best_estimator_, tmp_path / "model")
    (loaded,) = class_activation(featx.load(tmp_path / "model"), IMAGES[:1])
    np.testing.assert_allclose(loaded.heat, class_activation(search, IMAGES[:1])[0].heat, atol=1e-7)


def test_a_fine_tuned_network_is_opened(extractor):
    """Its head reads maps of its own, tuned, backbone."""
    given = extractor.with_choices(depth=[2, 3])
    tuner = FineTuner(given, epochs=1, validation=None, random_state=0).fit(IMAGES, CLASSES)
    close(class_activation(tuner, IMAGES[:2]), tuner._scores(IMAGES[:2]).max(axis=1))
    number = FineTunerRegressor(given, epochs=1, validation=None, random_state=0).fit(IMAGES, NUMBERS)
    close(class_activation(number, IMAGES[:2]), number.predict(IMAGES[:2]))


@pytest.mark.slow
def test_the_sum_is_exact_with_real_weights(data, imagenet):
    """Ants and bees by three stages of a photographic network; the middle speaks for bees."""
    images = load_folder(data / "images" / "hymenoptera" / "train")
    some = np.concatenate([np.flatnonzero(images.labels == one)[:30] for one in images.classes])
    extractor = FeatureExtractor("mobilenet_v2", depth=[3, 4, 5], pooling="avg", engine="keras", cache=None)
    pipe = make_pipeline(extractor, make_head("logistic")).fit(images.paths[some], images.labels[some])
    bees = load_folder(data / "images" / "hymenoptera" / "val" / "bees").paths[:8]
    found = class_activation(pipe, bees, "bees")
    close(found, pipe.decision_function(bees))
    inside = [one.heat[28:-28, 28:-28].mean() > one.heat.mean() for one in found]
    assert sum(inside) >= 6


@pytest.mark.parametrize("depth", [2, 3, 4, [2, 3, 4]])
def test_it_points_at_the_planted_square(depth):
    """Noise with a bright square somewhere, or without: what spoke for the square lies where it is."""
    random = np.random.default_rng(0)
    images = random.integers(60, 120, (60, 96, 96, 3), dtype=np.uint8)
    places = random.integers(0, 72, (60, 2))
    for image, (top, left) in zip(images[::2], places[::2], strict=True):
        image[top : top + 24, left : left + 24] = 240
    classes = np.where(np.arange(60) % 2, "plain", "square")
    extractor = FeatureExtractor("featx-mini", depth=depth, pooling="avg", cache=None)
    pipe = make_pipeline(extractor, make_head("logistic")).fit(images[:40], classes[:40])
    for image, (top, left) in zip(images[40::2], places[40::2], strict=True):
        (found,) = class_activation(pipe, [image], "square")
        near = np.zeros((96, 96), bool)
        near[max(0, top - 12) : top + 36, max(0, left - 12) : left + 36] = True
        assert near[np.unravel_index(found.heat.argmax(), (96, 96))]
        assert found.heat[near].mean() > found.heat[~near].mean()


@pytest.mark.parametrize(
    ("have", "want"), [((7, 7), (224, 224)), ((5, 3), (16, 17)), ((4, 4), (4, 4)), ((1, 1), (9, 9))]
)
def test_spreading_keeps_the_sum_and_the_place(have, want):
    """Each place's number arrives whole, over its own pixels."""
    part = np.zeros(have)
    part[-1, 0] = 3
    wide = spread(part, want)
    assert wide.shape == want
    assert wide.sum() == pytest.approx(3, rel=1e-12)
    assert wide[-1, 0] == wide.max()
    assert spread(np.random.default_rng(0).normal(size=have), want).sum() == pytest.approx(
        np.random.default_rng(0).normal(size=have).sum(), rel=1e-9
    )


def test_the_picture_shows_both_and_says_the_sum(extractor):
    """The image as the network sees it beside itself, and a heading."""
    pipe = make_pipeline(extractor.with_choices(depth=2), make_head("ridge")).fit(IMAGES, NUMBERS)
    (found,) = class_activation(pipe, IMAGES[:1])
    assert found.answer is None
    assert found.sentence.startswith("score: ")
    picture = found.picture()
    assert picture.width >= 2 * 320
    assert len(picture.getcolors(1 << 20)) > 100
