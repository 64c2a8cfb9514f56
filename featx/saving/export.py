"""A fitted pipeline as one graph, from uint8 pixels to probabilities or numbers, that runs without featx."""

import os
import tempfile
import warnings
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit, softmax  # type: ignore[import-untyped] # SciPy has no types

from featx import __version__
from featx.embedding.composition import each_backbone
from featx.embedding.engines import engine_for
from featx.embedding.linear import Head, head_of
from featx.embedding.progress import bar
from featx.embedding.views import WHOLE, Views
from featx.errors import ExportError, InputError, SavedModelError, UnknownNameError
from featx.files import file_digest, make_folder, whole_folder
from featx.saving.exported import FILES, FORMAT, MANIFEST, ExportedModel, check_place, read_manifest
from featx.text import quoted, to_json

TOLERANCE = 1e-5
"""How far the graph's answers may be from the pipeline's; numbers relative to the largest of them."""
NEEDS = {"onnx": ("tf2onnx", "onnxruntime"), "openvino": ("openvino",), "keras": ()}
"""Packages that a format takes."""


def export_model(
    model: Any,
    folder: str | os.PathLike[str],
    *,
    format: str = "onnx",  # noqa: A002 - what it is called everywhere
    overwrite: bool = False,
    verbose: int | None = None,
) -> None:
    """Write a fitted pipeline as one graph: pixels in, probabilities or numbers out, without featx or scikit-learn.

    Network, scaling, pooling and linear head become one graph. Beside it stands ``exported.json``: what the graph takes
    (size, colours, how images are resized), what it gives, and the labels. docs/saving.md describes it.

    Parameters
    ----------
    model
        A fitted pipeline of one `FeatureExtractor` in float32 and a linear head, also inside a search or a
        `TransferClassifier`; or a `FineTuner`.
    folder
        Where to. It appears whole or not at all.
    format
        ``"onnx"`` (needs ``pip install 'featx[onnx]'``), ``"openvino"`` or ``"keras"``.
    overwrite
        Whether to replace an exported model of that name. Any other folder is left alone.
    verbose
        1: a progress bar on stderr. 0: none. None: one where stderr is a terminal, if it takes more than a second.

    Raises
    ------
    InputError
        If the model is none that one graph can hold, with the reason, or a package is missing.
    ExportError
        If a converter fails, or the graph gives other answers than the pipeline.
    SavedModelError
        If the folder exists and may not be replaced, or cannot be written.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from featx.embedding import FeatureExtractor
    >>> from featx.heads import make_head
    >>> from featx.images import synthetic
    >>> from featx.saving import load_exported
    >>> images, labels = synthetic(n=30, classes=3, size=32, random_state=0)
    >>> extractor = FeatureExtractor(depth=2, input_size=32, cache=None)
    >>> pipe = make_pipeline(extractor, make_head("logistic")).fit(images, labels)
    >>> folder = f"{tempfile.mkdtemp()}/shapes"
    >>> export_model(pipe, folder, format="openvino")
    >>> exported = load_exported(folder)
    >>> exported.classes_.tolist()
    ['disc', 'ring', 'square']
    >>> bool(abs(exported.predict_proba(images) - pipe.predict_proba(images)).max() < 1e-5)
    True
    """
    if format not in FILES:
        raise UnknownNameError("format", format, FILES)
    folder = Path(folder).absolute()
    check_place(folder, overwrite=overwrite)
    if missing := [name for name in NEEDS[format] if find_spec(name) is None]:
        raise InputError(
            f"format={format!r} needs {' and '.join(missing)}. Run pip install 'featx[{format}]', or take another "
            "format."
        )
    head = head_of(model, "so it cannot be one graph with the network")
    if head.extractor.precision != "float32":
        raise InputError(
            f"The extractor has precision={head.extractor.precision!r}, and the graph would compute in float32. Fit "
            "the pipeline with precision='float32'."
        )
    if Views.of(head.extractor.views) != WHOLE:
        raise InputError(
            f"The extractor has views={quoted(head.extractor.views)}, and the graph would see whole images only. Fit "
            "the pipeline with views=None."
        )
    if (count := len(each_backbone(head.extractor))) > 1:
        raise InputError(
            f"The extractor has {count} backbones, and the graph holds one network. Fit the pipeline on one of them."
        )
    with bar(3, "step", "export", verbose) as done:
        graph, expected, kind = _one_graph(head)
        done.update()
        try:
            make_folder(folder.parent)
            with whole_folder(folder, replace=overwrite) as draft:
                _WRITERS[format](graph, draft)
                done.update()
                (draft / MANIFEST).write_text(
                    to_json(_manifest(head, kind, expected.shape[1], format, draft), indent=2) + "\n", "utf-8"
                )
                _compare(draft, expected, kind)
                done.update()
        except OSError as error:
            raise SavedModelError(f"{str(folder)!r} cannot be written: {error.strerror or error}.") from error


