"""A report says what scikit-learn's own functions say of the same held-out answers."""

import json
import warnings

import numpy as np
import pytest
from sklearn import config_context, metrics
from sklearn.calibration import calibration_curve
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from featx import evaluate, report
from featx.errors import DuplicateWarning, ImageError, InputError
from featx.images import synthetic

from .conftest import COPIES, pipeline


@pytest.fixture(scope="module")
def expected(drawn):
    """Give the rows that can be read, their labels, and scikit-learn's held-out answers for them."""
    paths, labels, _ = drawn
    rows = np.delete(np.arange(60), 50)
    folds = list(StratifiedKFold(3, shuffle=True, random_state=0).split(rows, labels[rows]))
    pipe, images = pipeline(), np.array(paths)[rows].tolist()
    chances = cross_val_predict(pipe, images, labels[rows], cv=folds, method="predict_proba")
    return images, labels[rows], np.unique(labels)[chances.argmax(axis=1)], chances


def test_the_score_is_that_of_evaluate(classes, expected):
    """Fold by fold, with its interval."""
    images, truth, *_ = expected
    with pytest.warns(DuplicateWarning, match="3 of 59 images"):
        told = evaluate(pipeline(), images, truth, cv=3)

    assert classes.scores.scores == told.scores
    assert classes.scores.interval == told.interval
    assert classes.to_dict()["scores"]["guess"] == told.guess


def test_classes_and_confusions_are_scikit_learn_s(classes, expected):
    """The table of classes, the matrix, and the pairs that are confused."""
    _, truth, predicted, _ = expected
    facts, names = classes.to_dict(), np.unique(truth).tolist()
    table = metrics.classification_report(truth, predicted, output_dict=True, zero_division=0.0)

    assert [row["class"] for row in facts["classes"]] == names
    for row in facts["classes"]:
        told = table[row["class"]]
        assert [row[key] for key in ("precision", "recall", "f1", "images")] == pytest.approx(
            [told[key] for key in ("precision", "recall", "f1-score", "support")]
        )
    matrix = metrics.confusion_matrix(truth, predicted)
    assert facts["confusion"]["counts"] == matrix.tolist()
    pairs = {(one["class"], one["predicted"]): one["images"] for one in facts["confusion"]["confused"]}
    assert pairs == {
        (names[row], names[column]): matrix[row, column]
        for row, column in zip(*np.nonzero(matrix), strict=True)
        if row != column
    }


def test_weights_that_a_pipeline_requests_reach_its_head():
    """With scikit-learn's metadata routing, though the head is judged without the extractor."""
    images, labels = synthetic(n=24, classes=3, size=32, random_state=0)
    told = {"cv": 2, "sample_weight": np.arange(24) % 3 + 0.5}
    expected = evaluate(pipeline("svm"), images, labels, **told)
    with config_context(enable_metadata_routing=True):
        found = report(pipeline("svm").set_fit_request(sample_weight=True), images, labels, **told)

    assert found.scores.scores == expected.scores


def test_calibration_is_scikit_learn_s(classes, expected):
    """Of the class answered."""
    _, truth, predicted, chances = expected
    came, said = calibration_curve(truth == predicted, chances.max(axis=1), n_bins=10)
    bins = classes.to_dict()["calibration"]["bins"]

    np.testing.assert_allclose([one["true"] for one in bins], came)
    np.testing.assert_allclose([one["said"] for one in bins], said, rtol=1e-5)
    assert sum(one["answers"] for one in bins) == 59


def test_wrong_labels_are_those_of_cleanlab(classes, expected, drawn):
    """The same images in the same order, among them the labels that were made wrong."""
    from cleanlab.filter import find_label_issues

    images, truth, _, chances = expected
    issues = find_label_issues(
        np.unique(truth, return_inverse=True)[1], chances, filter_by="confident_learning",
        return_indices_ranked_by="self_confidence", n_jobs=1,
    )  # fmt: skip
    found = classes.to_dict()["wrong_labels"]

    assert [one["image"] for one in found] == [images[row] for row in issues]
    assert {drawn[0][row] for row in drawn[2]} <= {one["image"] for one in found}


