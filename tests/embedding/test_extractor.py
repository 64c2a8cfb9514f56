"""The feature extractor keeps scikit-learn's contract, and one image has one vector however it is asked for."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

import featx
from featx import EmbeddingCache, FeatureExtractor, FeatxError
from featx.cache.identity import image_id
from featx.errors import ImageError, InputError, UnknownNameError


def small(**choices):
    """Make an extractor that is quick: the embedded backbone, two stages, 32 pixels."""
    return FeatureExtractor(**{"depth": [1, 2], "pooling": "avg", "input_size": 32, **choices})


# scikit-learn's checks feed tables of numbers of any size and sign. As flattened images of one row, with a range wide
# enough for every check, the extractor takes them like any other transformer. No failure is expected.
@parametrize_with_checks(
    [small(image_shape=(1, -1), value_range=(-1e6, 1e6), depth=1, batch_size=16, cache=None)],
    expected_failed_checks={},
)
def test_scikit_learn_contract(estimator, check):
    """Every check of scikit-learn's own battery passes."""
    check(estimator)


def test_the_battery_is_not_empty():
    """Were the extractor to say that it takes no tables, scikit-learn would check nothing and pass."""
    tags = small(image_shape=(1, -1)).__sklearn_tags__()

    assert tags.input_tags.two_d_array
    assert not small().__sklearn_tags__().input_tags.two_d_array


def kinds(pixels, files):
    """Give the same twelve images in every form that X may have."""
    return {
        "list of str": files,
        "list of Path": [Path(path) for path in files],
        "object array": np.array(files, dtype=object),
        "str array": np.array(files),
        "pandas column": pd.Series(files, index=range(5, 17)),
        "pandas frame": pd.DataFrame({"path": files}),
        "polars column": pl.Series(files),
        "polars frame": pl.DataFrame({"path": files}),
        "Arrow column": pa.array(files),
        "Arrow chunks": pa.chunked_array([files[:5], files[5:]]),
        "Arrow table": pa.table({"path": files}),
        "bytes": [Path(path).read_bytes() for path in files],
        "PIL images": [Image.open(path) for path in files],
        "array": pixels,
        "list of arrays": list(pixels),
        "RGBA array": np.concatenate([pixels, np.full_like(pixels[..., :1], 255)], axis=-1),
        "float array": pixels.astype("float64"),
        "mixed list": [*files[:6], *pixels[6:]],
    }


def test_every_kind_of_input_gives_the_same_vectors(pixels, files):
    """Paths, bytes, PIL images, arrays and columns of any frame library are one and the same images."""
    expected = small(cache=None).transform(pixels)

    for kind, X in kinds(pixels, files).items():
        np.testing.assert_array_equal(small(cache=None).fit_transform(X), expected, err_msg=kind)


def test_flattened_images_are_images():
    """Rows of scikit-learn's digits, with their shape and range, are the images they were."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    rows = small(image_shape=(8, 8), value_range=(0, 16)).fit_transform(bunch.data[:20])
    images = small(value_range=(0, 16)).fit_transform(bunch.images[:20])

    np.testing.assert_array_equal(rows, images)


@pytest.mark.parametrize("batch_size", [1, 5, 12, 64])
def test_a_vector_does_not_depend_on_its_batch(pixels, batch_size):
    """One by one, in another order, alone or padded: the same numbers."""
    expected = small(cache=None).transform(pixels)
    order = np.random.default_rng(batch_size).permutation(12)

    given = small(cache=None, batch_size=batch_size).transform(pixels[order])

    np.testing.assert_allclose(given, expected[order], rtol=1e-5, atol=1e-6)
    alone = [small(cache=None).transform(pixels[row : row + 1])[0] for row in range(3)]
    np.testing.assert_array_equal(alone, expected[:3])


@pytest.mark.parametrize("n_jobs", [1, 2, -1])
def test_workers_change_no_number(files, n_jobs):
    """The number of threads that decode shows in no vector."""
    np.testing.assert_array_equal(
        small(cache=None, n_jobs=n_jobs, batch_size=4).transform(files), small(cache=None).transform(files)
    )


def test_processes_change_no_number(files):
    """Decoding in other processes, by joblib's own configuration, gives the same vectors."""
    from joblib import parallel_config

    expected = small(cache=None, batch_size=4).transform(files)
    with parallel_config(backend="loky", n_jobs=2):
        given = small(cache=None, batch_size=4).transform(files)

    np.testing.assert_array_equal(given, expected)


