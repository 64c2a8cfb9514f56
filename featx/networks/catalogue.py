# ruff: noqa: E501 - a network of the table is one line
"""The one table of backbones: what each is called, how it is built, what its pixels and its weights are.

Facts only; importing this module imports no Keras. Their sources:

* builders, input sizes, scalings, file names, addresses and digests: Keras 3.15.1, whose own code the tests run;
* parameters: counted on the network with its classifier, as built by that Keras;
* size, top-1, top-5 and layers: the table at https://keras.io/api/applications/; for the narrower and wider
  MobileNets the README of https://github.com/keras-team/keras-applications, at 224 pixels; for MobileNetV3 the
  docstring of ``keras.applications.MobileNetV3Small``; None where these publish nothing;
* licences, of the weights: Keras' documentation of its version 2.3, and for younger networks the repositories the
  weights were ported from: tensorflow/models (MobileNetV3), tensorflow/tpu (EfficientNet), google/automl
  (EfficientNetV2), facebookresearch/ConvNeXt.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from featx.errors import UnknownNameError

_MIRROR = "https://storage.googleapis.com/tensorflow/keras-applications/"


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """One row of the table: a network and the facts featx needs about it.

    Examples
    --------
    >>> row = find("MobileNetV2")
    >>> row.name, row.builder, row.input_size, row.scaling
    ('mobilenet_v2', 'MobileNetV2', 224, 'tf')
    >>> row.weights_file(160)
    'mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_160_no_top.h5'
    """

    name: str
    """The name featx prints and stores."""
    builder: str
    """Name of the function that builds it: in ``keras.applications``, or in ``featx.networks`` if `embedded`."""
    file: str
    """File name of its weights without the classifier; ``{size}`` stands for one of `sizes`."""
    url: str | None
    """Address of that file; None if it comes with featx."""
    input_size: int
    """Height and width in pixels it was trained for."""
    parameters: int | None
    """How many weights it has with its classifier."""
    size_mb: int | None
    """Megabytes of the weights with the classifier."""
    top1: float | None
    """Share of ImageNet's validation images it names right, in %."""
    top5: float | None
    """Share of those for which the right name is among its first five, in %."""
    layers: int | None
    """How many layers with parameters it has."""
    digest: str | None
    """The published digest of `file`: MD5 (32 digits) or SHA-256 (64 digits); None where none is published."""
    options: Mapping[str, float | bool] = field(default_factory=dict, hash=False)
    """Keyword arguments of the builder that make it this network."""
    scaling: Literal["none", "unit", "tf", "torch", "caffe"]
    """What a pixel of 0..255 becomes before the first layer.

    ``none`` nothing, the network itself scales · ``unit`` x/255 · ``tf`` x/127.5 - 1 · ``torch`` x/255 less
    ImageNet's mean, by its deviation · ``caffe`` BGR less ImageNet's mean.
    """
    licence: str
    """SPDX identifier of the licence of the weights."""
    min_size: int = 32
    """The least height and width it can be built for."""
    sizes: tuple[int, ...] = ()
    """Input sizes that have weights of their own; any other size takes those of `input_size`."""
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
        return self.url is None

    def weights_file(self, input_size: int | None = None) -> str:
        """Give the name of the weights file without classifier, in Keras' folder ``models`` or in featx.

        Parameters
        ----------
        input_size
            Height and width in pixels; default: the row's own. For an image that is not square Keras takes the
            file of the row's own size.
        """
        return self._fill(self.file, input_size)

    def weights_url(self, input_size: int | None = None) -> str | None:
        """Give the address Keras downloads that file from; None for weights that come with featx."""
        return self.url and self._fill(self.url, input_size)

    def _fill(self, template: str, input_size: int | None) -> str:
        return template.format(size=input_size if input_size in self.sizes else self.input_size)


