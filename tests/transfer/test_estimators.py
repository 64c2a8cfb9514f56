"""Transfer learning as one estimator: what is measured is what is chosen, and fine-tuning has to earn its place."""

import pickle

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.base import clone, is_classifier
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

import featx
from featx import FeatureExtractor, FineTuner
from featx.embedding import PixelExtractor
from featx.errors import ImageError, InputError
from featx.heads import make_head
from featx.images import synthetic
from featx.transfer import TransferClassifier, TransferRegressor
from featx.transfer.frozen import Frozen

EXTRACTOR = FeatureExtractor(input_size=32, pooling="avg")  # a tenth of the columns of the default pooling
SMALL = {"extractor": EXTRACTOR, "cv": 2}
TABLES = {
    "extractor": EXTRACTOR.with_choices(image_shape=(1, -1), value_range=(-150, 150), cache=None),
    "cv": 2,
}
ROUNDING = {
    "check_methods_subset_invariance": "features are float32, whose products differ in their last digits with the "
    "number of rows; the check asks for more. test_a_subset_gets_the_same_answers asks for the digits that there are."
}
WEIGHTED = {
    "check_sample_weight_equivalence_on_dense_data": "float32 has seven digits, of which the check asks for all. "
    "test_weights_and_groups.py asks for six."
}


# scikit-learn's checks feed tables of numbers; with image_shape their rows are images of one row of pixels.
@parametrize_with_checks(
    [
        TransferClassifier(strategy="pixels", head=make_head("logistic", Cs=3, cv=2), **TABLES),
        TransferRegressor(strategy="pixels", **TABLES),
    ],
    expected_failed_checks=lambda model: ROUNDING | (WEIGHTED if is_classifier(model) else {}),
    xfail_strict=False,  # the last digit of a sum is another on another processor
)
def test_scikit_learn_contract(estimator, check):
    """Every check of scikit-learn's own battery passes, but for the digits that float32 has not."""
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(
    [TransferClassifier(**TABLES), TransferRegressor(**TABLES)],
    expected_failed_checks=lambda _: ROUNDING | WEIGHTED,
    xfail_strict=False,  # whether the digits differ depends on which strategy is best
)
def test_scikit_learn_contract_of_the_choice(estimator, check):
    """So do they where all strategies are compared."""
    check(estimator)


@pytest.fixture(scope="module")
def shapes():
    """Draw 90 small shapes of three classes."""
    return synthetic(n=90, classes=3, size=32, random_state=0)


@pytest.fixture(scope="module")
def fitted(shapes, tmp_path_factory):
    """Fit to the first 60, with all strategies compared, at the default pooling.

    Vectors are kept: those of one depth by itself differ in their last digits, and a solver stops elsewhere.
    """
    extractor = FeatureExtractor(input_size=32, cache=tmp_path_factory.mktemp("fitted"))
    return TransferClassifier(extractor, cv=2).fit(shapes[0][:60], shapes[1][:60])


@pytest.fixture(scope="module")
def few(shapes):
    """Give the first 48 of them, for what needs no score."""
    return shapes[0][:48], shapes[1][:48]


class Tuner(RandomForestClassifier):
    """Any estimator over images can stand where a network would be trained for minutes: trees on all pixels."""

    def fit(self, X, y):
        """Fit to images."""
        return super().fit(np.reshape(X, (len(X), -1)), y)

    def predict(self, X):
        """Predict."""
        return super().predict(np.reshape(X, (len(X), -1)))


