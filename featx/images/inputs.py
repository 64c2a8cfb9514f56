"""What every estimator over images does with X: check it, list its images, and tell scikit-learn what it takes."""

from typing import Any, Self

from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import validate_data

from featx.images.sources import Source, as_sources


class ImageInput:
    """Mixin of estimators whose X are images; it comes before `BaseEstimator`.

    Images are read by the parameters `image_shape` and `value_range` of the estimator, or of what `_read_by` gives.
    """

    @property
    def _read_by(self) -> Any:
        return self

    def _images(self, X: Any, *, reset: bool) -> Any:
        """Check a table of flattened images, and its columns against those of `fit`; leave other images as they are."""
        if self._read_by.image_shape is None:
            return X
        return validate_data(self, X, reset=reset, dtype="numeric")

    def _sources(self, X: Any, *, reset: bool) -> list[Source]:
        """Check X and list its images."""
        how = self._read_by
        return as_sources(
            self._images(X, reset=reset), image_shape=how.image_shape, value_range=how.value_range
        )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()  # type: ignore[misc] # BaseEstimator, which comes after it, has them
        tags.input_tags.string = True
        tags.input_tags.three_d_array = True
        tags.input_tags.two_d_array = self._read_by.image_shape is not None
        return tags


class ImageTransformer(ImageInput, TransformerMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """Base of transformers of images that learn nothing from the data."""

    def _check(self) -> None:
        """Refuse choices that cannot be carried out."""
        raise NotImplementedError

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002 - scikit-learn's signature
        """Check the input; there is nothing to learn.

        Parameters
        ----------
        X
            Images, see `transform`.
        y
            Ignored.
        """
        self._check()
        self._sources(X, reset=True)
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.transformer_tags.preserves_dtype = []
        return tags
