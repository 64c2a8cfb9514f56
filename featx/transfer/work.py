"""What an extractor costs for an image, in multiply-adds of its networks."""

from featx.embedding.extractor import FeatureExtractor
from featx.embedding.passes import passes_of
from featx.embedding.plan import Plan
from featx.networks.cost import multiply_adds


def work_of(extractor: FeatureExtractor) -> int | None:
    """Count the multiply-adds of an extractor's networks for an image, each as a whole and for every view.

    Returns
    -------
    int or None
        None where a layer of a Keras model cannot be counted, and of a network in a file, which would have to be built.

    Examples
    --------
    >>> [work_of(FeatureExtractor("featx-mini", views=views)) for views in (None, "flip", 2)]
    [101081088, 202162176, 505405440]
    """
    found = 0
    for one in passes_of(extractor.plan()):
        counts = [_whole(plan) for plan in one.plans]
        if None in counts:
            return None
        found += one.views.at_a_size * sum(count for count in counts if count)
    return found


def _whole(plan: Plan) -> int | None:
    """Count those of a network at its input size; convolutions go by how many pixels there are."""
    height, width = plan.input_size
    if plan.row is not None and plan.row.multiply_adds is not None:
        return round(plan.row.multiply_adds * height * width / plan.row.input_size**2)
    if plan.key is not None:
        return None
    graph = plan.graph("float32")
    counts = multiply_adds(graph)
    needed = [counts[below] for below in graph.needs(graph.end)]
    return None if None in needed else sum(count for count in needed if count)


def in_words(work: int | None) -> str:
    """Write it.

    Examples
    --------
    >>> in_words(101081088), in_words(None)
    ('101 M multiply-adds', 'unknown work')
    """
    return "unknown work" if work is None else f"{work / 1e6:,.0f} M multiply-adds"