@pytest.mark.xdist_group("transfer-fitted")
def test_the_best_strategy_is_chosen_and_fitted(fitted, shapes):
    """All are compared and averaged, and the mean sees what is new."""
    images, labels = shapes

    assert {"blend", "default", "pixels", "start", "end", "stage-2", "stages-2-4-grid2"} <= set(
        fitted.scores_
    )
    assert fitted.scores_ == fitted.ridge_scores_
    assert fitted.strategy_ == next(iter(fitted.scores_)) == "blend"
    assert sum(fitted.shares_.values()) == pytest.approx(1)
    assert set(fitted.shares_) < set(fitted.scores_) - {"pixels", "blend"}
    assert all(0 <= mean <= 1 and 0 <= error < 0.1 for mean, error in fitted.scores_.values())
    assert fitted.scores_["pixels"][0] < fitted.scores_["end"][0]
    assert fitted.score(images[60:], labels[60:]) > 0.9
    assert fitted.classes_.tolist() == sorted(set(labels))


def test_the_head_itself_compares_as_many_as_the_budget_allows(few):
    """The default, and the best others by ridge regression."""
    model = TransferClassifier(budget=5, head=make_head("knn"), **SMALL).fit(*few)
    best = [name for name in model.ridge_scores_ if name != "default"]

    assert list(model.scores_) == ["default", *best[:2]]
    assert len(model.ridge_scores_) > 10


@pytest.mark.xdist_group("transfer-fitted")
def test_what_is_chosen_is_the_strategy_itself(fitted, shapes):
    """Of few images: fitting it by its name gives the same answers. A blend says all that it takes to fit it again."""
    images, labels = shapes
    again = clone(fitted.estimator_).fit(images[:60], labels[:60])
    np.testing.assert_allclose(again.predict_proba(images), fitted.predict_proba(images), atol=1e-5)

    chosen = clone(fitted).fit(images[:48], labels[:48])
    named = clone(fitted).set_params(strategy=chosen.strategy_).fit(images[:48], labels[:48])
    np.testing.assert_allclose(named.predict_proba(images), chosen.predict_proba(images), atol=1e-5)
    assert named.scores_ == named.ridge_scores_ == named.shares_ == chosen.shares_ == {}
    assert named.report_ == f"{chosen.strategy_}, as asked for"


def test_few_images_and_few_columns_are_not_averaged(shapes):
    """20 images of a class say what each answer counts for; and ridge regression wants more columns than images."""
    images, labels = shapes
    assert TransferClassifier(**SMALL).fit(images[:59], labels[:59]).shares_ == {}
    assert TransferClassifier(head="logistic", **SMALL).fit(images, labels).shares_ == {}
    assert TransferClassifier(**SMALL).fit(images, labels).shares_ != {}
    often = Frozen(EXTRACTOR, images).width // len(images) + 1
    many = TransferClassifier(**SMALL).fit(np.repeat(images, often, 0), np.repeat(labels, often))
    assert many.shares_ == {}


@pytest.mark.xdist_group("transfer-fitted")
def test_it_says_what_it_did(fitted, few, capsys):
    """One sentence with every score and what became of fine-tuning; on stderr only if asked for."""
    assert fitted.report_.startswith(f"{fitted.strategy_} is taken of ")
    assert " frozen strategies (accuracy on 2 folds: blend " in fitted.report_
    assert "), the mean of 0." in fitted.report_
    assert fitted.report_.endswith(
        "; not fine-tuned: 60 images, fewer than finetune_from=1000; featx-mini, 11 M multiply-adds for an image"
    )

    model = TransferClassifier(strategy="pixels", **SMALL).fit(*few)
    assert capsys.readouterr().err == ""
    model.set_params(verbose=1).fit(*few)
    assert model.report_ in capsys.readouterr().err


def test_images_go_through_the_network_once(shapes, forwards):
    """All strategies share one pass, also without a cache."""
    TransferClassifier(FeatureExtractor(input_size=32, cache=None), cv=2).fit(shapes[0][:30], shapes[1][:30])

    assert sum(forwards) == 30


def test_pixels_win_where_the_network_is_blind(shapes):
    """The brightness of the upper half is a sum of pixels: no network tells it as well, and pixels are taken."""
    images, _ = shapes
    model = TransferRegressor(EXTRACTOR, cv=5).fit(images, images[:, :16].mean(axis=(1, 2, 3)))

    assert model.strategy_ == "pixels"
    assert model.ridge_scores_["pixels"][0] > sum(model.ridge_scores_["end"])


