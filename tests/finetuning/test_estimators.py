"""Fine-tuning starts from the frozen pipeline, moves what it may, keeps its best, and goes on after a kill."""

import json
import os
import pickle
import signal
import subprocess
import sys
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import (
    check_classifiers_train,
    check_regressors_train,
    parametrize_with_checks,
)

import featx
from featx import FeatureExtractor, FineTuner, FineTunerRegressor, make_head
from featx.errors import ImageError, InputError, UnknownNameError
from featx.finetuning.checkpoint import Checkpoint
from featx.finetuning.lesson import Lesson
from featx.images import synthetic

SMALL = {"depth": [1, 2], "pooling": "avg", "input_size": 32, "cache": None}
SHORT = {"epochs": 2, "random_state": 0, "augment": None}
OF_THE_EXTRACTOR = {
    "backbone",
    "depth",
    "pooling",
    "weights",
    "scaling",
    "input_size",
    "resize",
    "image_shape",
    "value_range",
    "cache",
}


def quick(kind=FineTuner, **choices):
    """Make a fine-tuner that is quick: the embedded backbone at 32 pixels; choices go where they belong."""
    own = {**SMALL, **SHORT, **choices}
    extractor = FeatureExtractor(**{name: own.pop(name) for name in OF_THE_EXTRACTOR & set(own)})
    return kind(extractor, **own)


def regressor(**choices):
    return quick(FineTunerRegressor, **choices)


@pytest.fixture(scope="module")
def shapes():
    """Draw 48 images of three kinds."""
    images, labels = synthetic(n=48, classes=3, size=32, random_state=0)
    return images, np.array(labels)


def pipeline(head="logistic"):
    return make_pipeline(
        FeatureExtractor(depth=[1, 2], pooling="avg", input_size=32, cache=None), make_head(head)
    )


@pytest.fixture(scope="module")
def targets(shapes):
    """Give a y of every kind for the drawn images."""
    _, labels = shapes
    names, codes = np.unique(labels, return_inverse=True)
    rng = np.random.default_rng(0)
    return {
        "binary": np.where(codes == 0, "yes", "no"),
        "multiclass": labels,
        "multilabel": np.column_stack([codes == 0, codes != 1]).astype(int),
        "share": np.clip(codes / len(names) + rng.normal(0, 0.05, len(codes)), 0, 1),
        "number": 100 + 7.0 * codes + rng.normal(0, 1, len(codes)),
        "numbers": np.column_stack([codes * 3.0, 50 - codes + rng.normal(0, 1, len(codes))]),
    }


# Nothing is learned at a rate of 0, so what comes out of the training loop is what went into it.
@pytest.mark.parametrize(
    ("kind", "choice"),
    [
        ("binary", {"stages": 1}),
        ("multiclass", {"augment": "default"}),
        ("multilabel", {"dropout": 0.5}),
    ],
)
def test_a_classifier_begins_as_the_frozen_pipeline(shapes, targets, kind, choice):
    """Its first network says what a logistic head on frozen features says, within 1e-4."""
    y = targets[kind]
    tuner = quick(learning_rate=0.0, validation=None, epochs=1, **choice).fit(shapes[0], y)
    frozen = pipeline().fit(shapes[0], y)

    np.testing.assert_allclose(tuner.predict_proba(shapes[0]), frozen.predict_proba(shapes[0]), atol=1e-4)
    np.testing.assert_array_equal(tuner.predict(shapes[0]), frozen.predict(shapes[0]))
    assert tuner.target_.kind == kind


@pytest.mark.parametrize("kind", ["number", "numbers"])
def test_a_regressor_begins_as_the_frozen_pipeline(shapes, targets, kind):
    """Likewise, with ridge regression, in the units of y."""
    y = targets[kind]
    tuner = regressor(learning_rate=0.0, validation=None, epochs=1).fit(shapes[0], y)

    np.testing.assert_allclose(
        tuner.predict(shapes[0]), pipeline("ridge").fit(shapes[0], y).predict(shapes[0]), rtol=1e-4
    )