def test_the_input_is_left_alone(pixels):
    """Keras' own preprocessing writes over its argument; featx does not."""
    for X in (pixels.copy(), pixels.astype("float32")):
        before = X.copy()
        small(cache=None, depth=1).transform(X)
        np.testing.assert_array_equal(X, before)


def test_cached_equals_fresh(files):
    """What comes from the cache is what was computed, to the bit."""
    fresh = small().transform(files)

    np.testing.assert_array_equal(small().transform(files), fresh)
    np.testing.assert_array_equal(small(cache=None).transform(files), fresh)


def test_each_image_goes_through_the_network_once(files, forwards):
    """A second run, a renamed file, another batch size, a duplicate: none runs the network again."""
    small().transform([*files, *files[:3]])
    assert sum(forwards) == 12

    renamed = [Path(path).rename(Path(path).with_stem(f"new{row}")) for row, path in enumerate(files)]
    small(batch_size=5, n_jobs=2).transform(renamed)
    small().transform(renamed[::-1])
    assert sum(forwards) == 12


def test_depths_share_one_pass(files, forwards):
    """After a pass over several depths each alone, and in any combination, comes from the cache."""
    all_three = small(depth=[1, 2, 3]).transform(files)
    assert sum(forwards) == 12

    np.testing.assert_array_equal(small(depth=2).transform(files), all_three[:, 32:96])
    np.testing.assert_array_equal(small(depth=[3, 1]).transform(files)[:, -32:], all_three[:, :32])
    assert sum(forwards) == 12

    small(depth=[2, 4]).transform(files)
    assert sum(forwards) == 24


def test_grid_search_runs_each_image_through_each_depth_at_most_once(files, forwards):
    """Depth and C are searched over folds; the network sees every image once per depth, whatever the folds."""
    pipe = make_pipeline(small(), LogisticRegression(max_iter=2000))
    grid = {"featureextractor__depth": [1, 2, 3], "logisticregression__C": [0.01, 0.1, 1.0]}

    GridSearchCV(pipe, grid, cv=3).fit(files, list("aabbabababab"))

    assert sum(forwards) == 3 * 12


@pytest.mark.slow
def test_grid_search_in_several_processes_finds_what_one_finds(files, tmp_path):
    """From an empty cache, with two processes that both compute and write: the same scores and the same choice."""
    pipe = make_pipeline(small(), LogisticRegression(max_iter=2000))
    grid = {"featureextractor__depth": [1, [1, 2]]}  # a task for each process, and both embed at depth 1
    folds, labels = StratifiedShuffleSplit(1, test_size=6, random_state=0), list("aabbabababab")

    many = GridSearchCV(pipe, grid, cv=folds, n_jobs=2).fit(files, labels)
    pipe = clone(pipe).set_params(featureextractor__cache=tmp_path / "one")
    one = GridSearchCV(pipe, grid, cv=folds).fit(files, labels)

    np.testing.assert_array_equal(many.cv_results_["mean_test_score"], one.cv_results_["mean_test_score"])
    assert many.best_params_ == one.best_params_
    assert EmbeddingCache().verify() == []


