"""What an extractor brings to the choice: its strategies, compared by ridge regression, and their blend."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.embedding.extractor import FeatureExtractor
from featx.heads.blend import BlendHead, BlendRegressorHead
from featx.heads.mixing import Mixture, mixture, sharpness
from featx.heads.ridge import ROUNDS, Answers, compare
from featx.transfer.frozen import PIXELS, Frozen, blocks_of
from featx.transfer.judging import Judge, Verdict

BLEND = "blend"


@dataclass(frozen=True)
class Entry:
    """One network, or several together, with what its strategies answered to images that were held out."""

    parts: Sequence[Frozen]
    """Each network with its vectors."""
    answers: Mapping[tuple[int, str], Answers]
    """Those of each network's strategies; those of least error first."""
    verdicts: Mapping[str, Verdict]
    """On each strategy by itself, and on ``blend``, where there is one; the best first."""
    mixed: Mixture | None
    """What each counts for in the blend."""

    @property
    def stays(self) -> str:
        """What another strategy has to be better than by more than noise."""
        return BLEND if self.mixed else "default"

    def best(self, verdicts: Mapping[str, Verdict], *, judged: bool) -> str:
        """Take what is ahead of what stays by more than a standard error of their difference, else that.

        Parameters
        ----------
        verdicts
            On what stays and its rivals.
        judged
            Whether they are of the head itself. By ridge regression all that a blend can read is in it.
        """
        count = len(verdicts[self.stays].parts)  # of a strategy that was dropped early there are fewer
        rivals = [name for name, verdict in verdicts.items() if len(verdict.parts) == count]
        if self.mixed and not judged:
            rivals = [name for name in (self.stays, PIXELS) if name in rivals]
        first = max(rivals, key=lambda name: verdicts[name].mean)
        ahead, noise = verdicts[first].ahead(verdicts[self.stays])
        return first if ahead > noise else self.stays

    @property
    def networks(self) -> int:
        """How many networks have a part in what stays."""
        return len({number for number, _ in self.mixed.shares}) if self.mixed else len(self.parts)

    @property
    def extractor(self) -> FeatureExtractor:
        """What it is made of."""
        return beside([part.extractor for part in self.parts])

    def named(self, key: tuple[int, str]) -> str:
        """Name a strategy; where there are several networks, after its own."""
        return _called(self.parts, key)

    def default(self) -> tuple[FeatureExtractor, NDArray[np.float32]]:
        """Give the default depths of all networks, and what they gave."""
        columns = [part.columns(part.keys["default"]) for part in self.parts]
        return self.extractor, np.concatenate(columns, axis=1)

    def blend(self, judge: Judge) -> tuple[FeatureExtractor, NDArray[np.float32], Any]:
        """Give the extractor of the strategies that count, what it gave, and the head, unfitted."""
        assert self.mixed is not None
        reads, columns = [], []
        widths, choices, members = list[int](), list[list[int]](), list[tuple[int, str]]()
        for number, part in enumerate(self.parts):
            own = [key for key in self.mixed.shares if key[0] == number]
            if own:
                read = blocks_of(part.extractor, [name for _, name in own])
                choices += [[len(widths) + block for block in choice] for choice in read.choices]
                widths += read.widths
                members += own
                reads.append(read.extractor)
                columns.append(part.columns(read.keys))
        head = (BlendRegressorHead if judge.regression else BlendHead)(
            widths,
            choices,
            shares=[self.mixed.shares[key] for key in members],
            penalties=[self.mixed.penalties[key] for key in members],
        )
        if not judge.regression and judge.count <= ROUNDS[-1][0]:
            rows = self.mixed.rows
            head.sharpness = sharpness(
                judge.target, judge.encoded[rows] > 0, self.mixed.found, judge.weights[rows]
            )
        return beside(reads), np.concatenate(columns, axis=1), head


def enter(
    extractor: FeatureExtractor, X: Any, judge: Judge, *, blends: bool, random_state: int | None
) -> Entry:
    """Compare the strategies of one network, from one pass over the images.

    Parameters
    ----------
    extractor
        Says which backbone, and everything else but the depth.
    X
        Images.
    judge
        Has the targets and the folds.
    blends
        Whether answers may be averaged, where there are fewer images than columns.
    random_state
        Decides which images are left out where there are more than are compared on.
    """
    frozen = Frozen(extractor, X)
    found = compare(
        frozen.blocks, frozen.candidates, judge.encoded, judge.folds, judge.weights,
        stays=("default", PIXELS), random_state=random_state,
    )  # fmt: skip
    answers = {(0, name): one for name, one in found.items()}
    return _entry([frozen], answers, judge, blends=blends and judge.count < frozen.width)


def together(entries: Sequence[Entry], judge: Judge, *, blends: bool) -> Entry:
    """Put networks side by side: one blend of all their strategies, or their defaults under one head.

    Parameters
    ----------
    entries
        Of one network each, on the same images.
    judge, blends
        As for `enter`.
    """
    parts = [part for entry in entries for part in entry.parts]
    blends = blends and all(entry.mixed for entry in entries)
    if blends:
        answers = {
            (number, name): told
            for number, entry in enumerate(entries)
            for (_, name), told in entry.answers.items()
        }
        return _entry(parts, answers, judge, blends=True)
    blocks = {
        (number, key): part.blocks[key] for number, part in enumerate(parts) for key in part.keys["default"]
    }
    found = compare(blocks, {"default": list(blocks)}, judge.encoded, judge.folds, judge.weights)
    verdict = judge.of_answers(found["default"].found, found["default"].rows)
    return Entry(parts, {(0, "default"): found["default"]}, {"default": verdict}, None)


def _entry(
    parts: Sequence[Frozen], answers: Mapping[tuple[int, str], Answers], judge: Judge, *, blends: bool
) -> Entry:
    one = len(parts) == 1
    verdicts = {key: judge.of_answers(told.found, told.rows) for key, told in answers.items()}
    order = sorted(verdicts, key=lambda key: (-len(answers[key].rows), -verdicts[key].mean))
    named = {_called(parts, key): verdicts[key] for key in order}
    mixed = None
    if blends:
        readable = {key: told for key, told in answers.items() if key[1] != PIXELS}
        mixed = mixture(readable, judge.encoded, judge.weights)
        named = {BLEND: judge.of_answers(mixed.found, mixed.rows), **named}
        if not one:
            named[PIXELS] = verdicts[0, PIXELS]
    return Entry(parts, answers, named, mixed)


def _called(parts: Sequence[Frozen], key: tuple[int, str]) -> str:
    number, name = key
    return name if len(parts) == 1 else f"{parts[number].extractor.plan().name}: {name}"


def beside(each: Sequence[FeatureExtractor]) -> FeatureExtractor:
    """Put extractors of one backbone each side by side; one is itself."""
    first, *more = each
    if not more:
        return first
    names = ("backbone", "weights", "scaling", "depth", "pooling")
    lists = {name: [getattr(one, name) for one in each] for name in names}
    for name in ("depth", "pooling"):  # a list without a list in it is for all
        if not any(isinstance(one, list | tuple) for one in lists[name]):
            lists[name] = lists[name][0] if len(set(lists[name])) == 1 else [[one] for one in lists[name]]
    return first.with_choices(**lists)