def test_shares_begin_as_ridge_on_their_logits_and_stay_in_range(shapes, targets):
    """Values in 0..1 get a sigmoid."""
    y = targets["share"]
    tuner = regressor(learning_rate=0.0, validation=None, epochs=1).fit(shapes[0], y)
    logits = pipeline("ridge").fit(shapes[0], tuner.target_.as_scores(y)).predict(shapes[0])

    np.testing.assert_allclose(tuner.predict(shapes[0]), 1 / (1 + np.exp(-logits)), atol=1e-4)
    assert tuner.target_.activation == "sigmoid"


@pytest.fixture(scope="module")
def unmoved(shapes):
    """Fit with images held out, at a rate that moves nothing."""
    return quick(validation=0.25, learning_rate=0.0, epochs=1).fit(*shapes)


@pytest.mark.xdist_group("tuner-unmoved")
def test_epoch_0_is_the_frozen_head_on_the_images_held_out(shapes, unmoved):
    """The history begins with what tuning has to beat."""
    from sklearn.metrics import log_loss

    from featx.evaluation.folds import hold_out

    images, labels = shapes
    seed = int(np.random.RandomState(0).randint(2**31 - 1))
    train, held = hold_out(labels, 0.25, regression=False, random_state=seed)
    frozen = pipeline().fit(images[train], labels[train])

    start = unmoved.history_[0]
    assert start["validation_score"] == frozen.score(images[held], labels[held])
    assert start["validation_loss"] == pytest.approx(
        log_loss(labels[held], frozen.predict_proba(images[held])), rel=1e-3
    )


@pytest.mark.xdist_group("tuner-unmoved")
def test_what_does_not_help_is_not_kept(shapes, unmoved):
    """Where no epoch beats the start, out comes the frozen pipeline, fitted to all images."""
    images, labels = shapes
    frozen = pipeline().fit(images, labels)

    assert unmoved.best_epoch_ == 0
    np.testing.assert_allclose(unmoved.predict_proba(images), frozen.predict_proba(images), atol=1e-4)


@pytest.fixture(scope="module")
def noisy(shapes):
    """Label the images so that frozen features cannot know: by a seeded coin."""
    return shapes[0], np.random.default_rng(5).integers(0, 2, len(shapes[0]))


def moves(tuner):
    """Give, for each layer with a kernel, how far the tuned one is from the original."""
    from featx.networks.families.featx_mini import featx_mini, load_weights

    original = featx_mini((32, 32))
    load_weights(original)
    return {
        layer.name: float(
            np.abs(layer.get_weights()[0] - original.get_layer(layer.name).get_weights()[0]).max()
        )
        for layer in tuner.backbone_.layers
        if layer.weights
    }


def test_earlier_stages_move_less_and_batch_norm_not_at_all(noisy):
    """The sizes of the updates follow the rates; scales, shifts and moving statistics stay to the bit."""
    tuner = quick(depth=3, decay=0.1, head=None, validation=None, learning_rate=0.01).fit(*noisy)
    moved = moves(tuner)

    assert moved["stage3_conv1"] > 3 * moved["stage2_conv1"] > 9 * moved["stage1"] > 0
    assert {way for name, way in moved.items() if name.endswith("_norm")} == {0}
    assert tuner.coef_.any()


@pytest.mark.parametrize(
    ("choice", "still"),
    [({"stages": 1}, "stage1"), ({"decay": 0.0}, "stage2_conv1")],
)
def test_stages_at_rate_0_do_not_move(noisy, choice, still):
    """Neither those that are not tuned, nor those whose decay leaves nothing."""
    moved = moves(quick(head=None, validation=None, learning_rate=0.01, **choice).fit(*noisy))

    assert moved[still] == 0
    assert (moved["stage2_conv1"] > 0) == ("stages" in choice)


@pytest.mark.slow
def test_random_weights_are_trained_with_their_batch_norm(noisy):
    """A network from scratch has no statistics to keep."""
    tuner = quick(weights=None, validation=None, decay=1.0).fit(*noisy)
    norms = [layer for layer in tuner.backbone_.layers if layer.name.endswith("_norm")]

    assert all(np.abs(layer.get_weights()[2]).max() > 0 for layer in norms)