@pytest.mark.parametrize(
    ("choices", "report"),
    [
        ({}, "not fine-tuned: 48 images, fewer than finetune_from=1000"),
        ({"finetune": False, "finetune_from": 10}, "); fine-tuning was not allowed"),
        (
            {"finetune_from": 10},
            "not fine-tuned: with 0 of 12 held-out images wrong no other model could be shown",
        ),
    ],
)
def test_fine_tuning_is_not_tried_without_need(few, choices, report):
    """It costs minutes: too few images, not allowed, or nothing to gain."""
    model = TransferClassifier(tuner=DummyClassifier(), **{**SMALL, **choices}).fit(*few)

    assert report in model.report_
    assert model.comparison_ is None
    assert model.strategy_ != "finetune"


def test_fine_tuning_that_is_worse_is_not_kept(few):
    """Tried because it was demanded; the frozen pipeline stays, and the comparison says why."""
    model = TransferClassifier(finetune=True, tuner=DummyClassifier(), **SMALL).fit(*few)

    assert model.strategy_ != "finetune"
    assert model.comparison_["kept"] is False
    assert model.comparison_["new"] < 0.5 < model.comparison_["old"]
    assert "fine-tuning is not kept: 0.333 against 1.000 on 12 held-out images" in model.report_


def test_fine_tuning_that_is_as_good_is_not_kept(shapes):
    """A difference within the noise is no reason: the model that is cheaper and was there first stays."""
    same = make_pipeline(PixelExtractor(), make_head("knn"))
    model = TransferClassifier(strategy="auto", finetune=True, head=make_head("knn"), tuner=same, **SMALL)
    model.fit(shapes[0], np.arange(90) % 2)  # labels that nothing in the images tells

    assert model.strategy_ != "finetune"
    assert model.comparison_["p"] >= 0.1


@pytest.mark.parametrize("finetune", [True, "auto"])
def test_fine_tuning_that_is_better_is_kept(shapes, finetune):
    """The tuned model replaces the frozen one, fitted to all images."""
    images, labels = shapes
    blind = DummyClassifier(strategy="prior")
    tuner = Tuner(n_estimators=100, random_state=0)
    model = TransferClassifier(finetune=finetune, finetune_from=50, head=blind, tuner=tuner, **SMALL).fit(
        images, labels
    )

    assert model.strategy_ == "finetune"
    assert model.comparison_["kept"] is True
    assert model.comparison_["p"] < 0.1
    assert model.estimator_ is not tuner
    assert model.score(images, labels) == 1  # its trees have seen them all
    assert "fine-tuning is kept" in model.report_


def test_numbers_are_compared_by_their_errors(shapes):
    """For a regressor the test is that of paired differences, and the scores are R²."""
    images, _ = shapes
    brightness = images.mean(axis=(1, 2, 3))
    good = make_pipeline(PixelExtractor(8), make_head("ridge"))
    kept = TransferRegressor(finetune=True, head=DummyRegressor(), tuner=good, **SMALL).fit(
        images, brightness
    )
    refused = TransferRegressor(finetune=True, tuner=DummyRegressor(), **SMALL).fit(images, brightness)

    assert kept.strategy_ == "finetune" != refused.strategy_
    assert kept.comparison_["test"] == "paired t"
    assert "(R² on 2 folds: blend " in refused.report_
    assert refused.ridge_scores_["pixels"][0] > 0.9


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("kind", ["U", "O", "i"])
def test_labels_of_any_kind(shapes, count, kind):
    """Strings, objects and numbers, two classes and three: the labels that were given come back."""
    images, words = shapes
    kept = np.isin(words, np.unique(words)[:count])
    images = images[kept]
    labels = np.unique(words[kept], return_inverse=True)[1] + 5 if kind == "i" else words[kept].astype(kind)
    model = TransferClassifier(FeatureExtractor(input_size=32), strategy="end").fit(images, labels)

    assert model.classes_.tolist() == sorted(set(labels.tolist()))
    assert set(model.predict(images)) <= set(labels)
    assert model.predict_proba(images).shape == (len(images), count)
    np.testing.assert_allclose(model.predict_proba(images).sum(axis=1), 1, atol=1e-5)


