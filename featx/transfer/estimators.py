"""Transfer learning as one estimator: frozen features first, and fine-tuning only where it measurably pays."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils import Tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from featx.heads.checks import labels_of, numbers_of
from featx.heads.targets import classes_in
from featx.transfer.choice import Transfer


def _has(method: str) -> Callable[[Any], bool]:
    """Whether the fitted estimator has a method; before fitting nobody knows, so yes."""
    return lambda self: hasattr(getattr(self, "estimator_", None), method) or not hasattr(self, "estimator_")


class TransferClassifier(ClassifierMixin, Transfer):  # type: ignore[misc] # scikit-learn has no types
    """Classify images by the strategy of transfer learning that measures best on them.

    Frozen features come first: their strategies are compared by cross-validation on embeddings that are computed once,
    by ridge regression in closed form, and their answers are averaged, weighted by how good they are on images held
    out. Of fewer than 20 images a class one strategy is taken instead: the best, if it is ahead of the default by more
    than a standard error of their difference; else the default. Fine-tuning comes second, where it is allowed, and only
    stays if it is better on images held out from both by more than the noise of that comparison.

    Parameters
    ----------
    extractor
        Which network, and how images come into it: a `FeatureExtractor`, or what it takes for `backbone`. ``default``
        takes its depth, as does fine-tuning; the other frozen strategies choose depths of their own. All take its
        `pooling`, one for all depths. Its `on_error` is taken as ``raise``. Of several backbones ``"auto"`` takes one
        or all, and views or none: what is more work for an image only if it is better by more than noise.
    strategy
        A strategy of `featx.transfer.make_strategy`: ``pixels``, ``start``, ``end``, ``default``, ``all-depths``,
        ``blend``, ``finetune``, ``scratch``, or stages by their numbers, such as ``stage-3`` or ``stages-2-4-grid2``.
        ``"auto"``: ``blend``, or what measures best of all but ``all-depths``, whose selection takes long,
        ``ensemble`` and ``scratch``.
    budget
        How many times as long as one fit of the head to the default features ``"auto"`` may take, roughly, without the
        network. Below 4 ridge regression decides, unless there is a `scoring`; with 4 the head itself compares the
        blend, or the default, with the best other strategy, with 5 with the best two, and so on. None: with all. It is
        a number of fits, not a clock, so a choice can be repeated.
    finetune
        Whether ``"auto"`` may fine-tune. True: always tried. False: never. ``"auto"``: tried with `finetune_from`
        images or more, unless the frozen strategy errs on so few that no model could be shown to be better.
    head
        The model of the frozen features: a name for `make_head`, or a scikit-learn estimator, which is fitted to the
        columns of one strategy. ``"auto"``: a `featx.heads.BlendHead` of many, with 20 images of a class or more and
        fewer images than columns; else ``logistic`` with five strengths to choose from.
    cv
        Folds on which the frozen strategies are compared, fewer if the smallest class has fewer images; or any splitter
        of scikit-learn, or pairs of rows.
    scoring
        What the head compares the best frozen strategies by: a name of scikit-learn's, such as
        ``"balanced_accuracy"``, or a callable (estimator, X, y); a scorer that requests weights gets them. Fine-tuning
        then has to be better by it, too. None: accuracy.
    finetune_from
        How many images make fine-tuning worth a try.
    holdout
        Share of the images on which fine-tuning is compared with the frozen strategy.
    alpha
        How probable a difference as large may be by chance, for fine-tuning to be kept.
    tuner
        A `FineTuner` that says how to fine-tune. Left at its default extractor it tunes the one above. None: a
        `FineTuner` of that extractor that stops after 15 minutes.
    random_state
        Decides which image falls into which fold, and what is random in fine-tuning.
    n_jobs
        How many folds are fitted at a time.
    verbose
        1: progress bars, and `report_`, on stderr. 0: neither. None: what the extractor says of bars.

    Attributes
    ----------
    strategy_ : str
        Name of the strategy that was fitted.
    estimator_ : estimator
        It, fitted to all images: a `HeadPipeline`, or a `FineTuner`.
    scores_ : dict
        For each strategy among which the choice was made the accuracy on its held-out folds and its standard error; of
        several labels, the share that is right. Empty where a strategy was named. By ridge regression, or where
        `budget` lets the head itself compare, by the head in a quicker setting: two folds and four strengths.
    ridge_scores_ : dict
        The same for every strategy by ridge regression, the best first: on 500 images at most, and the best eight on
        1,000.
    shares_ : dict
        What the answers of each strategy count for in a blend, the most first. Empty where one strategy was taken.
    extractor_ : FeatureExtractor
        What was taken of the networks and views.
    offers_ : dict
        For each of these that was compared, in the order of their work, the score, its standard error, and the
        multiply-adds for an image, None where they cannot be counted. Empty where a strategy was named.
    cost_ : str
        The same in a sentence, which the report and the repr have, too.
    comparison_ : dict or None
        What `featx.evaluation.comparison.compare` found of fine-tuning, and whether it was ``kept``. None if it was not
        tried.
    report_ : str
        The choice and its reasons in a sentence.
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted; for multi-label targets the numbers of their columns.
    n_features_in_ : int
        Columns seen in `fit`. Only where the extractor has an `image_shape`.

    Notes
    -----
    The comparison is McNemar's exact test, one-sided, as Dietterich (Neural Computation 1998) advises for models that
    are too slow to train more than once; for several labels it counts images on which more or fewer labels are right. A
    tuned network that is kept is then trained again, on all images.

    Examples
    --------
    >>> from featx.embedding import FeatureExtractor
    >>> from featx.images import synthetic
    >>> images, labels = synthetic(n=60, classes=3, size=32, random_state=0)
    >>> extractor = FeatureExtractor("featx-mini", input_size=32, cache=None)
    >>> model = TransferClassifier(extractor, cv=2).fit(images[:40], labels[:40])
    >>> "default" in model.scores_, "stages-2-3" in model.scores_, model.comparison_
    (True, True, None)
    >>> bool(model.score(images[40:], labels[40:]) > 0.8)
    True
    """

    _regression = False

    def _target(self, y: Any) -> NDArray[Any]:
        labels = labels_of(y)
        classes_in(labels)
        return labels

    @property
    def classes_(self) -> NDArray[Any]:
        """The labels, sorted; for multi-label targets the numbers of their columns."""
        check_is_fitted(self)
        return np.asarray(self.estimator_.classes_)

    @available_if(_has("predict_proba"))  # type: ignore[untyped-decorator] # likewise
    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Give probabilities (n, n_classes), whose rows sum to 1; or (n, n_labels), each label by itself."""
        check_is_fitted(self)
        return np.asarray(self.estimator_.predict_proba(self._images(X, reset=False)))

    @available_if(_has("decision_function"))  # type: ignore[untyped-decorator] # likewise
    def decision_function(self, X: Any) -> NDArray[Any]:
        """Give scores: (n,) of the second of two classes, or (n, n_classes or n_labels)."""
        check_is_fitted(self)
        return np.asarray(self.estimator_.decision_function(self._images(X, reset=False)))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class TransferRegressor(RegressorMixin, Transfer):  # type: ignore[misc] # scikit-learn has no types
    """Predict numbers from images by the strategy of transfer learning that measures best on them.

    Parameters, attributes and procedure are those of `TransferClassifier`, but for these: answers are averaged from 40
    images on, with fewer the head of ``"auto"`` is ``ridge``, the scores are R² of all held-out predictions together,
    and fine-tuning is compared by the one-sided t-test of the paired squared errors.

    Examples
    --------
    >>> from featx.images import synthetic
    >>> images, _ = synthetic(n=40, size=32, random_state=0)
    >>> brightness = images.mean(axis=(1, 2, 3))
    >>> model = TransferRegressor(strategy="pixels").fit(images[:30], brightness[:30])
    >>> bool(model.score(images[30:], brightness[30:]) > 0.5)
    True
    """

    _regression = True

    def _target(self, y: Any) -> NDArray[Any]:
        return numbers_of(y)

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Predict a number for each image, (n,), or several, (n, k)."""
        return np.asarray(super().predict(X), np.float64)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