@pytest.mark.slow
def test_statistics_keep_up_with_random_weights(shapes):
    """After few steps the network says of images what it said of them in training."""
    from sklearn.metrics import log_loss

    images, labels = shapes
    tuner = quick(
        backbone="mobilenet_0.25",
        depth=3,
        weights=None,
        validation=None,
        decay=1.0,
        learning_rate=1e-3,
        epochs=10,
    ).fit(images, labels)

    assert log_loss(labels, tuner.predict_proba(images)) == pytest.approx(
        tuner.history_[-1]["loss"], abs=0.05
    )


@pytest.mark.slow
def test_gradual_unfreezing_begins_with_the_deepest_stage(noisy):
    """The history shows which rates were open."""
    tuner = quick(unfreeze="gradual", epochs=6, validation=None).fit(*noisy)
    opened = [sum(rate > 0 for rate in epoch["rates"]) for epoch in tuner.history_]

    assert opened == sorted(opened)
    assert opened[1] < opened[-1] == 3  # the head and two stages


@pytest.mark.slow
def test_tuning_learns_what_frozen_features_cannot(noisy):
    """Labels by a coin are learned by heart."""
    tuner = quick(
        depth=[2, 3], pooling="avg+std", epochs=30, validation=None, learning_rate=1e-2, head=None
    ).fit(*noisy)

    assert tuner.score(*noisy) > 0.9
    losses = [epoch["loss"] for epoch in tuner.history_[1:]]
    assert losses[-1] < losses[0] / 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "choice",
    [{"optimizer": "sgd"}, {"precision": "mixed"}, {"augment": "default"}, {"class_weight": "balanced"}],
)
def test_every_way_of_training_learns(shapes, targets, choice):
    """SGD, mixed precision, augmentation and class weights all end with a lower loss than they began with."""
    choice = {"optimizer": "adamw", **choice}
    tuner = quick(head=None, validation=None, epochs=8, **choice).fit(shapes[0], targets["binary"])
    losses = [epoch["loss"] for epoch in tuner.history_[1:]]

    assert losses[-1] < losses[0]


def test_the_best_epoch_is_kept_and_patience_ends_the_training(noisy):
    """A rate that ruins the network changes nothing: the start is restored, after as many epochs as allowed."""
    choices = {"epochs": 20, "patience": 2, "validation": 0.3, "average": None}
    tuner = quick(learning_rate=0.3, warmup=0.0, **choices).fit(*noisy)
    merits = [(epoch["validation_score"], -epoch["validation_loss"]) for epoch in tuner.history_]

    assert max(merits) == merits[tuner.best_epoch_]
    assert len(tuner.history_) - 1 == tuner.best_epoch_ + 2 < 20


def test_training_ends_in_time(noisy, monkeypatch):
    """By a clock that every look at it advances by a tenth of a second; the rates come down to nothing by then."""
    for module in ("course", "optimizer", "tuner"):
        monkeypatch.setattr(f"featx.finetuning.{module}.monotonic", lambda: 0.0)
    monkeypatch.setattr("featx.finetuning.loop.monotonic", count(step=0.1).__next__)
    tuner = quick(epochs=100_000, validation=None, max_seconds=3).fit(*noisy)

    assert 1 < len(tuner.history_) < 30
    assert 0 <= tuner.history_[-1]["rates"][0] < 1e-4


def test_a_loss_that_is_no_number_is_an_error(noisy):
    """It says what to change."""
    with pytest.raises(
        InputError, match=r"The loss became (nan|inf) in epoch \d+: learning_rate=1e\+30 is too high"
    ):
        quick(optimizer="sgd", learning_rate=1e30, validation=None, epochs=9).fit(*noisy)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_network(noisy):
    """With augmentation and dropout, too; another seed gives another."""

    def coefficients(seed):
        choices = {"augment": "default", "dropout": 0.2, "validation": None, "random_state": seed}
        return quick(**choices).fit(*noisy).coef_

    first = coefficients(1)
    np.testing.assert_allclose(coefficients(1), first, rtol=1e-3, atol=1e-6)
    assert np.abs(coefficients(2) - first).max() > 1e-4


