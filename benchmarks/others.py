"""What others publish for learning from images by a pretrained network, as estimators that table.py compares."""

from typing import Any, Self

import numpy as np
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin

from featx.embedding import PixelExtractor
from featx.heads.inner_folds import deal

SIZE = 224


class Probable(ClassifierMixin, BaseEstimator):
    """Answers with the class of the highest probability."""

    classes_: np.ndarray

    def predict(self, X: Any) -> np.ndarray:
        """Give classes (n,)."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class Head2Toe(Probable):
    """The selection of Evci et al. (ICML 2022), trained as in their examples (github.com/google-research/head2toe).

    The columns of each tap have the length 1 in every row. A linear model is trained under a group lasso of 1e-5, by
    500 steps of Adam of 128 rows each, at a rate of 0.01 that falls by a cosine; a column's relevance is the length of
    its weights. The share that is kept is the best on a fifth that is held out, and a linear model of these columns is
    trained in the same way. The columns are those of our `all-depths`.
    """

    def __init__(self, widths: tuple[int, ...]) -> None:
        self.widths = widths

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Choose columns of `X` (n, d), and learn from them."""
        self.classes_, codes = np.unique(y, return_inverse=True)
        X = self._scaled(X)
        train, test = next(deal(codes, 5))

        def right(share: float) -> float:
            kept, weights, bias = self._of(share, X[train], codes[train])
            return float(np.mean((X[test][:, kept] @ weights + bias).argmax(axis=1) == codes[test]))

        self.kept_, self.weights_, self.bias_ = self._of(max((0.01, 0.05, 0.1, 0.2), key=right), X, codes)
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Give probabilities (n, classes)."""
        return softmax(self._scaled(X)[:, self.kept_] @ self.weights_ + self.bias_, axis=1)

    def _scaled(self, X: np.ndarray) -> np.ndarray:
        parts = np.split(X, np.cumsum(self.widths)[:-1], axis=1)
        return np.hstack([part / np.maximum(np.linalg.norm(part, axis=1)[:, None], 1e-12) for part in parts])

    def _of(
        self, share: float, X: np.ndarray, codes: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        relevance = np.linalg.norm(self._trained(X, codes, 1e-5)[0], axis=1)
        kept = np.argsort(-relevance, kind="stable")[: int(share * len(relevance))]
        return kept, *self._trained(X[:, kept], codes)

    def _trained(self, X: np.ndarray, codes: np.ndarray, lasso: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        rng, steps = np.random.default_rng(0), 500
        shape = (X.shape[1] + 1, len(self.classes_))  # the last row is the bias
        values = rng.uniform(-1, 1, shape).astype("f4") * np.sqrt(6 / sum(shape), dtype="f4")
        values[-1] = 0
        mean, square = np.zeros_like(values), np.zeros_like(values)
        for step in range(1, steps + 1):
            rows = rng.permutation(len(X))[:128]
            chances = softmax(X[rows] @ values[:-1] + values[-1], axis=1)
            chances[np.arange(len(rows)), codes[rows]] -= 1
            slope = np.vstack([X[rows].T @ chances, chances.sum(axis=0)]) / len(rows)
            if lasso:
                slope[:-1] += lasso * values[:-1] / (np.linalg.norm(values[:-1], axis=1)[:, None] + 1e-12)
            mean += 0.1 * (slope - mean)
            square += 0.001 * (slope**2 - square)
            rate = 0.01 * (1 + np.cos(np.pi * (step - 1) / steps)) / 2
            values -= rate * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-7)
        return values[:-1], values[-1]


class Tutorial(Probable):
    """Keras' guide to transfer learning: 20 epochs of a new head, then 10 of everything at a rate of 1e-5.

    The guide calls the network with ``training=False``, so that BatchNorm keeps its statistics. To a model in a model
    `fit` of Keras 3.15 passes ``training=True`` all the same; here BatchNorm layers are not trainable, which does what
    the guide means. By the statistics of a batch, weights whose BatchNorm is folded give next to nothing but zeros.
    """

    def fit(self, images: np.ndarray, y: np.ndarray) -> Self:
        """Train on images (n,), given as `FeatureExtractor.transform` takes them."""
        import keras

        keras.utils.set_random_seed(0)
        self.classes_, codes = np.unique(y, return_inverse=True)
        base = keras.applications.MobileNetV2(include_top=False, input_shape=(SIZE, SIZE, 3))
        inputs = keras.Input((SIZE, SIZE, 3))
        x = keras.layers.RandomFlip("horizontal")(inputs)
        x = keras.layers.RandomRotation(0.1)(x)
        x = base(keras.layers.Rescaling(1 / 127.5, offset=-1)(x), training=False)
        x = keras.layers.Dropout(0.2)(keras.layers.GlobalAveragePooling2D()(x))
        self.model_ = keras.Model(inputs, keras.layers.Dense(len(self.classes_))(x))
        pixels, loss = self._pixels(images), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        for trainable, rate, epochs in ((False, 1e-3, 20), (True, 1e-5, 10)):
            base.trainable = trainable
            for layer in base.layers:
                layer.trainable = trainable and not isinstance(layer, keras.layers.BatchNormalization)
            self.model_.compile(keras.optimizers.Adam(rate), loss, jit_compile=False)
            self.model_.fit(pixels, codes, batch_size=64, epochs=epochs, verbose=0)
        return self

    def predict_proba(self, images: np.ndarray) -> np.ndarray:
        """Give probabilities (n, classes)."""
        return softmax(self.model_.predict(self._pixels(images), verbose=0), axis=1)

    def _pixels(self, images: np.ndarray) -> np.ndarray:
        parts = np.array_split(images, 1 + len(images) // 100)
        read = [np.rint(255 * PixelExtractor(SIZE).transform(part)).astype("u1") for part in parts]
        return np.concatenate(read).reshape(-1, SIZE, SIZE, 3)
