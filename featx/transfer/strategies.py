"""The strategies of transfer learning by name, and what builds each: scikit-learn estimators over images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from featx.embedding.composition import as_extractor
from featx.embedding.extractor import FeatureExtractor
from featx.embedding.passes import passes_of
from featx.embedding.pixels import PixelExtractor
from featx.embedding.plan import Tap
from featx.errors import InputError, UnknownNameError
from featx.heads.ensemble import EnsembleHead
from featx.heads.named import make_head
from featx.heads.pipeline import HeadPipeline
from featx.heads.selector import RelevanceSelector


@dataclass(frozen=True)
class Strategy:
    """One way from a pretrained network, or none, to a fitted model."""

    about: str
    """What it does."""
    use: str
    """When the four-case guide of transfer learning recommends it."""
    trains: bool = False
    """Whether it trains the network, which takes minutes to hours; the others need one pass over the images."""
    several: bool = False
    """Whether it takes several backbones; the others take one."""


STRATEGIES: Mapping[str, Strategy] = MappingProxyType(
    {
        "pixels": Strategy(
            "a linear model of 16x16 pixels; no network",
            "few images, unlike the pretraining data: the baseline that features have to beat",
        ),
        "start": Strategy(
            "a linear model of all stages but the last, side by side",
            "few images, unlike the pretraining data",
        ),
        "end": Strategy(
            "a linear model of the last stage",
            "few images, like the pretraining data",
        ),
        "all-depths": Strategy(
            "a linear model of the features of every depth that are relevant, as many as cross-validation says",
            "where it is not known at which depth the useful features are",
        ),
        "ensemble": Strategy(
            "a linear model of each of several networks, their answers averaged by weights from held-out images",
            "where a better answer is worth the time of several networks",
            several=True,
        ),
        "finetune": Strategy(
            "the network trained on, from the linear model of its frozen features",
            "many images",
            trains=True,
        ),
        "scratch": Strategy(
            "the same network trained from random weights",
            "very many images, unlike the pretraining data; else to see what pretraining is worth",
            trains=True,
        ),
    }
)
"""The table of strategies, those that train no network first, and of these the cheapest first."""

_CALM = {"Cs": (1e-4, 1e-3, 1e-2, 1e-1, 1.0)}
"""A greater C was no better, and with many classes takes most of the time: docs/strategies.md has figures."""
_QUICK = {"Cs": (1e-3, 1e-2, 1e-1, 1.0), "cv": 2, "tol": 1e-3}

SCRATCH = {"decay": 1.0, "patience": None}
"""What training from random weights asks of a `FineTuner`: every stage has all to learn, and begins slowly."""

FROZEN = tuple(name for name, strategy in STRATEGIES.items() if not strategy.trains and not strategy.several)
"""Names of the strategies that train no network, and take one."""


def make_strategy(
    name: str, extractor: Any = "featx-mini", *, regression: bool = False, head: Any = "auto", **choices: Any
) -> Any:
    """Return a new, unfitted estimator over images that carries out a strategy.

    Parameters
    ----------
    name
        A name of `STRATEGIES`.
    extractor
        A `FeatureExtractor`, or what it takes for `backbone`. The strategies that train no network choose depths of
        their own, whatever it says, and ``pixels`` only reads images as it does; ``ensemble`` takes an extractor of
        several backbones as it is. The first time, the network is built to count its stages or columns.
    regression
        Whether the targets are numbers, not classes.
    head
        A name for `make_head`, or a scikit-learn estimator. ``"auto"``: ``logistic``, or for numbers ``ridge``.
        ``finetune`` and ``scratch`` have a head of their own.
    choices
        For ``finetune`` and ``scratch``: parameters of `FineTuner`.

    Returns
    -------
    scikit-learn estimator
        A `featx.heads.HeadPipeline` with the steps ``features``, for ``all-depths`` ``selection``, and ``head``, which
        for ``ensemble`` is a `featx.heads.EnsembleHead`; or a `FineTuner` or `FineTunerRegressor`.

    Raises
    ------
    UnknownNameError
        If there is no such strategy.
    InputError
        If the extractor has a pooling for each of its own depths, or not as many backbones as the strategy takes.
    TypeError
        If there is no such choice.

    Examples
    --------
    >>> from featx.embedding import FeatureExtractor
    >>> from featx.images import synthetic
    >>> images, labels = synthetic(n=60, classes=3, size=32, random_state=0)
    >>> extractor = FeatureExtractor("featx-mini", input_size=32, cache=None)
    >>> model = make_strategy("end", extractor).fit(images[:40], labels[:40])
    >>> bool(model.score(images[40:], labels[40:]) > 0.8)
    True
    >>> make_strategy("all-depths", extractor)["features"].depth
    ['patches', 1, 2, 3, 4, 1, 4]
    >>> make_strategy("finetune", extractor, epochs=5)
    FineTuner(epochs=5, extractor=FeatureExtractor(cache=None, input_size=32))
    """
    if name not in STRATEGIES:
        raise UnknownNameError("strategy", name, STRATEGIES)
    if STRATEGIES[name].trains:
        from featx.finetuning.estimators import FineTuner, FineTunerRegressor

        if name == "scratch":
            extractor, choices = as_extractor(extractor, weights=None), SCRATCH | choices
        return (FineTunerRegressor if regression else FineTuner)(extractor, **choices)
    if choices:
        told = ", ".join(f"{choice}={value!r}" for choice, value in choices.items())
        raise TypeError(
            f"make_strategy({name!r}) got {told}: it trains no network, so there is no tuner to choose this for. "
            f"How images become features is said by the extractor, as in FeatureExtractor({told})."
        )
    extractor = as_extractor(extractor)
    if STRATEGIES[name].several:
        steps = model_steps(name, regression=regression, head=head)
        return HeadPipeline(
            [("features", extractor), ("head", EnsembleHead(steps[0][1], _widths_of(extractor)))]
        )
    features = _pixels_of(extractor) if name == "pixels" else _at(extractor, _taps_of(extractor)[name])
    return HeadPipeline([("features", features), *model_steps(name, regression=regression, head=head)])


def model_steps(
    name: str, *, regression: bool = False, head: Any = "auto", quick: bool = False
) -> list[tuple[str, Any]]:
    """Return the steps of a strategy that come after the features, unfitted.

    Parameters
    ----------
    name, regression, head
        As for `make_strategy`.
    quick
        Whether they are only to be compared with those of other strategies: with fewer settings to choose from.
    """
    if isinstance(head, str):
        auto = ("ridge", {}) if regression else ("logistic", _QUICK if quick else _CALM)
        kind, settings = auto if head == "auto" else (head, {})
        head = make_head(kind, **settings)
    steps: list[tuple[str, Any]] = [("head", clone(head))]
    if name == "all-depths":
        selector = RelevanceSelector(regression=regression)
        steps.insert(0, ("selection", selector.set_params(fraction=0.2) if quick else selector))
    return steps


def frozen_features(extractor: FeatureExtractor, X: Any) -> dict[str, tuple[Any, NDArray[Any]]]:
    """Compute what every strategy in `FROZEN` takes of some images, in one pass over them.

    Parameters
    ----------
    extractor
        Says which backbone, and everything else but the depth.
    X
        Images.

    Returns
    -------
    dict
        For each name the fitted transformer, and its features (n, d).
    """
    taps = _taps_of(extractor)
    every = list(taps["all-depths"])
    embeddings = _at(extractor, every).fit(X).transform(X)
    edges = [0, *np.cumsum([len(tap.columns) for tap in every]).tolist()]
    pixels = _pixels_of(extractor)
    found = {"pixels": (pixels.fit(X), pixels.transform(X))}
    for name, own in taps.items():
        first = every.index(own[0])
        columns = embeddings[:, edges[first] : edges[first + len(own)]]
        found[name] = _at(extractor, own).fit(X), columns
    return {name: found[name] for name in FROZEN}


def _taps_of(extractor: FeatureExtractor) -> dict[str, Sequence[Tap]]:
    """Tell which taps of the backbone the strategies take; those of each are neighbours among those of all depths.

    All depths are the stages, the layers that the backbone's default depth has beside them, such as the patches of
    ``featx-mini``, and with the default pooling the four quarters of each map: where something is counts, too, and
    the selection drops what does not.
    """
    if not isinstance(extractor.pooling, str):
        raise InputError(
            f"pooling={extractor.pooling!r}: the strategies choose depths of their own, so give one pooling for all of "
            "them, or 'default'."
        )

    def taps(depth: Any, pooling: Any = extractor.pooling) -> Sequence[Tap]:
        return extractor.with_choices(depth=depth, pooling=pooling).plan().taps

    stages = taps(list(extractor.stages()))
    layers = [tap for tap in taps("default") if isinstance(tap.depth, str)]
    quarters: Sequence[Tap] = []
    if extractor.pooling == "default":
        without = [tap.depth for tap in stages if "grid2" not in tap.pooling]
        quarters = taps(without, "grid2")
    return {"start": stages[:-1] or stages, "end": stages[-1:], "all-depths": [*layers, *stages, *quarters]}


def _widths_of(extractor: FeatureExtractor) -> tuple[int, ...]:
    """Count the columns of each of several backbones."""
    passes = passes_of(extractor.plan())
    if len(passes) < 2:
        raise InputError(
            f"'ensemble' takes several backbones, and {passes[0].taps[0].backbone!r} is one. Give "
            "FeatureExtractor([...]) a list."
        )
    return tuple(sum(tap.width for tap in one.taps) for one in passes)


def _at(extractor: FeatureExtractor, taps: Sequence[Tap]) -> FeatureExtractor:
    return extractor.with_choices(depth=[tap.depth for tap in taps], pooling=[tap.pooling for tap in taps])


def _pixels_of(extractor: FeatureExtractor) -> PixelExtractor:
    shared = ("resize", "image_shape", "value_range", "n_jobs", "on_error")
    return PixelExtractor(**{name: getattr(extractor, name) for name in shared})