@pytest.mark.slow
def test_images_that_do_not_fit_into_memory_are_streamed(noisy, monkeypatch):
    """Decoded again for each batch, with the same outcome."""
    kept = quick(validation=None).fit(*noisy)
    monkeypatch.setattr("featx.finetuning.feeds.Images.__init__.__defaults__", (0,))
    streamed = quick(validation=None).fit(*noisy)

    np.testing.assert_allclose(streamed.coef_, kept.coef_, rtol=1e-3, atol=1e-6)


@pytest.mark.slow
def test_fixed_stages_are_run_once(noisy):
    """What they make is kept where images do not change; the outcome is that of running them in every step."""
    from keras import layers

    kept = quick(stages=1, validation=None).fit(*noisy)
    unchanged = layers.RandomRotation(0.0)  # an augmentation that changes nothing
    run = quick(stages=1, validation=None, augment=[unchanged]).fit(*noisy)

    np.testing.assert_allclose(kept.coef_, run.coef_, rtol=1e-2, atol=1e-5)


@pytest.fixture(scope="module")
def fitted(shapes):
    return quick(validation=None).fit(*shapes)


@pytest.mark.xdist_group("tuner-fitted")
def test_the_tuned_network_is_a_backbone(shapes, fitted):
    """A feature extractor takes it as it is; its embeddings and the coefficients are the prediction."""
    images, _ = shapes
    extractor = FeatureExtractor(fitted.backbone_, depth=fitted.depth_, pooling=fitted.pooling_, cache=None)
    scores = extractor.transform(images) @ fitted.coef_.T + fitted.intercept_

    np.testing.assert_array_equal(fitted.classes_[scores.argmax(axis=1)], fitted.predict(images))
    assert FeatureExtractor(fitted.backbone_, input_size=32, cache=None).transform(images).shape[0] == len(
        images
    )


@pytest.mark.xdist_group("tuner-fitted")
@pytest.mark.slow
def test_a_tuned_backbone_can_be_tuned_again(shapes, fitted):
    """Its scaling is inside."""
    again = quick(backbone=fitted.backbone_, depth=-1, pooling="avg", validation=None).fit(*shapes)

    assert again.score(*shapes) > 0.8


@pytest.mark.xdist_group("tuner-fitted")
def test_it_is_saved_without_pickle(shapes, fitted, tmp_path):
    """`save` and `load` need no trust; labels and probabilities are the same."""
    featx.save(fitted, tmp_path / "model")
    loaded = featx.load(tmp_path / "model")

    np.testing.assert_array_equal(loaded.predict(shapes[0]), fitted.predict(shapes[0]))
    np.testing.assert_allclose(loaded.predict_proba(shapes[0]), fitted.predict_proba(shapes[0]), atol=1e-6)
    assert loaded.history_ == fitted.history_
    assert len(list((tmp_path / "model").glob("*.keras"))) == 1


@pytest.mark.xdist_group("tuner-fitted")
def test_it_survives_pickle(shapes, fitted):
    """Keras carries its model as the bytes of a .keras file."""
    np.testing.assert_allclose(
        pickle.loads(pickle.dumps(fitted)).predict_proba(shapes[0]),
        fitted.predict_proba(shapes[0]),
        atol=1e-6,
    )