def test_several_labels_for_each_image(shapes):
    """A matrix of 0 and 1 gives a matrix of 0 and 1; scores count labels, each for itself."""
    images, labels = shapes
    Y = np.column_stack([labels == "disc", labels != "ring"]).astype(int)
    model = TransferClassifier(finetune=True, tuner=Tuner(random_state=0), **SMALL).fit(images, Y)

    assert model.predict(images).shape == model.predict_proba(images).shape == (90, 2)
    assert model.scores_[model.strategy_][0] > 0.9
    assert model.comparison_["kept"] is False


def test_several_numbers_for_each_image(shapes):
    """One row of predictions for each image."""
    images, _ = shapes
    Y = images.mean(axis=(1, 2))
    model = TransferRegressor(**SMALL).fit(images, Y)

    assert model.predict(images).shape == Y.shape
    assert model.score(images, Y) > 0.8


@pytest.mark.xdist_group("transfer-fitted")
def test_a_subset_gets_the_same_answers(fitted, shapes):
    """One by one, or in batches: the same labels, and the same probabilities to five digits."""
    images, _ = shapes
    alone = np.vstack([fitted.predict_proba(images[row : row + 1]) for row in range(60, 68)])

    np.testing.assert_allclose(alone, fitted.predict_proba(images[60:])[:8], atol=1e-5)


def test_every_kind_of_input(shapes, tmp_path):
    """Paths, columns of paths, PIL images and arrays are the same images."""
    images, labels = shapes[0][:24], shapes[1][:24]
    paths = [str(tmp_path / f"{row}.png") for row in range(24)]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    expected = TransferClassifier(**SMALL).fit(images, labels).predict(images)

    for X in (
        paths,
        pd.Series(paths, index=range(5, 29)),
        list(images),
        [Image.open(path) for path in paths],
    ):
        model = TransferClassifier(finetune=True, tuner=DummyClassifier(), **SMALL).fit(X, pd.Series(labels))
        assert model.predict(X).tolist() == expected.tolist()


def test_rows_of_a_table_are_images_with_a_shape(shapes):
    """With image_shape the columns are counted, and named ones are remembered."""
    images, labels = shapes[0][:30], shapes[1][:30]
    table = pd.DataFrame(images.reshape(30, -1)).add_prefix("pixel")
    model = TransferClassifier(EXTRACTOR.with_choices(image_shape=(32, 32, 3)), cv=2).fit(table, labels)

    assert model.n_features_in_ == 3072
    assert model.feature_names_in_[0] == "pixel0"
    assert (
        model.predict(table).tolist()
        == TransferClassifier(**SMALL).fit(images, labels).predict(images).tolist()
    )
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(table.rename(columns={"pixel0": "other"}))


def test_the_strategy_can_be_searched(shapes):
    """It is a parameter like any other, and so are those of a head and of a tuner."""
    model = TransferClassifier(head=make_head("svm"), tuner=make_head("knn"), **SMALL)
    search = GridSearchCV(model, {"strategy": ["pixels", "end"], "head__svc__C": [0.01, 0.1]}, cv=2).fit(
        *shapes
    )

    assert search.best_params_["strategy"] == "end"
    assert "tuner__kneighborsclassifier__n_neighbors" in model.get_params()
    assert len(cross_val_score(model, *shapes, cv=2)) == 2


def test_the_choice_is_made_inside_the_training_folds(shapes):
    """Nothing of a test fold is seen: for labels drawn by lot, the best of many strategies is no better than chance."""
    images = shapes[0]
    lots = np.random.default_rng(3).integers(0, 2, 90)

    assert cross_val_score(TransferClassifier(**SMALL), images, lots, cv=3).mean() < 0.65


