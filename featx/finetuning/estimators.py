"""Fine-tuning: a network trained on, whole or in its last stages, from where frozen features and a linear head are.

A linear head first, then fine-tuning, changes a pretrained network less than a head that starts from nothing: Kumar et
al., ICLR 2022.
"""

from collections.abc import Mapping
from os import PathLike
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import Tags

from featx.finetuning.lesson import Lesson
from featx.finetuning.tuner import Tuner
from featx.heads.checks import labels_of, numbers_of
from featx.heads.logistic import LogisticHead
from featx.heads.named import make_head
from featx.heads.targets import Target, classes_in, numbers_in


class FineTuner(ClassifierMixin, Tuner):  # type: ignore[misc] # scikit-learn has no types
    """Fine-tune a pretrained CNN as a classifier of images.

    A linear head is fitted to the extractor's frozen embeddings. Then the head and the network's last stages are
    trained together, each stage at its own rate. Some images are held out; the epoch that does best on them is taken,
    and of the weights on the straight way to it from the frozen network those that do best. If these are the frozen
    ones, the frozen pipeline comes out, its head fitted to all images.

    It is a transformer, too: in a pipeline or a `ColumnTransformer` it is tuned, then embeds, and another head follows.

    Two classes get a sigmoid, more a softmax, several labels for each image a sigmoid each; the loss is the
    cross-entropy.

    Parameters
    ----------
    extractor
        What is tuned, and how images come into it: a `FeatureExtractor`, or what it takes for `backbone` (a name, a
        ``.keras`` file, a Keras model). The head reads its depths. With its ``weights=None`` the network is trained
        from scratch: BatchNorm learns too, and the head starts from zeros; ``decay=1, patience=None`` suit that. Its
        `precision` is taken as ``float32``, whatever it says, and its `on_error` as ``raise``.
    stages
        How many of the network's last stages are tuned, counted from the deepest that the head reads. ``"all"``: every
        one. 0: only the head. ``"norm"``: of every stage only what has one number for a channel, the scales and shifts
        of normalisation and the biases; BatchNorm's statistics stay as they are. ``"auto"``: 1, ``"norm"`` and
        ``"all"`` are each trained for a tenth of `epochs`, and of `max_seconds`; what has the least loss on the images
        held out by then is trained from the start, in the time that is left. From scratch it is ``"all"``.
    head
        ``"auto"``: the head starts as `LogisticHead` on frozen embeddings. None: it starts from zeros.
    epochs
        How often each image is seen, at most.
    batch_size
        Images in a training step.
    learning_rate
        The head's rate at its highest. ``"auto"``: 1e-3 for AdamW, 3e-3 for SGD.
    decay
        The last stage learns at `decay` times the head's rate, the one before it at `decay` ** 2 times, and so on.
    optimizer
        ``"adamw"``, whose steps shrink with the gradient where that is below 1e-4, or ``"sgd"``.
    weight_decay
        Share of each weight that a step at rate 1 takes away; biases do not decay.
    momentum
        The momentum of SGD.
    warmup
        Share of the training during which the rate rises. After it the rate falls to 0 along a half cosine.
    label_smoothing
        Share of a uniform guess that is mixed into the targets.
    dropout
        Share of the embedding's columns that each step leaves out.
    augment
        How images are changed at random, in training only: ``flip``, ``crop``, ``rotation``, ``translation``,
        ``contrast``, ``erasing``, a sum of these such as ``flip+crop``; ``"default"``, which is
        ``translation+rotation+contrast``; a Keras model or a list of layers, which get float32 pixels of 0..255; or
        None: what the stages that are not tuned make of each image is then computed once.
    unfreeze
        ``"at-once"``, or ``"gradual"``: the last stage first, then one more at a time during half of the training.
    class_weight
        None, ``"balanced"`` or a weight for each label, as in scikit-learn.
    validation
        Share of the images that is held out, the same of each class. None: all are trained on, and the last epoch is
        kept.
    patience
        How many epochs without a better one end the training. None: none do.
    average
        Which weights come out. ``"auto"``: the mean over about the last tenth of the steps, mixed with the frozen
        weights in the share, by fifths, that does best on the images held out. A number: mixed in this share, from 0,
        the frozen network, to 1, the tuned one. None: those after the best epoch, as they are. From scratch, and
        without images held out, ``"auto"`` mixes nothing.
    precision
        ``"float32"``, or ``"mixed"``: the network's arithmetic is bfloat16 while it is trained.
    checkpoint
        A folder where the state is kept after each epoch. After a kill, `fit` with the same choices, images and labels
        continues from there. None: nothing is kept.
    max_seconds
        Ends the training after about this time, counted from the start of `fit`; the rates are at 0 by then.
    random_state
        Fixes which images are held out, the order of the others, and how they are changed.
    verbose
        1: a progress bar on stderr. 0: none. None: what the extractor says.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels; for several labels each, the numbers of their columns.
    backbone_ : keras.Model
        The tuned network, from pixels of 0..255 to the maps that are pooled; a backbone for `FeatureExtractor`.
    depth_, pooling_ : list of str
        Where the head reads `backbone_`, and how.
    coef_, intercept_ : ndarray of shape (n_scores, d), (n_scores,)
        The head: scores are ``FeatureExtractor(backbone_, depth=depth_, pooling=pooling_).transform(X) @ coef_.T +
        intercept_``.
    target_ : Target
        What `y` was taken for: ``kind``, ``activation``.
    history_ : list of dict
        For each epoch ``loss``, ``rates`` (of the head, the last stage, the one before it, ...; at its last step),
        ``seconds``, and with validation ``validation_score`` and ``validation_loss``. Epoch 0 is before training.
    stages_ : int or str
        What was tuned: `stages`, or what ``"auto"`` chose.
    trials_ : list of dict
        For each choice of ``"auto"`` its ``stages``, ``validation_score``, ``validation_loss`` and ``seconds``.
    best_epoch_ : int
        The epoch that was kept; 0: the frozen pipeline was.
    share_ : float
        How much of the weights that came out is the tuned network's, from 0, the frozen pipeline, to 1. Only what was
        tuned differs between the two.
    shares_ : list of dict
        For each ``share`` that was tried ``validation_score`` and ``validation_loss``. Empty without validation.
    n_features_in_ : int
        Columns seen in `fit`. Only where the extractor has an `image_shape`.

    References
    ----------
    The average with the frozen weights: Wortsman et al., *Robust Fine-Tuning of Zero-Shot Models*, CVPR 2022. Over the
    steps: Shamir & Zhang, *Stochastic Gradient Descent for Non-Smooth Optimization*, ICML 2013.

    Examples
    --------
    >>> from featx.embedding import FeatureExtractor
    >>> from featx.images import synthetic
    >>> images, labels = synthetic(n=60, classes=3, size=32, random_state=0)
    >>> extractor = FeatureExtractor("featx-mini", depth=3, input_size=32, cache=None)
    >>> tuner = FineTuner(extractor, epochs=2, random_state=0)
    >>> bool(tuner.fit(images[:40], labels[:40]).score(images[40:], labels[40:]) > 0.8)
    True
    >>> tuner.target_.activation, len(tuner.backbone_.outputs)
    ('softmax', 1)
    >>> tuner.transform(images).shape
    (60, 640)
    """

    def __init__(
        self,
        extractor: Any = "featx-mini",
        *,
        stages: int | str = "all",
        head: str | None = "auto",
        epochs: int = 20,
        batch_size: int = 32,
        learning_rate: float | str = "auto",
        decay: float = 0.5,
        optimizer: str = "adamw",
        weight_decay: float = 0.01,
        momentum: float = 0.9,
        warmup: float = 0.1,
        label_smoothing: float = 0.0,
        dropout: float = 0.0,
        augment: Any = "default",
        unfreeze: str = "at-once",
        class_weight: Mapping[Any, float] | str | None = None,
        validation: float | None = 0.15,
        patience: int = 5,
        average: float | str | None = "auto",
        precision: str = "float32",
        checkpoint: str | PathLike[str] | None = None,
        max_seconds: float | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int | None = None,
    ) -> None:
        super().__init__(
            extractor,
            stages=stages,
            head=head,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            decay=decay,
            optimizer=optimizer,
            weight_decay=weight_decay,
            momentum=momentum,
            warmup=warmup,
            dropout=dropout,
            augment=augment,
            unfreeze=unfreeze,
            validation=validation,
            patience=patience,
            average=average,
            precision=precision,
            checkpoint=checkpoint,
            max_seconds=max_seconds,
            random_state=random_state,
            verbose=verbose,
        )
        self.label_smoothing = label_smoothing
        self.class_weight = class_weight

    def _labels(self, y: Any) -> np.ndarray:
        return labels_of(y)

    def _read(self, lesson: Lesson) -> Target:
        target = classes_in(lesson.y)
        self.classes_ = np.asarray(target.classes)
        return target

    def _probe(self, embeddings: np.ndarray, y: np.ndarray, **told: Any) -> tuple[np.ndarray, np.ndarray]:
        head = LogisticHead(class_weight=self.class_weight).fit(embeddings, y, **told)
        return head.coef_, head.intercept_

    def _score(self, y: np.ndarray, predicted: np.ndarray, weights: np.ndarray | None) -> float:
        return float(accuracy_score(y, predicted, sample_weight=weights))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Give probabilities.

        Parameters
        ----------
        X
            Images, as for `fit`.

        Returns
        -------
        array
            (n, n_classes), whose rows sum to 1; or for several labels (n, n_labels), each by itself.
        """
        scores = self._scores(X)
        return self.target_.probabilities(scores)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class FineTunerRegressor(RegressorMixin, Tuner):  # type: ignore[misc] # scikit-learn has no types
    """Fine-tune a pretrained CNN to predict numbers from images.

    Works as `FineTuner` does, from ridge regression on frozen embeddings. Numbers that all lie in 0..1 get a sigmoid
    and the cross-entropy, and are answered by numbers in 0..1; any others are standardised, with a linear output and
    the squared error. Targets may have several columns.

    Parameters and attributes are those of `FineTuner` without `label_smoothing`, `class_weight` and `classes_`; the
    score is R².

    Examples
    --------
    >>> from featx.embedding import FeatureExtractor
    >>> from featx.images import synthetic
    >>> images, _ = synthetic(n=40, classes=3, size=32, random_state=0)
    >>> brightness = [float(image.mean()) for image in images]
    >>> extractor = FeatureExtractor("featx-mini", depth=2, input_size=32, cache=None)
    >>> tuner = FineTunerRegressor(extractor, epochs=1, random_state=0)
    >>> tuner.fit(images, brightness).predict(images[:3]).shape
    (3,)
    """

    def _labels(self, y: Any) -> np.ndarray:
        return numbers_of(y)

    def _read(self, lesson: Lesson) -> Target:
        return numbers_in(lesson.y, lesson.weights)

    def _probe(self, embeddings: np.ndarray, y: np.ndarray, **told: Any) -> tuple[np.ndarray, np.ndarray]:
        scaler, ridge = make_head("ridge").fit(embeddings.astype(np.float64), y, **told)
        coef = np.atleast_2d(ridge.coef_) / scaler.scale_
        return coef, np.atleast_1d(ridge.intercept_) - coef @ scaler.mean_

    def _score(self, y: np.ndarray, predicted: np.ndarray, weights: np.ndarray | None) -> float:
        return float(r2_score(y, predicted, sample_weight=weights))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
