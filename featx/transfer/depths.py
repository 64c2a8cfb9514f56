"""The depth curve: every stage of a backbone from one pass over the images, and a score for each."""

from collections.abc import Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.cache.identity import digest
from featx.cache.memo import Memo
from featx.embedding.composition import as_extractor, on_one_backbone
from featx.embedding.extractor import FeatureExtractor
from featx.embedding.plan import Tap
from featx.embedding.progress import bar
from featx.errors import ImageError
from featx.evaluation.comparison import standard_error
from featx.evaluation.report import Report, evaluate, prepare
from featx.heads.checks import check_members, given, labels_of, numbers_of
from featx.heads.named import make_head
from featx.heads.routing import requesting
from featx.heads.targets import classes_in
from featx.images.loading import bad_image
from featx.images.sources import Source, as_sources
from featx.networks.cost import shares
from featx.transfer.depth_report import DepthCurve, DepthRow


def depth_curve(
    images: Any,
    y: Any,
    extractor: Any = "featx-mini",
    *,
    head: Any = "auto",
    cv: Any = 5,
    groups: Any = None,
    scoring: Any = None,
    sample_weight: Any = None,
    random_state: int | None = 0,
    n_jobs: int | None = None,
    **choices: Any,
) -> DepthCurve:
    """Score every depth of a backbone on labelled images.

    Each image goes through the network once, for all depths, and not at all where its embeddings are cached. Each
    depth, the last two, the last three and all of them side by side are then scored by a cross-validated linear head.

    Parameters
    ----------
    images
        Images, in any form that `FeatureExtractor.transform` takes.
    y
        Classes (n,), several labels (n, k) of 0 and 1, or numbers (n,) or (n, k).
    extractor
        A `FeatureExtractor`, or what it takes for `backbone`. Its depths are compared; ``"default"`` is every stage.
        Its pooling is one for all, or one for each; ``"default"`` is ``avg+std``, twice as many columns as a stage has
        channels. Cells of the map (``grid2``, ``std+grid2``) help where the place of things matters, at more time.
    head
        A name for `make_head` or a scikit-learn estimator. ``"auto"``: ``ridge-classifier``, or for numbers ``ridge``:
        as good as ``logistic`` from a few hundred columns on, in a fraction of the time. With fewer columns and many
        classes it may not see a class between others; then give ``"logistic"``. Counts are numbers only with
        ``head="ridge"``.
    cv, groups, scoring, sample_weight, random_state, n_jobs
        As for `featx.evaluate`; the folds are the same for every row. Of several metrics the first decides.
    choices
        Parameters of `FeatureExtractor`, in place of what `extractor` says: ``depth_curve(X, y, "mobilenet_v2",
        input_size=96)``.

    Returns
    -------
    DepthCurve

    Raises
    ------
    ValueError
        If the lengths of `images` and `y` differ, there is NaN in `y`, one class only, or a class with one image.
    InputError, WeightsError
        If a choice cannot be carried out.

    Notes
    -----
    ``cheapest`` is the rule of one standard error (Breiman et al., *Classification and Regression Trees*, 1984, section
    3.4.3), with the error of the difference to the best, fold by fold, in place of the best's own.

    Examples
    --------
    >>> from featx.images import synthetic
    >>> images, labels = synthetic(n=60, classes=3, size=32, random_state=0)
    >>> curve = depth_curve(images, labels, input_size=32, cache=None)
    >>> [row.name for row in curve.rows]
    ['1', '2', '3', '4', '3-4', '2-4', '1-4']
    >>> curve.best.score > 0.9
    True
    >>> FeatureExtractor(input_size=32, cache=None, **curve.cheapest.params).transform(images).shape[0]
    60
    """
    extractor = on_one_backbone(as_extractor(extractor, **choices))
    sources = as_sources(images, image_shape=extractor.image_shape, value_range=extractor.value_range)
    y, head = check_target(sources, y, head)
    judged = {
        "cv": cv, "groups": groups, "scoring": scoring, "sample_weight": sample_weight, "random_state": random_state,
    }  # fmt: skip
    judged["cv"] = prepare(head, sources, y, **judged)[1]  # what is wrong is found before the network runs
    asked = extractor.with_choices(
        depth=list(extractor.stages()) if _is_default(extractor.depth) else extractor.depth,
        pooling="avg+std" if _is_default(extractor.pooling) else extractor.pooling,
        image_shape=None,
    )
    plan, cache = asked.plan(), asked.open_cache()
    memo = Memo(cache.path) if cache else None
    embeddings, seconds = _embed(asked, sources, plan.taps, memo)
    key = "cost of " + digest(" ".join([asked.engine, *(tap.recipe_id for tap in plan.taps)]).encode()).hex()
    known = (memo.recall(key) if memo else None) or {}
    if known.get("shares") is None or seconds:
        parts = known.get("shares") or shares(plan.graph(plan.precision), [tap.layer for tap in plan.taps])
        known = {"shares": parts, "seconds": seconds or known.get("seconds")}
        if memo:
            memo.note(key, known)
    rows = _rows(
        embeddings,
        y,
        head,
        taps=plan.taps,
        cost=known,
        judged={**judged, "n_jobs": n_jobs},
        verbose=extractor.verbose,
    )
    place = max(range(len(rows)), key=lambda row: (rows[row].score, -rows[row].share, -rows[row].columns))
    rows = [_against(rows[place], row) for row in rows]
    # one fold tells no noise; then none but the best is known to be as good
    close = [row for row in rows if row.behind <= (row.noise if np.isfinite(row.noise) else 0)]
    return DepthCurve(
        plan.name,
        plan.input_size,
        tuple(rows),
        rows[place],
        min(close, key=lambda row: (row.share, row.columns)),
        known["seconds"],
        embeddings,
    )


