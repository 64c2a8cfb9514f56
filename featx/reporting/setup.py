"""How a model was made: which network, cut where, with which versions, and scikit-learn's diagram of it."""

import platform
import re
from copy import copy
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from featx.cache.memo import Memo
from featx.embedding.composition import as_extractor
from featx.embedding.extractor import FeatureExtractor
from featx.embedding.passes import passes_of
from featx.errors import InputError

PACKAGES = ("featx", "keras", "tensorflow", "openvino", "scikit-learn", "numpy")

_SCRIPT = re.compile(r"<script.*?</script>", re.DOTALL)
_COPY = re.compile(r"<button[^>]*copy-paste-icon.*?</button>", re.DOTALL)
_HEAD = re.compile(r"<!doctype html>|</?(?:html|head|body)\b[^>]*>|<meta [^>]*>", re.IGNORECASE)
_HELP = re.compile(
    r'<a class="sk-estimator-doc-link.*?</a>|<span class="sk-estimator-doc-link.*?</span></span>', re.DOTALL
)
_LINK = re.compile(r"<a\b([^>]*)>")
_ADDRESS = re.compile(r'\s(?:href|rel|target)="[^"]*"')
_CSS_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


def taken_apart(pipeline: Any) -> tuple[FeatureExtractor | None, Any]:
    """Give the extractor a pipeline begins with, and the rest; or an extractor that is somewhere in it, and None.

    Examples
    --------
    >>> from featx.heads import make_head
    >>> from sklearn.pipeline import make_pipeline
    >>> extractor, head = taken_apart(make_pipeline(FeatureExtractor(), make_head("logistic")))
    >>> extractor, head
    (FeatureExtractor(), Pipeline(steps=[('logistichead', LogisticHead())]))
    """
    if isinstance(pipeline, Pipeline) and len(pipeline) > 1 and isinstance(pipeline[0], FeatureExtractor):
        return pipeline[0], copy(pipeline).set_params(steps=pipeline.steps[1:])  # a slice forgets requests
    inside = getattr(pipeline, "best_estimator_", pipeline)
    for part in (inside, *inside.get_params().values()):
        if isinstance(part, FeatureExtractor):
            return part, None
    given = getattr(inside, "extractor", None)
    try:
        return (None if given is None else as_extractor(given)), None
    except InputError:  # an attribute of somebody else's estimator
        return None, None


def recipe(extractor: FeatureExtractor) -> dict[str, Any]:
    """Say which network is cut where."""
    plan = extractor.plan()
    passes = passes_of(plan)
    return {
        "backbone": plan.name,
        "input_size": list(plan.input_size),
        "sizes": [list(size) for size in dict.fromkeys(at.input_size for one in passes for at in one.plans)],
        "views": passes[0].views.count,
        "resize": extractor.resize,
        "precision": extractor.precision,
        "columns": plan.width,
        "depths": [
            {
                "backbone": tap.backbone,
                "depth": tap.depth,
                "layer": tap.layer,
                "pooling": tap.pooling,
                "columns": len(tap.columns),
                "recipe": tap.recipe_id,
            }
            for tap in plan.taps
        ],
    }


def hits(extractor: FeatureExtractor) -> dict[str, int] | None:
    """Say how many embeddings the last run asked the cache for, and how many it found; None without a cache."""
    cache = extractor.open_cache()
    memo = Memo(cache.path) if cache else None
    uses = [memo.last_use(tap.recipe_id) for tap in extractor.plan().taps] if memo else []
    known = [use for use in uses if use]
    return (
        {"asked": sum(use.asked for use in known), "found": sum(use.found for use in known)}
        if known
        else None
    )


def versions() -> dict[str, str]:
    """Give the version of Python and of each package that a number may depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def diagram(pipeline: BaseEstimator) -> str:
    """Give scikit-learn's own diagram as HTML that loads nothing, runs nothing and leads nowhere."""
    from sklearn.utils import estimator_html_repr

    html = estimator_html_repr(pipeline)
    for pattern in (_SCRIPT, _COPY, _HEAD, _HELP, _CSS_COMMENT):
        html = pattern.sub("", html)
    html = _LINK.sub(lambda found: f"<span{_ADDRESS.sub('', found[1])}>", html)
    return html.replace("</a>", "</span>")