def test_mistakes_are_sorted_by_how_sure_they_are(classes, expected):
    """All wrong answers, and only those."""
    images, truth, predicted, chances = expected
    wrong = np.flatnonzero(truth != predicted)
    wrong = wrong[np.argsort(-chances[wrong].max(axis=1), kind="stable")]

    assert [one["image"] for one in classes.to_dict()["mistakes"]] == [images[row] for row in wrong]


def test_copies_and_bad_images_are_named(classes, drawn):
    """A copy across folds is a leak; an image that cannot be read is left out, with its reason."""
    paths, facts = drawn[0], classes.to_dict()
    same = [group["images"] for group in facts["duplicates"] if group["same_content"]]

    assert same == [[paths[row] for row in COPIES]]
    assert [facts["names"][row] for row in facts["leaked"]] == [paths[row] for row in COPIES]
    assert [one["name"] for one in facts["bad_images"]] == [paths[50]]
    assert paths[50] not in facts["names"]
    assert "The score is too good: 3 images" in str(classes)


def test_labels_are_scikit_learn_s(labels):
    """A row for each, with average precision."""
    images, kinds = synthetic(n=40, classes=4, size=32, random_state=0)
    codes = np.unique(kinds, return_inverse=True)[1]
    y = np.stack([codes % 2, codes // 2], 1)
    folds = evaluate_folds(y)
    chances = cross_val_predict(pipeline(), images, y, cv=folds, method="predict_proba")
    predicted = cross_val_predict(pipeline(), images, y, cv=folds)
    assert [row["label"] for row in labels.to_dict()["labels"]] == ["<b>odd", "high"]
    for place, row in enumerate(labels.to_dict()["labels"]):
        truth, told = y[:, place], predicted[:, place]
        assert row["accuracy"] == pytest.approx(metrics.accuracy_score(truth, told))
        assert row["f1"] == pytest.approx(metrics.f1_score(truth, told))
        assert row["average_precision"] == pytest.approx(
            metrics.average_precision_score(truth, chances[:, place])
        )
    assert labels.scores.mean == pytest.approx(
        np.mean([metrics.accuracy_score(y[test], predicted[test]) for _, test in folds])
    )


def evaluate_folds(y):
    from featx.evaluation.folds import make_folds

    return make_folds(y, 3, regression=False)


def test_numbers_are_scikit_learn_s(numbers):
    """R² and errors of each column, from the answers that are listed."""
    assert [column["column"] for column in numbers.to_dict()["numbers"]] == ["brightness", "spread"]
    for column in numbers.to_dict()["numbers"]:
        true, predicted = column["true"], column["predicted"]
        assert column["r2"] == pytest.approx(metrics.r2_score(true, predicted))
        assert column["mae"] == pytest.approx(metrics.mean_absolute_error(true, predicted))
        assert column["rmse"] == pytest.approx(metrics.root_mean_squared_error(true, predicted))
    assert numbers.to_dict()["mistakes"]
    assert "R² is" in str(numbers)


@pytest.mark.parametrize("kind", ["classes", "labels", "numbers"])
def test_everything_is_json(kind, request):
    """No number of NumPy, no infinity; nothing says more or less after a round trip."""
    facts = request.getfixturevalue(kind).to_dict()

    assert json.loads(json.dumps(facts, allow_nan=False)) == facts


def test_the_network_runs_once_for_each_image(forwards, drawn):
    """Whatever is measured, without any cache."""
    paths, labels, _ = drawn
    told = report(pipeline(), paths[8:30], labels[8:30], cv=2)

    assert sum(forwards) == 22
    assert told.to_dict()["learning"] is None


def test_a_bad_image_is_an_error_unless_the_extractor_leaves_it_out(drawn):
    """As everywhere: named, with the way out; nothing is left where all are bad."""
    paths, labels, _ = drawn
    with pytest.raises(ImageError, match="1 image cannot be read"):
        report(pipeline(), paths[20:], labels[20:], cv=2)
    with pytest.raises(ImageError, match="4 images cannot be read"):
        report(pipeline(on_error="nan"), [paths[50]] * 4, ["a", "a", "b", "b"], cv=2)


def test_folds_of_ones_own_keep_their_rows_where_an_image_is_left_out(drawn):
    """A pair of rows is numbered among the images given."""
    paths, labels, _ = drawn
    folds = [(np.arange(40), np.arange(40, 60)), (np.arange(40, 60), np.arange(40))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DuplicateWarning)
        told = report(pipeline(on_error="nan"), paths, labels, cv=folds)
        good = np.delete(np.arange(60), 50)
        pairs = [
            (np.searchsorted(good, np.setdiff1d(a, [50])), np.searchsorted(good, np.setdiff1d(b, [50])))
            for a, b in folds
        ]
        expected = evaluate(pipeline(), [paths[row] for row in good], labels[good], cv=pairs)

    assert told.scores.scores == expected.scores


def test_more_images_help_or_do_not(numbers):
    """The learning curve ends at all images of the folds, with the score that these have there."""
    curve = numbers.to_dict()["learning"]

    assert [point["images"] for point in curve["points"]] == [6, 14, 26]
    assert curve["points"][-1]["score"] - curve["points"][-2]["score"] == pytest.approx(
        curve["gain"], abs=0.2
    )


def test_other_estimators_are_judged_as_they_are(drawn):
    """A search around the extractor has a map; an estimator without one has the tables only."""
    paths, labels, _ = drawn
    search = GridSearchCV(pipeline(), {"head__class_weight": [None, "balanced"]}, cv=2)
    told = report(search, paths[8:30], labels[8:30], cv=2).to_dict()
    assert told["map"]
    assert told["recipe"]["backbone"] == "featx-mini"
    assert told["learning"] is None

    means = FunctionTransformer(lambda images: np.array(images).mean(axis=(1, 2)))
    images, kinds = synthetic(n=30, classes=3, size=16, random_state=0)
    told = report(make_pipeline(means, LogisticRegression(max_iter=1000)), images, kinds, cv=2)
    assert told.to_dict()["map"] is None
    assert told.to_html().count("<img") > 0
    table = np.random.default_rng(0).normal(size=(30, 2))
    assert "guessing" in report(DummyClassifier(), table, kinds, cv=2).to_html()


def test_every_depth_is_scored_when_asked(drawn):
    """All stages of the network, and several side by side."""
    paths, labels, _ = drawn
    told = report(pipeline(), paths[8:30], labels[8:30], cv=2, all_depths=True).to_dict()["depths"]

    assert [one["depth"] for one in told] == ["1", "2", "3", "4", "3-4", "2-4", "1-4"]


def test_a_report_is_a_file(classes, tmp_path):
    """In folders that are missing, whole, and never over another file unless asked."""
    path = classes.save(tmp_path / "new" / "folder" / "report.html")

    assert path.read_text() == classes.to_html()
    with pytest.raises(InputError, match="exists"):
        classes.save(path)
    classes.save(path, overwrite=True)
    assert [one.name for one in path.parent.iterdir()] == ["report.html"]


def test_a_progress_bar_tells_where_it_is(capsys):
    """On stderr, when asked; none otherwise."""
    images, kinds = synthetic(n=20, classes=2, size=16, random_state=0)
    flat = make_pipeline(
        FunctionTransformer(lambda images: np.reshape(images, (len(images), -1))), LogisticRegression()
    )
    report(flat, images, kinds, cv=2, verbose=1)
    assert "report: 100%" in capsys.readouterr().err
    report(flat, images, kinds, cv=2)
    assert capsys.readouterr().err == ""