def check_target(sources: Sequence[Source], y: Any, head: Any = "auto") -> tuple[NDArray[Any], Any]:
    """Check targets before any image is read; give them as an array, with the head that suits them.

    Raises
    ------
    ValueError
        Those of `depth_curve`.
    """
    from sklearn.base import is_regressor
    from sklearn.utils import check_consistent_length
    from sklearn.utils.multiclass import type_of_target

    y = given(y)
    check_consistent_length(sources, y)
    if isinstance(head, str) and head == "auto":
        head = "ridge" if type_of_target(y, input_name="y").startswith("continuous") else "ridge-classifier"
    head = requesting(make_head(head)) if isinstance(head, str) else head
    if is_regressor(head):
        return numbers_of(y), head
    y = labels_of(y)
    classes_in(y)
    if y.ndim == 1:
        check_members(y)
    return y, head


def _is_default(choice: Any) -> bool:
    return isinstance(choice, str) and choice == "default"


def _embed(
    extractor: FeatureExtractor, sources: list[Source], taps: Sequence[Tap], memo: Memo | None
) -> tuple[NDArray[np.float32], float | None]:
    """Embed in two halves, so that the second is timed without what the first had to build.

    Bad images of both halves are one error. Returns the embeddings, and the seconds for an image, None if not nearly
    all of the second half was computed.
    """
    half = (len(sources) + 1) // 2
    told = extractor.with_choices(on_error="nan")
    first = told.transform(sources[:half])
    bad = list(told.bad_images_)
    started = perf_counter()
    second = told.transform(sources[half:]) if half < len(sources) else first[:0]
    seconds = (perf_counter() - started) / max(1, len(second))
    if len(second):
        rows = [half + one.row for one in told.bad_images_]
        bad += [
            bad_image(row, sources[row], one.reason) for row, one in zip(rows, told.bad_images_, strict=True)
        ]
    if bad:
        raise ImageError(bad, len(sources))
    if not len(second):
        return first, None
    uses = [memo.last_use(tap.recipe_id) for tap in taps] if memo else []
    cached = any(use is None or use.found > 0.1 * use.asked for use in uses)
    return np.concatenate([first, second]), None if cached else seconds


def _rows(
    embeddings: NDArray[np.float32], y: NDArray[Any], head: Any, *, taps: Sequence[Tap],
    cost: dict[str, Any], judged: dict[str, Any], verbose: int | None,
) -> list[DepthRow]:  # fmt: skip
    """Score each tap, then the last two, the last three and all of them."""
    edges = np.cumsum([0, *(len(tap.columns) for tap in taps)])
    spans = [(place, place + 1) for place in range(len(taps))]
    spans += [(len(taps) - count, len(taps)) for count in sorted({2, 3, len(taps)}) if 1 < count <= len(taps)]
    rows = []
    with bar(len(spans), "depth", "scores", verbose) as done:
        for start, stop in spans:
            used = taps[start:stop]
            features = embeddings[:, edges[start] : edges[stop]]
            report = evaluate(head, features, y, **judged, verbose=0)
            share = max(cost["shares"][start:stop])
            rows.append(
                DepthRow(
                    _name(used),
                    tuple(tap.depth for tap in used),
                    tuple(tap.pooling for tap in used),
                    features.shape[1],
                    report,
                    share,
                    None if cost["seconds"] is None else cost["seconds"] * share,
                )
            )
            done.update()
    return rows


def _name(taps: Sequence[Tap]) -> str:
    depths = [tap.depth for tap in taps]
    numbers = [depth for depth in depths if isinstance(depth, int)]
    if len(numbers) == len(depths) > 1 and numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]}-{numbers[-1]}"
    return " + ".join(map(str, depths))


def _against(best: DepthRow, row: DepthRow) -> DepthRow:
    """Compare a row with the best, fold by fold."""
    behind, noise = paired(best.report, row.report)
    return replace(row, behind=behind, noise=noise)


def paired(better: Report, worse: Report) -> tuple[float, float]:
    """Compare two reports on the same folds: the mean of the differences, and its standard error."""
    differences = np.subtract(better.scores, worse.scores)
    return float(differences.mean()), standard_error(differences, better.rounds)