def test_it_is_cloned_with_layers_of_ones_own(tiny):
    """A network and augmentation layers given as objects are parameters like others."""
    from keras import layers

    tuner = clone(FineTuner(FeatureExtractor(tiny, scaling="unit"), augment=[layers.RandomFlip()]))

    assert tuner.extractor.backbone.name == "tiny"
    assert not hasattr(tuner, "backbone_")


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["a"] * 6, "one class only: 'a'"),
        (["a"] * 5 + ["b"], r"least populated class in y, 'b', has only 1 member"),
        ([0, 1, 0, 1, np.nan, 0], "Input y contains NaN"),
        ([0, 1, 0], r"inconsistent numbers of samples: \[6, 3\]"),
        ([0.5, 1.7, 0.2, 3.4, 0.1, 0.9], "Unknown label type: continuous"),
        (None, "requires y to be passed"),
    ],
)
def test_bad_targets_of_a_classifier(pixels, y, message):
    """The errors are those that scikit-learn's users know, and come before any work."""
    with pytest.raises(ValueError, match=message):
        quick().fit(pixels[:6], y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([1.0, np.nan, 2.0, 0, 0, 0], "Input y contains NaN"),
        ([1.0, 2.0], r"inconsistent numbers of samples: \[6, 2\]"),
        (["a"] * 6, "y holds 'a', but numbers are needed"),
    ],
)
def test_bad_targets_of_a_regressor(pixels, y, message):
    """Likewise."""
    with pytest.raises(ValueError, match=message):
        regressor().fit(pixels[:6], y)


def test_one_image_of_a_class_is_enough_where_none_is_held_out(pixels):
    """Without validation there is nothing to divide."""
    assert quick(validation=None, epochs=1).fit(pixels[:6], ["a"] * 5 + ["b"]).classes_.tolist() == ["a", "b"]


@pytest.mark.parametrize(
    ("choice", "error", "message"),
    [
        ({"stages": 9}, InputError, r"stages=9: there are 2 stages"),
        ({"head": "svm"}, UnknownNameError, "Unknown head 'svm'"),
        ({"precision": "float16"}, UnknownNameError, "Unknown precision 'float16'"),
        ({"decay": 1.5}, InputError, "decay=1.5: give a number from 0 to 1"),
        ({"dropout": 1.0}, InputError, "dropout=1.0"),
        ({"label_smoothing": -0.1}, InputError, "label_smoothing=-0.1"),
        ({"validation": 0.8}, InputError, r"validation=0\.8: give a number from 0 to 0\.5"),
        ({"epochs": 0}, InputError, "epochs=0"),
        ({"augment": "flop"}, UnknownNameError, "Unknown augmentation 'flop'"),
        ({"resize": "stretch"}, UnknownNameError, "Unknown resize"),
        ({"scaling": "tf"}, InputError, "scaling='tf'"),
    ],
)
def test_impossible_choices_are_refused(pixels, choice, error, message):
    """With the parameter's name."""
    with pytest.raises(error, match=message):
        quick(**choice).fit(pixels[:6], [0, 1] * 3)


def test_every_bad_image_is_named(pixels, files, tmp_path):
    """Before training begins."""
    (tmp_path / "image03.png").write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"image03\.png"):
        quick().fit(files, [0, 1] * 6)


STORY = """
import os, signal, sys
from featx import FeatureExtractor, FineTuner
from featx.finetuning.checkpoint import Checkpoint
from featx.images import synthetic
write, written = Checkpoint.write, []

def dies(*arguments):
    if len(written) == 4:
        os.kill(os.getpid(), signal.SIGKILL)  # an epoch of training is lost
    written.append(write(*arguments))

Checkpoint.write = dies
images, labels = synthetic(n=48, classes=3, size=32, random_state=0)
FineTuner(FeatureExtractor(**{small!r}), **{choices!r}, checkpoint=sys.argv[1]).fit(images, labels)
"""


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was(shapes, tmp_path):
    """After a SIGKILL the next fit begins behind the last epoch, and ends as if nothing had happened."""
    choices = {**SHORT, "augment": "default", "epochs": 12, "patience": None, "validation": 0.25}
    folder = tmp_path / "checkpoints"
    environment = {**os.environ, "PYTHONPATH": str(Path(featx.__file__).parent.parent)}
    story = [sys.executable, "-c", STORY.format(small=SMALL, choices=choices), str(folder)]
    assert subprocess.run(story, env=environment).returncode == -signal.SIGKILL
    (path,) = folder.glob("[!.]*.npz")
    kept = Checkpoint(folder, path.stem).read()[0]["history"]
    assert len(kept) == 5  # four epochs, and the start

    resumed = quick(**choices, checkpoint=folder).fit(*shapes)
    straight = quick(**choices).fit(*shapes)

    assert json.dumps(resumed.history_[: len(kept)]) == json.dumps(kept)
    assert [epoch["epoch"] for epoch in resumed.history_] == list(range(13))
    np.testing.assert_allclose(
        [epoch["validation_loss"] for epoch in resumed.history_],
        [epoch["validation_loss"] for epoch in straight.history_],
        rtol=0.02, atol=1e-4,
    )  # fmt: skip
    np.testing.assert_array_equal(resumed.predict(shapes[0]), straight.predict(shapes[0]))
    assert not list(folder.glob("[!.]*.npz"))