def test_methods_are_those_of_the_head(shapes):
    """A head without probabilities makes a classifier without."""
    model = TransferClassifier(strategy="end", head="svm", **SMALL)
    assert hasattr(model, "predict_proba")  # who knows, before it is fitted
    model.fit(*shapes)

    assert not hasattr(model, "predict_proba")
    assert model.decision_function(shapes[0]).shape == (90, 3)
    assert not hasattr(TransferRegressor(), "predict_proba")


@pytest.mark.xdist_group("transfer-fitted")
def test_a_clone_is_unfitted_and_a_pickle_is_not(fitted, shapes):
    """As of any estimator."""
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        clone(fitted).predict(shapes[0])
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        _ = clone(fitted).classes_
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict_proba(shapes[0]), fitted.predict_proba(shapes[0]))
    assert again.report_ == fitted.report_


@pytest.mark.xdist_group("transfer-fitted")
@pytest.mark.parametrize("strategy", ["auto", "pixels", "all-depths"])
def test_it_is_saved_without_pickle(fitted, few, strategy, tmp_path):
    """featx.load trusts what featx.save wrote, with all that was measured."""
    images, _ = few
    model = fitted if strategy == "auto" else TransferClassifier(strategy=strategy, **SMALL).fit(*few)
    featx.save(model, tmp_path / "model")
    loaded = featx.load(tmp_path / "model")

    np.testing.assert_array_equal(loaded.predict_proba(images), model.predict_proba(images))
    assert (loaded.strategy_, loaded.scores_, loaded.report_) == (
        model.strategy_,
        model.scores_,
        model.report_,
    )
    if strategy != "auto":
        regressor = TransferRegressor(strategy=strategy, **SMALL).fit(images, images.mean(axis=(1, 2, 3)))
        featx.save(regressor, tmp_path / "regressor")
        np.testing.assert_array_equal(
            featx.load(tmp_path / "regressor").predict(images), regressor.predict(images)
        )


def test_a_model_of_ones_own(tiny, pixels):
    """A Keras model is a backbone like any other."""
    labels = np.arange(12) % 2
    model = TransferClassifier(FeatureExtractor(tiny, scaling="unit"), cv=2).fit(pixels, labels)

    assert model.predict(pixels).shape == (12,)


LABELS = np.array(["ant", "bee"] * 10, dtype=object)


@pytest.mark.parametrize("strategy", ["auto", "end", "pixels"])
@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["ant"] * 20, "one class"),
        (["ant", "bee"] * 9, r"inconsistent numbers of samples: \[20, 18\]"),
        ([1.0, np.nan] * 10, "contains NaN"),
        ([0.5, 0.1] * 10, "continuous"),
        (None, "requires y to be passed, but the target y is None"),
    ],
)
def test_targets_that_do_not_fit_are_refused(shapes, strategy, y, message):
    """What scikit-learn's users know, whatever the strategy."""
    with pytest.raises(ValueError, match=message):
        TransferClassifier(strategy=strategy, **SMALL).fit(shapes[0][:20], y)


def test_numbers_that_are_none_are_refused(shapes):
    """NaN, words, and another length."""
    for y, message in (
        ([1.0, np.nan] * 10, "NaN"),
        (LABELS, "but numbers are needed"),
        (np.ones(18), "inconsistent"),
    ):
        with pytest.raises(ValueError, match=message):
            TransferRegressor(**SMALL).fit(shapes[0][:20], y)


def test_a_class_with_one_image(shapes):
    """It cannot be compared, which the message says; a strategy that is named can be fitted to it."""
    images, labels = shapes[0][:21], np.append(LABELS, "cat")

    with pytest.raises(
        ValueError, match="The least populated class in y, 'cat', has only 1 member, which is too few"
    ):
        TransferClassifier(**SMALL).fit(images, labels)
    assert set(TransferClassifier(strategy="end", **SMALL).fit(images, labels).classes_) == {
        "ant",
        "bee",
        "cat",
    }