CHANGES = {
    "pooling": {"pooling": "max"},
    "depth": {"depth": [1, 3]},
    "input_size": {"input_size": 40},
    "resize": {"resize": "crop"},
    "precision": {"precision": "bfloat16"},
    "weights": {"weights": None},
    "backbone": {"backbone": "mobilenet_0.25", "weights": None},
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_choice_that_changes_numbers_misses(files, forwards, change):
    """Nothing computed with another choice is ever served."""
    small().transform(files)
    small(**CHANGES[change]).transform(files)

    assert sum(forwards) == 24


def test_one_changed_pixel_misses(pixels, forwards):
    """An image that differs in one value is another image."""
    small().transform(pixels)
    changed = pixels.copy()
    changed[7, 3, 2, 1] ^= 1
    small().transform(changed)

    assert sum(forwards) == 13


def test_one_changed_weight_misses(pixels, tiny, forwards):
    """The weights count by value, even in the same model object."""
    extractor = FeatureExtractor(tiny, scaling="unit", depth=[1, 2], pooling="avg")
    before = extractor.transform(pixels)
    kernel = tiny.get_layer("one").kernel
    old = np.array(kernel)
    try:
        new = old.copy()
        new[0, 0, 0, 0] += 1
        kernel.assign(new)
        after = extractor.transform(pixels)
        assert sum(forwards) == 24
        assert not np.array_equal(after, before)
    finally:
        kernel.assign(old)
    np.testing.assert_array_equal(extractor.transform(pixels), before)
    assert sum(forwards) == 24


def test_weights_above_the_cut_do_not_count(pixels, tiny, forwards):
    """A changed classifier leaves the embeddings below it valid."""
    extractor = FeatureExtractor(tiny, scaling="unit", depth=1, pooling="avg")
    extractor.transform(pixels)
    kernel = tiny.get_layer("three").kernel
    old = np.array(kernel)
    try:
        kernel.assign(old + 1)
        extractor.transform(pixels)
    finally:
        kernel.assign(old)

    assert sum(forwards) == 12


def test_another_scaling_misses(pixels, tiny, forwards):
    """A constant of the preprocessing is part of the recipe."""
    for scaling in ("unit", "tf"):
        FeatureExtractor(tiny, scaling=scaling, depth=1).transform(pixels)

    assert sum(forwards) == 24


def test_a_cached_run_imports_no_keras(files):
    """In a fresh process, with everything cached, neither Keras nor a backend nor an engine is imported."""
    fresh = small().fit(files).transform(files)
    program = (
        "import sys, numpy as np\n"
        "from featx import FeatureExtractor\n"
        f"e = FeatureExtractor(depth=[1, 2], pooling='avg', input_size=32).fit({files!r})\n"
        f"v = e.transform({files!r}); e.get_feature_names_out()\n"
        "heavy = {'keras', 'tensorflow', 'jax', 'torch', 'openvino'}\n"
        "print(sorted(heavy & set(sys.modules)), v.sum(dtype='float64'))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout

    assert printed.split("]") == ["[", f" {fresh.sum(dtype='float64')}\n"]


def test_an_uncached_run_does_import_an_engine(files):
    """The test above can fail: the same program over another depth loads one."""
    program = (
        "import sys\nfrom featx import FeatureExtractor\n"
        f"FeatureExtractor(depth=2, pooling='max', input_size=32).transform({files!r})\n"
        "print('openvino' in sys.modules)"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout

    assert printed == "True\n"


def test_clone_and_pickle_keep_every_choice_and_no_network(files):
    """A used extractor is cloned and pickled as its parameters: small, quick, and with the same result."""
    extractor = small(cache=None).fit(files)
    expected = extractor.transform(files)

    for copy in (clone(extractor), pickle.loads(pickle.dumps(extractor))):
        assert copy.get_params() == extractor.get_params()
        np.testing.assert_array_equal(copy.transform(files), expected)
    assert len(pickle.dumps(extractor)) < 2000


def test_a_keras_model_survives_clone_and_pickle(pixels, tiny):
    """So does an extractor over a model of one's own."""
    extractor = FeatureExtractor(tiny, scaling="unit", cache=None).fit(pixels)
    expected = extractor.transform(pixels)

    np.testing.assert_array_equal(clone(extractor).transform(pixels), expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(extractor)).transform(pixels), expected)


def test_columns_are_named_after_where_they_come_from(files):
    """Backbone, stage, pooling and number; frames carry them."""
    extractor = small(depth=[1, "stage2_out"], pooling=["avg+std", "grid2"])
    names = extractor.get_feature_names_out()
    frame = extractor.set_output(transform="pandas").fit_transform(files)

    assert names[[0, 32, 64, -1]].tolist() == [
        "featx-mini_stage1_avg_0",
        "featx-mini_stage1_std_0",
        "featx-mini_stage2_out_grid2_0",
        "featx-mini_stage2_out_grid2_255",
    ]
    assert list(frame.columns) == list(names)
    assert frame.shape == (12, 320)


def test_minus_one_is_the_last_stage(files):
    """Negative stages count from the end, and are the same cached vectors."""
    assert small(depth=-1).get_feature_names_out()[0] == "featx-mini_stage4_avg_0"
    np.testing.assert_array_equal(small(depth=-1).transform(files), small(depth=4).transform(files))


def broken(files, tmp_path):
    """Put four bad files among the good ones: truncated, empty, no image, missing."""
    bad = [tmp_path / name for name in ("cut.png", "empty.jpg", "text.png", "gone.png")]
    bad[0].write_bytes(Path(files[0]).read_bytes()[:200])
    bad[1].write_bytes(b"")
    bad[2].write_text("not an image")
    return [files[0], str(bad[0]), files[1], str(bad[1]), str(bad[2]), files[2], str(bad[3])], [1, 3, 4, 6]


def test_one_error_names_every_bad_image(files, tmp_path, forwards):
    """All bad files are in one message; the good ones are done and kept."""
    mixed, rows = broken(files, tmp_path)

    with pytest.raises(ImageError, match="4 images cannot be read") as caught:
        small().fit_transform(mixed)
    assert [bad.row for bad in caught.value.bad] == rows
    assert all(bad.name == mixed[bad.row] and bad.name in str(caught.value) for bad in caught.value.bad)

    small().transform([mixed[row] for row in (0, 2, 5)])
    assert sum(forwards) == 3


def test_bad_images_become_rows_of_nan(files, tmp_path):
    """With on_error="nan" the rows stay aligned with y, and bad_images_ says why."""
    mixed, rows = broken(files, tmp_path)
    extractor = small(on_error="nan")
    vectors = extractor.fit_transform(mixed)

    assert np.isnan(vectors).all(axis=1).tolist() == [row in rows for row in range(7)]
    np.testing.assert_array_equal(vectors[[0, 2, 5]], small().transform(files[:3]))
    assert [bad.row for bad in extractor.bad_images_] == rows
    assert "empty" in extractor.bad_images_[1].reason


@pytest.mark.parametrize("racy", [2_000_000_000, -1])
def test_a_file_that_changes_during_the_run_is_not_kept_under_its_old_name(files, monkeypatch, racy):
    """Between naming and decoding a file is replaced: its row is an error, not a wrong vector, however old it was."""
    import featx.embedding.embed

    monkeypatch.setattr(featx.cache.memo, "_RACY", racy)

    identify = featx.embedding.embed.identify

    def replace_one(*args):
        named = identify(*args)
        Path(files[4]).write_bytes(Path(files[5]).read_bytes())
        return named

    monkeypatch.setattr(featx.embedding.embed, "identify", replace_one)
    extractor = small(on_error="nan", weights=None)  # no weights file, so that only images are identified
    vectors = extractor.transform(files)

    assert [bad.row for bad in extractor.bad_images_] == [4]
    assert "changed while it was being read" in extractor.bad_images_[0].reason
    assert np.isnan(vectors[4]).all()


@pytest.mark.parametrize(("racy", "times"), [(2_000_000_000, 2), (-1, 1)])
def test_files_are_hashed_once_unless_they_are_so_new_that_a_change_might_not_show(
    files, monkeypatch, racy, times
):
    """What the file system says of a file proves it unchanged, but for two seconds after a change."""
    import featx.embedding.naming

    monkeypatch.setattr(featx.cache.memo, "_RACY", racy)
    hashed = []
    monkeypatch.setattr(featx.embedding.naming, "image_id", lambda data: hashed.append(0) or image_id(data))
    small(weights=None, cache=None).transform(files)
    assert len(hashed) == times * len(files)


def test_the_cache_is_where_it_is_said_to_be(files, tmp_path):
    """A path, an EmbeddingCache, or nowhere."""
    small(cache=tmp_path / "one").transform(files)
    small(cache=EmbeddingCache(tmp_path / "two")).transform(files)
    assert [sum(r.rows for r in EmbeddingCache(tmp_path / name).info()) for name in ("one", "two")] == [
        24,
        24,
    ]

    before = set(tmp_path.rglob("*"))
    small(cache=None).transform(files)
    assert set(tmp_path.rglob("*")) == before
    assert EmbeddingCache().info() == []


def test_a_plan_tells_what_is_computed(files, tmp_path):
    """Depths, layers, widths and recipe ids are those of the vectors, and of the cache they are kept in."""
    extractor = small(depth=[-1, "stage2_out"], pooling=["avg", "avg+std"], cache=tmp_path)
    taps = extractor.plan().taps

    assert [(tap.depth, tap.layer) for tap in taps] == [(4, "stage4_out"), ("stage2_out", "stage2_out")]
    assert [len(tap.columns) for tap in taps] == [256, 128]
    assert extractor.transform(files).shape[1] == extractor.plan().width == 384
    assert {tap.recipe_id for tap in taps} == {recipe.recipe_id for recipe in EmbeddingCache(tmp_path).info()}


@pytest.mark.parametrize("depth", ["default", 1, [3, 2], "two"])
def test_stages_are_numbered_whatever_the_depth(tiny, depth):
    """The network says how many it has; no name of a column is read."""
    assert list(FeatureExtractor(tiny, depth=depth, scaling="unit", cache=None).stages()) == [1, 2, 3]


def test_nobody_reaches_into_private_parts():
    """What another module needs to know, of an extractor above all, can be asked: no lint of it is silenced."""
    programs = list(Path(featx.__file__).parent.rglob("*.py"))

    assert len(programs) > 60
    assert [path.name for path in programs if "SLF001" in path.read_text()] == []


def test_other_choices_make_another_extractor_of_the_same_model(tiny, tmp_path):
    """Neither is the first one changed, nor the Keras model copied, nor the class forgotten."""

    class Own(FeatureExtractor):
        """An extractor of one's own."""

    cache = EmbeddingCache(tmp_path)
    extractor = Own(tiny, depth=[1, 2], scaling="unit", cache=cache)
    before = extractor.get_params()
    other = extractor.with_choices(depth=3, batch_size=4)

    assert extractor.get_params() == before
    assert type(other) is Own
    assert other.get_params() == {**before, "depth": 3, "batch_size": 4}
    assert other.backbone is tiny
    assert other.cache is cache
    with pytest.raises(TypeError, match="deep"):
        extractor.with_choices(deep=3)


def test_nothing_is_done_before_fit_or_transform():
    """Making, cloning and setting parameters checks nothing and loads nothing."""
    extractor = clone(FeatureExtractor("no such network", depth=99)).set_params(pooling="what")

    with pytest.raises(FeatxError, match="Unknown backbone 'no such network'"):
        extractor.transform([np.zeros((8, 8, 3), np.uint8)])


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"depth": 9}, r"depth=9: this backbone has 4 stages"),
        ({"depth": 1.5}, r"depth=1\.5: give a stage number"),
        ({"depth": []}, "depth is an empty list"),
        ({"depth": "stage9_out"}, "Unknown layer 'stage9_out'"),
        ({"pooling": "mean"}, "Unknown pooling 'mean'"),
        ({"pooling": ["avg", "max", "std"]}, "3 poolings for 2 depths"),
        ({"input_size": 16}, r"input_size=\(16, 16\): 'featx-mini' takes 32 pixels and more"),
        ({"input_size": "big"}, "input_size='big': give a number of pixels"),
        ({"resize": "stretch"}, "Unknown resize 'stretch'"),
        ({"precision": "float64"}, "Unknown precision 'float64'"),
        ({"engine": "warp"}, "Unknown engine 'warp'"),
        ({"on_error": "skip"}, "Unknown on_error 'skip'"),
        ({"scaling": "tf"}, "'featx-mini' brings its own, 'unit'"),
        ({"scaling": "half"}, "Unknown scaling 'half'"),
        ({"batch_size": 0}, "batch_size=0: give a whole number"),
        ({"weights": "missing.h5"}, "there is no such file"),
    ],
)
def test_a_wrong_choice_says_what_to_do(pixels, choices, message):
    """Each parameter has its message, and it is a ValueError or OSError as a stranger expects."""
    with pytest.raises((InputError, FeatxError), match=message) as caught:
        small(**choices).fit_transform(pixels)
    assert isinstance(caught.value, ValueError | OSError)


