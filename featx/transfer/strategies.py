"""The strategies of transfer learning by name, and what builds each: scikit-learn estimators over images."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sklearn.base import clone

from featx.embedding.composition import as_extractor
from featx.embedding.extractor import FeatureExtractor
from featx.embedding.passes import passes_of
from featx.errors import InputError, UnknownNameError
from featx.heads.blend import BlendHead, BlendRegressorHead
from featx.heads.ensemble import EnsembleHead
from featx.heads.named import make_head
from featx.heads.pipeline import HeadPipeline
from featx.heads.selector import RelevanceSelector
from featx.text import quoted
from featx.transfer.frozen import blocks_of, reading


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
        "default": Strategy(
            "a linear model of the extractor's own depth: by default what suits this backbone best",
            "whatever the images are",
        ),
        "all-depths": Strategy(
            "a linear model of the features of every depth that are relevant, as many as cross-validation says",
            "where it is not known at which depth the useful features are",
        ),
        "blend": Strategy(
            "linear models of every run of stages, their answers averaged by weights from held-out images",
            "20 images of a class and more, and fewer images than columns",
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
"""The table of strategies, those that train no network first. Stages by their numbers are strategies, too."""

_CALM = {"Cs": (1e-4, 1e-3, 1e-2, 1e-1, 1.0)}
"""A greater C was no better, and with many classes takes most of the time: docs/strategies.md has figures."""
_QUICK = {"Cs": (1e-3, 1e-2, 1e-1, 1.0), "cv": 2, "tol": 1e-3}

SCRATCH = {"decay": 1.0, "patience": None}
"""What training from random weights asks of a `FineTuner`: every stage has all to learn, and begins slowly."""

FROZEN = tuple(name for name, strategy in STRATEGIES.items() if not strategy.trains and not strategy.several)
"""Names of the strategies that train no network, and take one."""
_STAGES = re.compile(r"stages?-[1-9]\d*(-[1-9]\d*)?(-grid2)?")


def check_strategy(name: Any, *others: str) -> None:
    """Refuse what is no name of a strategy; whether the backbone has the stages that it names is not looked up.

    Parameters
    ----------
    name
        A name of `STRATEGIES`, or stages: ``stage-3``, ``stages-2-4``, and with the quarters of their maps
        ``stages-2-4-grid2``.
    others
        Other names that will do.

    Raises
    ------
    UnknownNameError
        If it is none of these.

    Examples
    --------
    >>> check_strategy("stages-2-4")
    """
    if name not in (*others, *STRATEGIES) and not (isinstance(name, str) and _STAGES.fullmatch(name)):
        known = [*others, *STRATEGIES]
        hint = f"Known: {', '.join(map(repr, known))}, and stages, as 'stage-3' or 'stages-2-4-grid2'."
        raise UnknownNameError("strategy", name, known, hint)


def make_strategy(
    name: str, extractor: Any = "featx-mini", *, regression: bool = False, head: Any = "auto", **choices: Any
) -> Any:
    """Return a new, unfitted estimator over images that carries out a strategy.

    Parameters
    ----------
    name
        A name of `STRATEGIES`; or stages, ``stage-3`` or ``stages-2-4`` side by side, and with the quarters of their
        maps ``stages-2-4-grid2``.
    extractor
        A `FeatureExtractor`, or what it takes for `backbone`. ``default`` takes its depth, the other strategies that
        train no network choose depths of their own, and ``pixels`` only reads images as it does; ``ensemble`` takes an
        extractor of several backbones as it is. The first time, the network is built to count its stages or columns.
    regression
        Whether the targets are numbers, not classes.
    head
        A name for `make_head`, or a scikit-learn estimator. ``"auto"``: ``logistic``, or for numbers ``ridge``.
        ``finetune``, ``scratch`` and ``blend`` have a head of their own.
    choices
        For ``finetune`` and ``scratch``: parameters of `FineTuner`.

    Returns
    -------
    scikit-learn estimator
        A `featx.heads.HeadPipeline` with the steps ``features``, for ``all-depths`` ``selection``, and ``head``, which
        for ``ensemble`` is a `featx.heads.EnsembleHead`, for ``blend`` a `featx.heads.BlendHead`; or a `FineTuner` or
        `FineTunerRegressor`.

    Raises
    ------
    UnknownNameError
        If there is no such strategy.
    InputError
        If the extractor has a pooling for each of its own depths, or not as many backbones as the strategy takes; or
        there is a head for ``blend``.
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
    check_strategy(name)
    if name in STRATEGIES and STRATEGIES[name].trains:
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
    if name == "blend":
        if head != "auto":
            raise InputError(
                f"head={quoted(head)}: 'blend' has a head of its own, ridge regression. Leave head at 'auto', or take "
                "another strategy."
            )
        read = blocks_of(extractor)
        kind = BlendRegressorHead if regression else BlendHead
        return HeadPipeline([("features", read.extractor), ("head", kind(read.widths, read.choices))])
    if name in STRATEGIES and STRATEGIES[name].several:
        steps = model_steps(name, regression=regression, head=head)
        return HeadPipeline(
            [("features", extractor), ("head", EnsembleHead(steps[0][1], _widths_of(extractor)))]
        )
    features = reading(extractor, name)
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


def _widths_of(extractor: FeatureExtractor) -> tuple[int, ...]:
    """Count the columns of each of several backbones."""
    passes = passes_of(extractor.plan())
    if len(passes) < 2:
        raise InputError(
            f"'ensemble' takes several backbones, and {passes[0].taps[0].backbone!r} is one. Give "
            "FeatureExtractor([...]) a list."
        )
    return tuple(sum(tap.width for tap in one.taps) for one in passes)