def _family(where: str, *rows: tuple[Any, ...], file: str | None = None, **shared: Any) -> list[Backbone]:
    """Make rows that share facts.

    ``where`` is the address of the weights, ``file`` their name on disk where that differs; ``*`` in these stands
    for what the row says its file is called.
    """
    columns = ("name", "builder", "input_size", "parameters", "size_mb", "top1", "top5", "layers", "digest")
    url = where if "://" in where else _MIRROR + where
    made = []
    for row in rows:
        *facts, called, options = row if isinstance(row[-1], dict) else (*row, {})
        own: dict[str, Any] = dict(zip(columns, facts, strict=True))
        own["file"] = (file or url.rpartition("/")[2]).replace("*", called)
        own["url"] = url.replace("*", called)
        made.append(Backbone(**own, **shared, options=options))
    return made


_NO_TOP = "_weights_tf_dim_ordering_tf_kernels_notop.h5"  # how most of the files are called
_GAIN = (0.229**-0.5, 0.224**-0.5, 0.225**-0.5)  # of the deviations of ImageNet's training pixels

# fmt: off
# name, builder, input size, parameters, MB, top-1, top-5, layers, digest, what its file is called, builder's arguments
_ROWS: tuple[Backbone, ...] = (
    Backbone(
        name="featx-mini", builder="featx_mini", input_size=96, scaling="unit",
        file="featx_mini.npz", url=None, licence="MIT", parameters=None, size_mb=None, top1=None, top5=None,
        layers=None, digest=None,  # WEIGHTS_SHA256 stands beside the network, which is written with its weights
        depth=("patches", 1, 2, 3, 4), pooling=("grid2", "avg+std", "std+grid2", "std+grid2", "avg+std"),
    ),
    *_family(
        "mobilenet/mobilenet_*_{size}_tf_no_top.h5",
        ("mobilenet", "MobileNet", 224, 4_253_864, 16, 70.4, 89.5, 55, None, "1_0"),
        ("mobilenet_0.75", "MobileNet", 224, 2_601_976, None, 68.4, 88.2, None, None, "7_5", {"alpha": 0.75}),
        ("mobilenet_0.5", "MobileNet", 224, 1_342_536, None, 64.3, 85.6, None, None, "5_0", {"alpha": 0.5}),
        ("mobilenet_0.25", "MobileNet", 224, 475_544, None, 51.6, 75.8, None, None, "2_5", {"alpha": 0.25}),
        scaling="tf", licence="Apache-2.0", sizes=(128, 160, 192, 224),
    ),
    *_family(
        "mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_*_{size}_no_top.h5",
        ("mobilenet_v2", "MobileNetV2", 224, 3_538_984, 14, 71.3, 90.1, 105, None, "1.0"),
        ("mobilenet_v2_1.4", "MobileNetV2", 224, 6_156_712, None, 75.2, 92.4, None, None, "1.4", {"alpha": 1.4}),
        ("mobilenet_v2_1.3", "MobileNetV2", 224, 5_431_048, None, 74.7, 92.1, None, None, "1.3", {"alpha": 1.3}),
        ("mobilenet_v2_0.75", "MobileNetV2", 224, 2_663_064, None, 69.5, 89.2, None, None, "0.75", {"alpha": 0.75}),
        ("mobilenet_v2_0.5", "MobileNetV2", 224, 1_987_224, None, 65.2, 86.1, None, None, "0.5", {"alpha": 0.5}),
        ("mobilenet_v2_0.35", "MobileNetV2", 224, 1_691_208, None, 60.1, 82.4, None, None, "0.35", {"alpha": 0.35}),
        scaling="tf", licence="Apache-2.0", sizes=(96, 128, 160, 192, 224),
    ),
    *_family(
        "mobilenet_v3/weights_mobilenet_v3_*_float_no_top_v2.h5",
        ("mobilenet_v3_small", "MobileNetV3Small", 224, 2_554_968, None, 68.1, None, None, "d3e8ec802a04aa4fc771ee12a9a9b836", "small_224_1.0"),
        ("mobilenet_v3_small_0.75", "MobileNetV3Small", 224, 2_051_552, None, 65.4, None, None, "ebdb5cc8e0b497cd13a7c275d475c819", "small_224_0.75", {"alpha": 0.75}),
        ("mobilenet_v3_small_minimalistic", "MobileNetV3Small", 224, 2_056_848, None, 61.9, None, None, "cde8136e733e811080d9fcd8a252f7e4", "small_minimalistic_224_1.0", {"minimalistic": True}),
        ("mobilenet_v3_large", "MobileNetV3Large", 224, 5_507_432, None, 75.6, None, None, "07fb09a5933dd0c8eaafa16978110389", "large_224_1.0"),
        ("mobilenet_v3_large_0.75", "MobileNetV3Large", 224, 4_012_616, None, 73.3, None, None, "40af19a13ebea4e2ee0c676887f69a2e", "large_224_0.75", {"alpha": 0.75}),
        ("mobilenet_v3_large_minimalistic", "MobileNetV3Large", 224, 3_948_688, None, 72.3, None, None, "ec5221f64a2f6d1ef965a614bdae7973", "large_minimalistic_224_1.0", {"minimalistic": True}),
        scaling="none", licence="Apache-2.0",
    ),
    *_family(
        "https://storage.googleapis.com/keras-applications/efficientnet*_notop.h5",
        ("efficientnet_b0", "EfficientNetB0", 224, 5_330_571, 29, 77.1, 93.3, 132, "50bc09e76180e00e4465e1a485ddc09d", "b0"),
        ("efficientnet_b1", "EfficientNetB1", 240, 7_856_239, 31, 79.1, 94.4, 186, "74c4e6b3e1f6a1eea24c589628592432", "b1"),
        ("efficientnet_b2", "EfficientNetB2", 260, 9_177_569, 36, 80.1, 94.9, 186, "111f8e2ac8aa800a7a99e3239f7bfb39", "b2"),
        ("efficientnet_b3", "EfficientNetB3", 300, 12_320_535, 48, 81.6, 95.7, 210, "af6d107764bb5b1abb91932881670226", "b3"),
        ("efficientnet_b4", "EfficientNetB4", 380, 19_466_823, 75, 82.9, 96.4, 258, "ebc24e6d6c33eaebbd558eafbeedf1ba", "b4"),
        ("efficientnet_b5", "EfficientNetB5", 456, 30_562_527, 118, 83.6, 96.7, 312, "38879255a25d3c92d5e44e04ae6cec6f", "b5"),
        ("efficientnet_b6", "EfficientNetB6", 528, 43_265_143, 166, 84.0, 96.8, 360, "9ecce42647a20130c1f39a5d4cb75743", "b6"),
        ("efficientnet_b7", "EfficientNetB7", 600, 66_658_687, 256, 84.3, 97.0, 438, "cbcfe4450ddf6f3ad90b1b398090fe4a", "b7"),
        scaling="none", licence="Apache-2.0", gain=_GAIN,
    ),
    *_family(
        "efficientnet_v2/efficientnetv2-*_notop.h5",
        ("efficientnet_v2_b0", "EfficientNetV2B0", 224, 7_200_312, 29, 78.7, 94.3, None, "893217f2bb855e2983157299931e43ff", "b0"),
        ("efficientnet_v2_b1", "EfficientNetV2B1", 240, 8_212_124, 34, 79.8, 95.0, None, "0e80663031ca32d657f9caa404b6ec37", "b1"),
        ("efficientnet_v2_b2", "EfficientNetV2B2", 260, 10_178_374, 42, 80.5, 95.1, None, "1dfe2e7a5d45b6632553a8961ea609eb", "b2"),
        ("efficientnet_v2_b3", "EfficientNetV2B3", 300, 14_467_622, 59, 82.0, 95.8, None, "f6abf7b5849ac99a89b50dd3fd532856", "b3"),
        ("efficientnet_v2_s", "EfficientNetV2S", 384, 21_612_360, 88, 83.9, 96.7, None, "af0682fb74e8c54910f2d4393339c070", "s"),
        ("efficientnet_v2_m", "EfficientNetV2M", 480, 54_431_388, 220, 85.3, 97.4, None, "1b8dc055df72dde80d614482840fe342", "m"),
        ("efficientnet_v2_l", "EfficientNetV2L", 480, 119_027_848, 479, 85.7, 97.5, None, "b0b66b5c863aef5b46e8608fe1711615", "l"),
        scaling="none", licence="Apache-2.0",
    ),
    *_family(
        "convnext/convnext_*_notop.h5",
        ("convnext_tiny", "ConvNeXtTiny", 224, 28_589_128, 109, 81.3, None, None, "d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1", "tiny"),
        ("convnext_small", "ConvNeXtSmall", 224, 50_223_688, 192, 82.3, None, None, "6fc8009faa2f00c1c1dfce59feea9b0745eb260a7dd11bee65c8e20843da6eab", "small"),
        ("convnext_base", "ConvNeXtBase", 224, 88_591_464, 339, 85.3, None, None, "40a20c5548a5e9202f69735ecc06c990e6b7c9d2de39f0361e27baeb24cb7c45", "base"),
        ("convnext_large", "ConvNeXtLarge", 224, 197_767_336, 755, 86.3, None, None, "96f02b6f0753d4f543261bc9d09bed650f24dd6bc02ddde3066135b63d23a1cd", "large"),
        ("convnext_xlarge", "ConvNeXtXLarge", 224, 350_196_968, 1310, 86.7, None, None, "de3f8a54174130e0cecdc71583354753d557fcf1f4487331558e2a16ba0cfe05", "xlarge"),
        scaling="none", licence="MIT",
    ),
    *_family(
        "resnet/*" + _NO_TOP,
        ("resnet50", "ResNet50", 224, 25_636_712, 98, 74.9, 92.1, 107, "4d473c1dd8becc155b73f8504c6f6626", "resnet50"),
        ("resnet101", "ResNet101", 224, 44_707_176, 171, 76.4, 92.8, 209, "88cf7a10940856eca736dc7b7e228a21", "resnet101"),
        ("resnet152", "ResNet152", 224, 60_419_944, 232, 76.6, 93.1, 311, "ee4c566cf9a93f14d82f913c2dc6dd0c", "resnet152"),
        scaling="caffe", licence="MIT",
    ),
    *_family(
        "resnet/*v2" + _NO_TOP,
        ("resnet50_v2", "ResNet50V2", 224, 25_613_800, 98, 76.0, 93.0, 103, "fac2f116257151a9d068a22e544a4917", "resnet50"),
        ("resnet101_v2", "ResNet101V2", 224, 44_675_560, 171, 77.2, 93.8, 205, "c0ed64b8031c3730f411d2eb4eea35b5", "resnet101"),
        ("resnet152_v2", "ResNet152V2", 224, 60_380_648, 232, 78.0, 94.2, 307, "ed17cf2e0169df9d443503ef94b23b33", "resnet152"),
        scaling="tf", licence="BSD-3-Clause",
    ),
    *_family(
        "densenet/*" + _NO_TOP,
        ("densenet121", "DenseNet121", 224, 8_062_504, 33, 75.0, 92.3, 242, "30ee3e1110167f948a6b9946edeeb738", "densenet121"),
        ("densenet169", "DenseNet169", 224, 14_307_880, 57, 76.2, 93.2, 338, "b8c4d4c20dd625c148057b9ff1c1176b", "densenet169"),
        ("densenet201", "DenseNet201", 224, 20_242_984, 80, 77.3, 93.6, 402, "c13680b51ded0fb44dff2d8f86ac8bb1", "densenet201"),
        scaling="torch", licence="BSD-3-Clause",
    ),
    *_family(
        "*/*" + _NO_TOP,
        ("inception_v3", "InceptionV3", 299, 23_851_784, 92, 77.9, 93.7, 189, "bcbd6486424b2319ff4ef7d526e38f63", "inception_v3"),
        ("inception_resnet_v2", "InceptionResNetV2", 299, 55_873_736, 215, 80.3, 95.3, 449, "d19885ff4a710c122648d3b5c3b684e4", "inception_resnet_v2"),
        scaling="tf", licence="Apache-2.0", min_size=75,
    ),
    *_family(
        "*/*" + _NO_TOP,
        ("xception", "Xception", 299, 22_910_480, 88, 79.0, 94.5, 81, "b0042744bf5b25fce3cb969f33bebb97", "xception"),
        scaling="tf", licence="MIT", min_size=71,
    ),
    *_family(
        "nasnet/NASNet-*-no-top.h5",
        ("nasnet_mobile", "NASNetMobile", 224, 5_326_716, 23, 74.4, 91.9, 389, "1ed92395b5b598bdda52abe5c0dbfd63", "mobile"),
        ("nasnet_large", "NASNetLarge", 331, 88_949_818, 343, 82.5, 96.0, 533, "d81d89dc07e6e56530c4e77faddd61b5", "large"),
        file="nasnet_*_no_top.h5", scaling="tf", licence="Apache-2.0",
    ),
    *_family(
        "*/*" + _NO_TOP,
        ("vgg16", "VGG16", 224, 138_357_544, 528, 71.3, 90.1, 16, "6d6bbae143d832006294945121d1f1fc", "vgg16"),
        ("vgg19", "VGG19", 224, 143_667_240, 549, 71.3, 90.0, 19, "253f8cb515780f3b799900260a226db6", "vgg19"),
        scaling="caffe", licence="CC-BY-4.0",
    ),
)
# fmt: on


