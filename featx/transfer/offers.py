"""Which networks and views a choice takes: no more of them than measurably pays, since each is work for every image."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from featx.embedding.composition import each_backbone
from featx.embedding.extractor import FeatureExtractor
from featx.evaluation.comparison import plus_minus
from featx.transfer.entries import Entry, enter, together
from featx.transfer.judging import Judge, Verdict
from featx.transfer.work import in_words, work_of


class Offer(NamedTuple):
    """A network, or several, with or without views, and what came of it."""

    name: str
    """The networks, and the views."""
    entry: Entry
    """Its strategies."""
    work: int | None
    """Multiply-adds for an image; None where they cannot be counted."""

    @property
    def verdict(self) -> Verdict:
        """On its blend, or on its default."""
        return self.entry.verdicts[self.entry.stays]


def take(
    extractor: FeatureExtractor, X: Any, judge: Judge, *, blends: bool, random_state: int | None
) -> tuple[Offer, list[Offer]]:
    """Compare the networks of an extractor, each alone and all together, and then without its views and with them.

    What is more work is taken if it is ahead of what was taken before by more than a standard error.

    Parameters
    ----------
    extractor
        Has what may be taken: one network or several, with views or without.
    X, judge, blends, random_state
        As for `featx.transfer.entries.enter`.

    Returns
    -------
    tuple
        What is taken, and all that was compared, in the order of their work.
    """
    whole = extractor.with_choices(views=None)

    def offer(entry: Entry) -> Offer:
        own = entry.extractor
        views = "" if own.views is None else f" with views={own.views!r}"
        names = " and ".join(part.extractor.plan().name for part in entry.parts)
        return Offer(f"{names}{views}", entry, work_of(own))

    def entered(one: FeatureExtractor) -> Entry:
        return enter(one, X, judge, blends=blends, random_state=random_state)

    each = [offer(entered(one)) for one in each_backbone(whole)]
    found = sorted(each, key=lambda one: (one.work is None, one.work))
    if len(each) > 1:
        both = together([one.entry for one in each], judge, blends=blends)
        if both.networks > 1:
            found.append(offer(both))
    taken = found[0]
    for other in found[1:]:
        taken = better_of(taken, other)
    if extractor.views is not None:
        shown = [entered(part.extractor.with_choices(views=extractor.views)) for part in taken.entry.parts]
        found.append(offer(shown[0] if len(shown) == 1 else together(shown, judge, blends=blends)))
        taken = better_of(taken, found[-1])
    return taken, found


def better_of(taken: Offer, other: Offer) -> Offer:
    """Give what is more work if it is ahead by more than a standard error, else what was taken before."""
    ahead, noise = other.verdict.ahead(taken.verdict)
    return other if ahead > noise else taken


def cost_of(taken: Offer, offers: Sequence[Offer]) -> str:
    """Say what an image costs, and what of the networks and views was compared."""
    found = f"{taken.name}, {in_words(taken.work)} for an image"
    each = [
        f"{one.name} {plus_minus(one.verdict.mean, one.verdict.error)} for {in_words(one.work)}"
        for one in offers
    ]
    return found if len(offers) == 1 else f"{found}, of {', '.join(each)}"
