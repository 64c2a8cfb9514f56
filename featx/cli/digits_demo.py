"""The main job on real images that everyone has: scikit-learn's handwritten digits."""

from collections.abc import Callable
from pathlib import Path
from shutil import rmtree
from time import perf_counter
from typing import Any

import numpy as np

from featx.cache.embedding_cache import EmbeddingCache
from featx.embedding.extractor import FeatureExtractor
from featx.errors import InputError
from featx.evaluation.report import Report, evaluate
from featx.heads.named import make_head
from featx.images.datasets import digits, write_folder
from featx.images.folders import load_folder
from featx.saving.models import load, save

DEPTHS = (2, 3, 4)
TREES = {"n_estimators": 40, "learning_rate": 0.3, "start": None, "early_stopping_rounds": None}
HEADS: dict[str, dict[str, Any]] = {"logistic": {}, "xgboost": TREES}
"""Trees by themselves, and fewer than usual, so that the whole takes little more than a minute."""
UNSEEN = 6
"""Images kept from the saved model, so that it has something to predict."""


PARTS = ("cache", "model", "images")
"""What is in the folder of a demonstration."""


def demo(
    folder: str | Path = "featx-demo",
    *,
    count: int | None = None,
    overwrite: bool = False,
    say: Callable[[str], object] = print,
) -> dict[str, Any]:
    """Embed handwritten digits at several depths in one pass, score heads on each, save a model and use it.

    Parameters
    ----------
    folder
        Where to keep the cache, the model and a few images.
    count
        How many digits to take; None for all 1,797.
    overwrite
        Whether to replace what an earlier demonstration left there.
    say
        Called with each line of text.

    Returns
    -------
    dict
        The figures, in JSON values.

    Raises
    ------
    InputError
        If the folder exists and may not be replaced, or holds something else.

    Examples
    --------
    >>> result = demo("digits", say=lambda line: None)  # doctest: +SKIP
    >>> result["images"], len(result["predictions"])  # doctest: +SKIP
    (1797, 6)
    """
    from sklearn.pipeline import make_pipeline

    folder = Path(folder)
    if folder.exists() and not overwrite:
        raise InputError(
            f"{str(folder)!r} exists. Give another name, or overwrite=True to replace an earlier demonstration."
        )
    if folder.exists() and (others := sorted({one.name for one in folder.iterdir()} - set(PARTS))):
        raise InputError(
            f"{str(folder)!r} is not replaced: {others[0]!r} in it belongs to no demonstration. Give another name."
        )
    for part in PARTS:
        rmtree(folder / part, ignore_errors=True)
    cache = EmbeddingCache(folder / "cache")
    images, labels = (part[:count] for part in digits())
    say(
        f"{len(images):,} handwritten digits of 8x8 pixels (scikit-learn's), 10 classes, backbone featx-mini\n"
    )

    at = {f"stage {depth}": FeatureExtractor(depth=depth, pooling="avg+std", cache=cache) for depth in DEPTHS}
    at["default"] = FeatureExtractor(cache=cache)
    seconds = {}
    for when in ("first", "again"):
        started = perf_counter()
        FeatureExtractor(depth=DEPTHS, pooling="avg+std", cache=cache).transform(
            images
        )  # every depth in one pass
        features = {name: extractor.transform(images) for name, extractor in at.items()}
        seconds[when] = perf_counter() - started

    features = {"pixels": images.reshape(len(images), -1) / np.float32(255), **features}
    scores: dict[str, dict[str, Report]] = {}
    say("accuracy, 5-fold cross-validation ± standard error")
    say(f"{'features':<12}{'columns':>8}{'logistic':>18}{'xgboost':>18}")
    for name, values in features.items():
        scores[name] = {
            head: evaluate(make_head(head, **choices), values, labels, n_jobs=-1, verbose=0)
            for head, choices in HEADS.items()
        }
        cells = "".join(f"{report.mean:>9.4f} ± {report.error:.4f}" for report in scores[name].values())
        say(f"{name:<12}{values.shape[1]:>8}{cells}")
    say(f"\nextraction: {seconds['first']:.1f} s the first time, {seconds['again']:.2f} s from the cache")

    pipeline = make_pipeline(at["default"], make_head("logistic")).fit(images[:-UNSEEN], labels[:-UNSEEN])
    save(pipeline, folder / "model")
    write_folder(images[-UNSEEN:], labels[-UNSEEN:], folder / "images")
    paths = load_folder(folder / "images").paths
    answers = load(folder / "model").predict(paths)
    say(f"\nsaved as {folder / 'model'}; loaded again, it reads image files it has not seen:")
    for path, answer in zip(paths, answers, strict=True):
        say(f"  {path}  {answer}")
    return {
        "images": len(images),
        "extraction_seconds": seconds,
        "scores": {
            name: {head: r.to_dict() for head, r in reports.items()} for name, reports in scores.items()
        },
        "predictions": dict(zip(paths, answers.tolist(), strict=True)),
    }