def _one_graph(head: Head) -> tuple[Any, np.ndarray, str]:
    """Put the head behind the network; give the model, its answers to noise, and what these are."""
    from featx.networks.quiet_keras import keras

    plan = head.extractor.plan()
    engine: Any = engine_for(plan, plan.taps, 2, engine="keras")
    pixels = _noise(plan.input_size)
    vectors = np.concatenate(engine(pixels), axis=1).astype(np.float64)
    coef, constants = head.linear()
    for vector in vectors:
        head.check(vector, coef, constants)
    kind, activation = _kind(head, np.concatenate([vectors, _where_scores_are_small(coef, constants)]))
    if activation == "softmax" and head.width == 1:  # of two classes there is the score of the second only
        coef, constants = np.column_stack([0 * coef, coef]), np.append(0, constants)
    # around a vector that may occur, since the means of a scaler, summed apart, would cost digits of float32
    centre = vectors.mean(axis=0)
    entry = keras.Input((*plan.input_size, 3), dtype="uint8", name="pixels")
    # Keras' exports call a model without saying whether it trains, which a layer such as RandomFlip then does
    symbols = engine.model(entry, training=False)
    symbols = symbols if isinstance(symbols, list | tuple) else [symbols]
    joined = (
        keras.layers.Concatenate(name="featx_embedding", dtype="float32")(symbols)
        if len(symbols) > 1
        else symbols[0]
    )
    centred = keras.layers.Rescaling(1.0, offset=(-centre).tolist(), name="featx_centre", dtype="float32")(
        joined
    )
    dense = keras.layers.Dense(coef.shape[1], activation=activation, name="featx_head", dtype="float32")
    model = keras.Model(entry, dense(centred), name="featx")
    dense.set_weights([coef.astype(np.float32), (centre @ coef + constants).astype(np.float32)])
    answers = head.scores(vectors) if head.answer is None else head.answer(vectors)
    model(pixels, training=False)  # Keras exports only what has been called
    return model, answers, kind


def _noise(size: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, *size, 3), np.uint8)


def _kind(head: Head, embeddings: np.ndarray) -> tuple[str, str]:
    """Tell what the answers are, and which function of the scores they are: asked of the head, not read from it."""
    if head.answer is None:
        return "scores", "linear"
    scores, answers = head.scores(embeddings), head.answer(embeddings)
    two = np.column_stack([0 * scores, scores]) if head.width == 1 else scores
    known = {"linear": scores, "sigmoid": expit(scores), "softmax": softmax(two, axis=1)}
    for name, values in known.items():
        if values.shape == answers.shape and np.allclose(values, answers, rtol=1e-6, atol=1e-6):
            return ("probabilities" if head.classifier else "numbers"), name
    raise InputError(
        f"{head.steps} gives probabilities that are neither the softmax nor the sigmoid of its scores, so it cannot "
        "be one graph with the network. Fit 'logistic' instead."
    )


def _where_scores_are_small(coef: np.ndarray, constants: np.ndarray) -> np.ndarray:
    """Give embeddings (4, d) with scores near 1, where a softmax and a sigmoid are told apart."""
    wanted = np.random.default_rng(0).normal(size=(4, len(constants)))
    return np.asarray(np.linalg.lstsq(coef.T, (wanted - constants).T)[0].T)


def _manifest(head: Head, kind: str, columns: int, format: str, draft: Path) -> dict[str, Any]:  # noqa: A002 - as above
    plan = head.extractor.plan()
    height, width = plan.input_size
    return {
        "format": FORMAT,
        "graph": format,
        "input": {
            "shape": [None, height, width, 3],
            "dtype": "uint8",
            "colours": "RGB, 0 is black",
            "resize": head.extractor.resize,
            "filter": "bilinear, as Pillow has it: smoothed where an image becomes smaller",
        },
        "output": {
            "kind": kind,
            "columns": columns,
            "labels": list(head.classes) if head.classes is not None else None,
            "answers": "one label"
            if head.classes is not None
            else "several labels"
            if head.classifier
            else "numbers",
        },
        "backbone": plan.name,
        "depth": [tap.depth for tap in plan.taps],
        "pooling": [tap.pooling for tap in plan.taps],
        "versions": {"featx": __version__, **{name: version(name) for name in ("keras", *NEEDS[format])}},
        "files": {path.name: file_digest(path) for path in sorted(draft.iterdir())},
    }


def _compare(draft: Path, expected: np.ndarray, kind: str) -> None:
    """Run what was written on noise."""
    exported = ExportedModel(draft, read_manifest(draft))
    found = exported.run(_noise(exported.size))
    scale = 1.0 if kind == "probabilities" else max(float(np.abs(expected).max()), 1e-12)
    distance = float(np.abs(found - expected).max()) / scale
    if not distance <= TOLERANCE:
        raise ExportError(
            f"The exported graph differs from the pipeline by {distance:.1e}, so it was not kept. Take another format."
        )


def _keras(model: Any, draft: Path) -> None:
    model.save(draft / "model.keras")


def _onnx(model: Any, draft: Path) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what converters say of themselves
            model.export(str(draft / "model.onnx"), format="onnx", verbose=False)
    except Exception as error:  # each backend of Keras and each converter raises its own
        first, *_ = str(error).splitlines() or [""]
        raise ExportError(f"It cannot be exported to ONNX: {type(error).__name__}: {first}") from error


def _openvino(model: Any, draft: Path) -> None:
    from featx.cache.exports import GRAPH, WEIGHTS
    from featx.embedding.openvino_engine import export

    with tempfile.TemporaryDirectory(prefix="featx-", ignore_cleanup_errors=True) as passing:
        made = Path(passing) / "engines" / "graph"
        export(model, made)
        for old, new in ((GRAPH, "model.xml"), (WEIGHTS, "model.bin")):
            (draft / new).write_bytes((made / old).read_bytes())


_WRITERS = {"onnx": _onnx, "openvino": _openvino, "keras": _keras}
