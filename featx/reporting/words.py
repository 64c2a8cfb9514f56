"""The summary of a report, in sentences."""

from collections.abc import Iterator, Mapping
from typing import Any

FEW = 10
"""A class with fewer images cannot be judged."""
LITTLE = 0.01
"""A gain in the score that is not worth twice as many images."""


def summary(facts: Mapping[str, Any]) -> list[str]:
    """Say how good a model is, how sure that is, whether the images suffice, and what to look at."""
    told = [_score(facts), _baselines(facts), *_data(facts), *_parts(facts), *_doubts(facts)]
    return [sentence for sentence in told if sentence]


def _score(facts: Mapping[str, Any]) -> str:
    scores, (low, high) = facts["scores"], facts["scores"]["interval"]
    sure = "" if low is None or high is None else f", 95 % interval {low:.3f} to {high:.3f}"
    folds = "" if facts.get("unseen") else f"{_count(len(scores['scores']), 'fold')} of "
    others = facts.get("unlabelled")
    beside = f", beside {_count(others, 'image')} without labels" if others else ""
    judged = f"judged by {folds}{_count(facts['images'], 'image')}{beside}"
    mean = scores["mean"]
    if facts["kind"] == "numbers":
        first = facts["numbers"][0]
        one = len(facts["numbers"]) == 1
        off = f" It is off by {first['mae']:.3g} on average; the mean alone is off by {first['mae_of_mean']:.3g}."
        return f"R² is {mean:.3f} for images the model has not seen ({judged}{sure}).{off * one}"
    every = "every label is right" if facts["kind"] == "labels" else "the answer is right"
    return f"For {mean:.1%} of the images it has not seen {every} ({judged}{sure})."


def _baselines(facts: Mapping[str, Any]) -> str:
    scores, pixels = facts["scores"], facts.get("pixels")
    guess, low = scores["guess"], scores["interval"][0]
    if guess is None:
        return ""
    best = {"classes": "the most frequent class", "labels": "the most frequent labels", "numbers": "the mean"}
    said = f"Always answering {best[facts['kind']]} scores {guess:.3f}"
    beaten = scores["mean"] > guess if low is None else low > guess
    if pixels is None:
        return f"{said}: the model is {'' if beaten else 'not shown to be '}better than that."
    said += f", a linear model of the raw pixels {pixels['mean']:.3f}"
    if beaten and pixels["p"] < 0.05:
        return f"{said}: the model is better than both by more than chance."
    worse = "guessing" if not beaten else "the raw pixels"
    return f"{said}: the model is not shown to be better than {worse}."


def _data(facts: Mapping[str, Any]) -> Iterator[str]:
    curve = facts.get("learning")
    if curve:
        half, full = (point["images"] for point in curve["points"][-2:])
        gain, error = curve["gain"], curve["error"]
        noise = f"{gain:+.3f} ± {error:.3f}"
        learned = f"{full} images to learn from instead of {half} brought {noise}"
        if gain > 2 * error:
            yield f"More images would help: {learned}, and doubling them once more may bring part of that again."
        elif gain + 2 * error < LITTLE:
            yield f"More images of the same kind would hardly help: {learned}."
        else:
            yield f"More images may help or not: {learned}, which may be chance."
    small = [row for row in facts.get("classes", ()) if row["images"] < FEW]
    if small:
        least = min(small, key=lambda row: row["images"])
        some = f", such as {_name(least['class'])} with {least['images']}" if len(small) > 1 else ""
        which = (
            f"{len(small)} classes have" if len(small) > 1 else f"The class {_name(small[0]['class'])} has"
        )
        yield f"{which} fewer than {FEW} images{some}: too few to judge by."


def _parts(facts: Mapping[str, Any]) -> Iterator[str]:
    rows = facts.get("classes", ())
    if len(rows) > 1:
        worst = min(rows, key=lambda row: row["f1"])
        if worst["f1"] < 0.995:
            yield (
                f"Weakest is {_name(worst['class'])}: {worst['recall']:.0%} of its images are found, and "
                f"{worst['precision']:.0%} of the images called so are."
            )


def _doubts(facts: Mapping[str, Any]) -> Iterator[str]:
    found = [
        (len(facts["wrong_labels"]), "label that may be wrong", "labels that may be wrong"),
        (len(facts["duplicates"]), "group of duplicates", "groups of duplicates"),
        (len(facts["bad_images"]), "image that cannot be read", "images that cannot be read"),
    ]
    said = [f"{number} {one if number == 1 else many}" for number, one, many in found if number]
    if said:
        yield f"To look at: {' and '.join([', '.join(said[:-1]), said[-1]]) if len(said) > 1 else said[0]}."
    if facts["leaked"]:
        yield (
            f"The score is too good: {_count(len(facts['leaked']), 'image')} tested on have a copy among those learned "
            "from."
        )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def _name(label: Any) -> str:
    text = str(label)
    return f"“{text if len(text) <= 60 else text[:57] + '…'}”"