def test_bad_images_are_all_named(tmp_path):
    """One error for the lot, as everywhere."""
    bad = [str(tmp_path / f"{row}.png") for row in range(20)]
    with pytest.raises(ImageError, match=r"20 images cannot be read:\n.*0\.png: there is no such file"):
        TransferClassifier(**SMALL).fit(bad, LABELS)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"finetune": "always"}, "finetune='always': give 'auto', True or False"),
    ],
)
def test_wrong_choices_are_refused(shapes, choices, message):
    """Before any image is read."""
    with pytest.raises(InputError, match=message):
        TransferClassifier(**choices).fit(["nowhere.png"] * 20, LABELS)


@pytest.mark.parametrize("name", ["finetune", "scratch"])
def test_a_network_is_trained_by_name(shapes, name, tmp_path):
    """With the tuner's settings; what is saved and loaded predicts the same."""
    images, labels = shapes
    tuner = FineTuner(epochs=1, random_state=0)
    extractor = EXTRACTOR.with_choices(depth=[1, 2])
    model = TransferClassifier(extractor, strategy=name, tuner=tuner).fit(images[:30], labels[:30])

    assert isinstance(model.estimator_, FineTuner)
    assert (model.estimator_.extractor.input_size, model.estimator_.extractor.depth) == (32, [1, 2])
    assert (model.estimator_.extractor.weights is None) == (name == "scratch")
    assert (tuner.extractor, extractor.weights) == ("featx-mini", "auto")  # what was given is left alone
    assert model.predict_proba(images).shape == (90, 3)
    featx.save(model, tmp_path / "model")
    np.testing.assert_array_equal(featx.load(tmp_path / "model").predict(images), model.predict(images))


def test_without_a_tuner_fine_tuning_takes_the_extractor():
    """The same backbone and pixels, the seed of the estimator, and an end after a quarter of an hour."""
    extractor = FeatureExtractor("mobilenet_v2", input_size=96, image_shape=(96, 96, 3))
    made = TransferClassifier(extractor, random_state=3)._make("finetune")

    assert made.extractor.get_params() == extractor.get_params()
    assert (made.random_state, made.max_seconds) == (3, 900)


@pytest.mark.parametrize(
    ("tuner", "backbone"),
    [(FineTuner(epochs=3), "mobilenet_v2"), (FineTuner("resnet50", epochs=3), "resnet50"),
     (FineTuner(FeatureExtractor("featx-mini"), epochs=3), "featx-mini")],
)  # fmt: skip
def test_a_tuner_tunes_the_extractor_unless_it_has_its_own(tuner, backbone):
    """A tuner that says only how to train trains the network that the strategies read, not its own default."""
    made = TransferClassifier("mobilenet_v2", tuner=tuner)._make("finetune")

    assert featx.embedding.as_extractor(made.extractor).backbone == backbone
    assert made.epochs == 3


def test_a_pooling_for_each_depth_is_refused(shapes):
    """The strategies have depths of their own, for which nobody said how they are pooled."""
    extractor = FeatureExtractor(depth=[2, 3], pooling=["avg", "max"])
    with pytest.raises(InputError, match=r"pooling=\['avg', 'max'\]: .* give one pooling for all of them"):
        TransferClassifier(extractor).fit(*shapes)


@pytest.mark.slow
def test_ants_and_bees(data, imagenet):
    """On photographs like those of the pretraining, the end beats the start and the pixels, and is found."""
    train, test = (featx.load_folder(data / "images" / "hymenoptera" / part) for part in ("train", "val"))
    model = TransferClassifier(FeatureExtractor("mobilenet_v2")).fit(train.paths, train.labels)

    scores = model.ridge_scores_
    assert scores["end"][0] > scores["start"][0] > scores["pixels"][0]
    assert model.score(test.paths, test.labels) > 0.92