def test_a_checkpoint_of_another_run_is_left_alone(noisy, tmp_path):
    """Other settings, images or labels are another run, with a file of its own."""
    Checkpoint(tmp_path, "0" * 32).write({"history": ["strange"]}, {})
    quick(checkpoint=tmp_path, epochs=1).fit(*noisy)

    assert [path.stem for path in tmp_path.iterdir()] == ["0" * 32]


def test_weights_say_what_an_image_counts_for(noisy):
    """The same for all is none at all; 0 is as if it were not there; more for some is another network."""
    images, labels = noisy
    plain = quick(validation=None, epochs=1).fit(images, labels)
    twice = quick(validation=None, epochs=1).fit(images, labels, sample_weight=np.full(len(labels), 2))
    np.testing.assert_allclose(twice.coef_, plain.coef_, rtol=1e-4, atol=1e-4)
    some = np.arange(len(labels)) < len(labels) - 8
    without = quick(validation=None, epochs=1).fit(images[some], labels[some])
    zero = quick(validation=None, epochs=1).fit(images, labels, sample_weight=some)
    np.testing.assert_allclose(zero.coef_, without.coef_, rtol=1e-4, atol=1e-5)
    uneven = quick(validation=None, epochs=1).fit(images, labels, sample_weight=1 + 9 * some)
    assert np.abs(uneven.coef_ - plain.coef_).max() > 1e-3


def test_groups_are_held_out_whole(noisy):
    """Of each class some, and images of one group on one side; another grouping names another run."""
    images, labels = noisy
    groups = np.arange(len(labels)) // 4
    lesson = Lesson.of(list(images), labels, None, groups)
    train, held = lesson.split(0.25, regression=False, seed=1)

    assert not set(groups[train]) & set(groups[held])
    assert set(labels[train]) == set(labels)
    assert abs(len(held) - len(labels) / 4) <= len(labels) / 8
    assert lesson.name() != Lesson.of(list(images), labels, None, groups + (groups > 2)).name()
    assert quick(epochs=1).fit(images, labels, groups=groups).history_[0]["validation_score"] <= 1


def test_two_classes_are_read_from_the_scores_as_the_documentation_says(shapes):
    """The scores of an extractor on the tuned network, decoded, are the answers: one column for two classes."""
    images, labels = shapes
    two = np.where(labels == labels[0], "this", "other")
    tuner = quick(epochs=1).fit(images, two)
    again = FeatureExtractor(tuner.backbone_, depth=tuner.depth_, pooling=tuner.pooling_, cache=None)
    scores = again.transform(images) @ tuner.coef_.T + tuner.intercept_

    assert scores.shape == (len(images), 1)
    np.testing.assert_array_equal(tuner.target_.decode(scores), tuner.predict(images))


COUNTS_FOR_NOTHING = {
    "engine",
    "batch_size",
    "n_jobs",
    "cache",
    "on_error",
    "verbose",
    "precision",
    "calibration",
    "views",
}
OTHERWISE = {
    "backbone": "mobilenet_0.25",
    "depth": [2, 1],
    "pooling": "max",
    "weights": None,
    "scaling": "tf",
    "input_size": 48,
    "resize": "pad",
    "views": "flip",
    "image_shape": (16, 64, 3),
    "value_range": (0, 128),
    "precision": "bfloat16",
    "calibration": np.zeros((11, 32, 32, 3), "u1"),
    "engine": "keras",
    "batch_size": 7,
    "n_jobs": 1,
    "cache": "elsewhere",
    "on_error": "nan",
    "verbose": 1,
}