def test_a_slip_in_a_name_is_pointed_out(pixels):
    """The nearest name is offered."""
    with pytest.raises(UnknownNameError, match=r"Unknown resize 'sqash'\. Did you mean 'squash'\?"):
        small(resize="sqash").transform(pixels)


def test_no_images_is_no_error_of_numpy():
    """An empty list is refused in words, or gives an empty result; never an IndexError."""
    with pytest.raises(InputError, match=r"no images|empty"):
        small().fit_transform([])


def test_mobilenet_equals_keras_by_hand(imagenet):
    """Real weights: to 1e-5 of a vector's largest value what keras.applications gives, with its own preprocessing."""
    import keras

    images = np.random.default_rng(0).integers(0, 256, (6, 224, 224, 3), dtype=np.uint8)
    network = keras.applications.MobileNetV2(
        include_top=False, pooling="avg", input_shape=(224, 224, 3), weights=None
    )
    network.load_weights(imagenet / "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5")
    by_hand = network.predict_on_batch(
        keras.applications.mobilenet_v2.preprocess_input(images.astype("float32"))
    )

    ours = FeatureExtractor("mobilenet_v2", depth=-1, pooling="avg").fit_transform(images)

    # TensorFlow rewrites the two graphs differently, so values near zero differ in more than their last digits
    np.testing.assert_allclose(ours, by_hand, rtol=0, atol=1e-5 * by_hand.max())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backbone", "least"), [("mobilenet_v2", 0.93), ("mobilenet_v2_0.35", 0.88), ("featx-mini", 0.68)]
)
def test_ants_and_bees(imagenet, data, backbone, least):
    """Real weights on real photographs: the default embedding and the logistic head, train to val."""
    from featx import load_folder, make_head

    train, val = (load_folder(data / "images" / "hymenoptera" / part) for part in ("train", "val"))
    pipe = make_pipeline(FeatureExtractor(backbone), make_head("logistic")).fit(train.paths, train.labels)

    assert pipe.score(val.paths, val.labels) >= least