def _fold(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "").removesuffix("1.0")  # the width that is not written


_BY_NAME = {_fold(row.name): row for row in _ROWS}  # Keras' class names fold to the same as featx's names


class Table(tuple[Backbone, ...]):
    """Rows of the catalogue; prints as a Markdown table."""

    __slots__ = ()

    def __repr__(self) -> str:
        lines = [
            f"| {'name':31} | input | parameters |   MB | top-1 % | top-5 % | layers | scaling | {'licence':12} |",
            f"| {'-' * 31} | ----: | ---------: | ---: | ------: | ------: | -----: | ------- | {'-' * 12} |",
        ]
        for row in self:
            facts = (
                row.parameters and f"{row.parameters / 1e6:.1f} M",
                row.size_mb,
                row.top1,
                row.top5,
                row.layers,
            )
            count, size, top1, top5, layers = ("-" if fact is None else fact for fact in facts)
            lines.append(
                f"| {row.name:31} | {row.input_size:5} | {count:>10} | {size:>4} | {top1:>7} | {top5:>7} "
                f"| {layers:>6} | {row.scaling:7} | {row.licence:12} |"
            )
        return "\n".join(lines)


def backbones() -> Table:
    """List the backbones featx knows by name.

    Returns
    -------
    Table
        A tuple of `Backbone`; printed, a Markdown table.

    Examples
    --------
    >>> [row.name for row in backbones() if row.parameters and row.parameters < 2_000_000]
    ['mobilenet_0.5', 'mobilenet_0.25', 'mobilenet_v2_0.5', 'mobilenet_v2_0.35']
    """
    return Table(_ROWS)


def find(name: str) -> Backbone:
    """Look a backbone up.

    Parameters
    ----------
    name
        Its name; case, ``_`` and ``-`` do not matter, so that Keras' class names are names too.

    Raises
    ------
    UnknownNameError
        If there is no such backbone.

    Examples
    --------
    >>> find("EfficientNetV2B0").name
    'efficientnet_v2_b0'
    >>> find("resnet5")
    Traceback (most recent call last):
    featx.errors.UnknownNameError: Unknown backbone 'resnet5'. Did you mean 'resnet50'? featx backbones lists them all.
    """
    row = _BY_NAME.get(_fold(str(name)))
    if row is None:
        known = [known for row in _ROWS for known in (row.name, row.builder)]
        raise UnknownNameError("backbone", name, known, "featx backbones lists them all.")
    return row


def canonical(name: str) -> str:
    """Give the name featx uses for a backbone, however it was written.

    Raises
    ------
    UnknownNameError
        If there is no such backbone.

    Examples
    --------
    >>> canonical("ResNet50V2"), canonical("MobileNet-V2"), canonical("featx_mini")
    ('resnet50_v2', 'mobilenet_v2', 'featx-mini')
    """
    return find(name).name