@pytest.mark.parametrize("name", FeatureExtractor().get_params())
def test_a_run_is_named_after_every_choice_of_the_extractor_that_counts(tiny, name):
    """Another network, depth or way of reading images is another run; speed and the place of the cache are not."""
    images = np.random.default_rng(0).integers(0, 128, (4, 32 * 32 * 3)).astype(float)
    own = {"weights": None, "depth": 1} if name in ("backbone", "weights") else {"depth": [1, 2]}
    own |= (
        {"backbone": tiny, "scaling": "unit", "input_size": 16} if name == "scaling" else {"input_size": 32}
    )
    own |= {"pooling": "avg", "cache": None, "image_shape": (32, 32, 3)}
    first = {**own, "weights": "auto"} if name == "weights" else own

    def run(choices):
        tuner = FineTuner(FeatureExtractor(**choices))
        base = tuner._base()
        lesson = Lesson(tuner._sources(images, reset=True), np.arange(4), None, None)
        return tuner._run_id(base, base.plan(), lesson)

    changed = run({**own, name: OTHERWISE[name]})

    assert set(OTHERWISE) == set(FeatureExtractor().get_params())
    assert (changed == run(first)) == (name in COUNTS_FOR_NOTHING)


def test_tuning_is_in_float32_whatever_the_extractor_computes_in(shapes):
    """The head starts from the embeddings of the network that is trained, whose weights are float32."""
    choices = {"learning_rate": 0.0, "validation": None, "epochs": 1}
    rounded = quick(**choices)
    rounded.extractor.set_params(precision="bfloat16")

    np.testing.assert_array_equal(rounded.fit(*shapes).coef_, quick(**choices).fit(*shapes).coef_)
    assert rounded.extractor.precision == "bfloat16"


TABLE = {"depth": "default", "pooling": "none", "scaling": "unit", "input_size": None, "image_shape": (1, -1)}


def minute(weights=None):
    """Make the smallest network there is anything to tune in."""
    from keras import Input, Sequential, layers, utils

    class Steady(Sequential):
        """Its pickle lacks the time at which Keras saved it: scikit-learn compares hashes, a second apart at times."""

        def __reduce__(self):
            return minute, (self.get_weights(),)

    utils.set_random_seed(1)
    network = Steady([Input((4, 16, 3)), layers.Conv2D(8, 3, strides=2, activation="relu")], name="minute")
    if weights is not None:
        network.set_weights(weights)
    return network


ORDER = "batches are drawn at random, from fewer rows where some have no weight"
GREY = "values of -5 to 5 in a range of 2 million are all one grey; test_tables_are_learned has a range that fits"


# scikit-learn's checks feed tables of numbers of any size and sign; as images of one row the fine-tuners take them.
@pytest.mark.slow
@parametrize_with_checks(
    [
        quick(kind, backbone=minute(), **TABLE, value_range=(-1e6, 1e6), validation=None, epochs=1)
        for kind in (FineTuner, FineTunerRegressor)
    ],
    expected_failed_checks=lambda tuner: {
        "check_classifiers_train": GREY,
        "check_regressors_train": GREY,
        **({"check_sample_weight_equivalence_on_dense_data": ORDER} if is_classifier(tuner) else {}),
    },
)
def test_scikit_learn_contract(estimator, check):
    """Every check of scikit-learn's own battery passes, but for those that the range makes blind."""
    check(estimator)


@pytest.mark.slow
def test_tables_are_learned():
    """The checks of the battery that ask for a score, with a range that lets the network see the numbers."""
    choices = {**TABLE, "value_range": (-12, 12), "epochs": 30, "learning_rate": 0.01}

    check_classifiers_train("FineTuner", quick(backbone=minute(), **choices))
    check_regressors_train("FineTunerRegressor", regressor(backbone=minute(), **choices))
