"""What a fitted model answers for any number of images: block by block, and each image is embedded once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from featx.embedding.held import hold
from featx.embedding.progress import bar, sharing
from featx.errors import BadImage, ImageError, InputError
from featx.images.loading import past_bad

BLOCK = 1024
"""Images that are answered for at a time: enough for the faster engine to pay, few enough for any memory."""


@dataclass(frozen=True)
class Answers:
    """What a model answers for some images."""

    paths: Sequence[Any]
    """Those images, n of them; bad ones are not among them."""
    predictions: np.ndarray
    """(n,), or (n, k) where a model answers with k labels or numbers."""
    probabilities: Sequence[np.ndarray] = ()
    """(n, c) for c classes, one such array for each of k labels; empty where the model gives none."""
    classes: Sequence[Sequence[Any]] = ()
    """The classes of each of these arrays."""
    bad: Sequence[BadImage] = ()
    """The images that could not be read."""
    rows: Sequence[int] = ()
    """Which of all images the n are, from 0."""

    def names(self) -> list[str]:
        """Give the paths as text, an empty one for an image that came as the bytes of a file."""
        return [path if isinstance(path, str) else "" for path in self.paths]

    def columns(self, top: int | None = None) -> dict[str, np.ndarray]:
        """Give the answers as the columns of a table.

        Parameters
        ----------
        top
            How many classes to give for each image, the most probable first. None: the answer, and the probability of
            every class.

        Raises
        ------
        InputError
            If `top` is given and the model does not choose among classes by their probability.

        Examples
        --------
        >>> found = Answers(["a.png"], np.array(["bee"]), [np.array([[0.25, 0.75]])], [["ant", "bee"]])
        >>> {name: column.item() for name, column in found.columns().items()}
        {'prediction': 'bee', 'probability': 0.75, 'probability_ant': 0.25, 'probability_bee': 0.75}
        >>> list(found.columns(top=2))
        ['prediction', 'probability', 'prediction_2', 'probability_2']
        """
        if self.predictions.ndim == 2:
            return self._several(top)
        columns = {"prediction": self.predictions}
        if not self.probabilities:
            if top is not None:
                raise InputError(
                    f"top={top}: this model gives no probabilities, so its answers have no order. Leave it out."
                )
            return columns
        (chances,), (classes,) = self.probabilities, self.classes
        order = _order(self.predictions, chances, classes)
        rows = np.arange(len(chances))
        if top is None:
            named = {f"probability_{one}": chances[:, place] for place, one in enumerate(classes)}
            return columns | {"probability": chances[rows, order[:, 0]]} | named
        known = np.asarray(classes)
        for rank in range(min(top, len(classes))):
            end = f"_{rank + 1}" if rank else ""
            columns[f"prediction{end}"] = known[order[:, rank]]
            columns[f"probability{end}"] = chances[rows, order[:, rank]]
        return columns

    def _several(self, top: int | None) -> dict[str, np.ndarray]:
        if top is not None:
            raise InputError(
                f"top={top}: this model answers with {self.predictions.shape[1]} columns, not with one class. "
                "Leave it out."
            )
        columns = {f"prediction_{place}": column for place, column in enumerate(self.predictions.T)}
        for place, (chances, classes) in enumerate(zip(self.probabilities, self.classes, strict=True)):
            order = _order(self.predictions[:, place], chances, classes)
            columns[f"probability_{place}"] = chances[np.arange(len(chances)), order[:, 0]]
        return columns


def answers(
    model: Any, images: Any, *, table: Any = None, block: int = BLOCK, verbose: int | None = None
) -> Iterator[Answers]:
    """Ask a fitted model about images, a block at a time, so that memory does not grow with their number.

    Parameters
    ----------
    model
        A fitted classifier or regressor of images.
    images
        (n,) paths.
    table
        (n, ...) frame that the model takes instead of the paths; they then only name the images.
    block
        Images at a time.
    verbose
        1: one progress bar for all of them on stderr. 0: none. None: one where stderr is a terminal, after a second.

    Yields
    ------
    Answers
        For the images of a block, in their order.

    Raises
    ------
    ImageError
        At the end, if no image at all could be read.
    """
    good = 0
    bad: list[BadImage] = []
    with bar(len(images), "image", "predict", verbose) as done:
        for start in range(0, len(images), block):
            stop = min(start + block, len(images))
            some = images[start:stop]
            with sharing(done, len(images) - start), hold():
                found = _ask(model, some, None if table is None else table.iloc[start:stop], start)
            done.update(stop - done.n)  # those that were cached
            done.clear()  # or the lines that are printed now would go through it
            good += len(found.paths)
            bad += found.bad
            yield found
    if not good:
        raise ImageError(bad, len(images))


def _ask(model: Any, images: np.ndarray, table: Any, start: int) -> Answers:
    def ask(paths: np.ndarray, rows: np.ndarray) -> Answers:
        given = paths if table is None else table.iloc[rows]
        predictions = np.asarray(model.predict(given))
        return Answers(paths.tolist(), predictions, *_probabilities(model, given, predictions))

    try:
        found, (_, rows), bad = past_bad(ask, images, np.arange(len(images)))
    except ImageError as error:
        if len(error.bad) < len(images):
            raise
        return Answers([], np.zeros(0), bad=error.bad)
    return replace(found, bad=bad, rows=(start + rows).tolist())


def _probabilities(
    model: Any, given: Any, predictions: np.ndarray
) -> tuple[Sequence[np.ndarray], Sequence[Sequence[Any]]]:
    if not hasattr(model, "predict_proba"):
        return (), ()
    chances = model.predict_proba(given)
    if predictions.ndim == 1:
        return [np.asarray(chances)], [_listed(model.classes_)]
    if isinstance(chances, list):  # as scikit-learn's own models of several labels have it
        return [np.asarray(one) for one in chances], [_listed(one) for one in model.classes_]
    pairs = [np.column_stack([1 - column, column]) for column in np.asarray(chances).T]
    return pairs, [[0, 1]] * len(pairs)


def _listed(classes: Any) -> Sequence[Any]:
    return classes.tolist() if isinstance(classes, np.ndarray) else list(classes)


def _order(predictions: np.ndarray, chances: np.ndarray, classes: Sequence[Any]) -> np.ndarray:
    """Give the classes' numbers, (n, c): the one that was answered first, then by their probability."""
    number = {one: place for place, one in enumerate(classes)}
    said = np.array([number[one] for one in predictions.tolist()], int)
    first = chances.astype(np.float64)
    first[np.arange(len(said)), said] = 2  # an answer need not be the most probable class: SVC's are not
    return np.argsort(-first, axis=1, kind="stable")
