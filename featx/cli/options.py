"""What the commands share: options, how a source of images is named, how results are printed."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click
from tabulate import tabulate

import featx
from featx.errors import InputError
from featx.images.remote import ending_of, is_url
from featx.text import shown, to_json

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class Place(click.Path):
    """A file or folder that is there, or a URL, which is not looked at before it is needed."""

    def __init__(self, **choices: Any) -> None:
        super().__init__(exists=True, path_type=Path, **choices)

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Give a Path, or a str for a URL."""
        return value if isinstance(value, str) and is_url(value) else super().convert(value, param, ctx)


TABLES = frozenset({".csv", ".tsv", ".parquet"})
"""Endings of files that are tables."""

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
cache = click.option(
    "--cache", metavar="FOLDER", default="auto", help="Cache folder, or 'none' to keep nothing."
)
folds = click.option(
    "--folds", type=click.IntRange(2), default=5, show_default=True, help="Folds of the cross-validation."
)
input_size = click.option(
    "--input-size", type=click.IntRange(1), help="Image size in pixels; default: the backbone's own."
)
jobs = click.option(
    "--jobs", type=click.IntRange(1), help="Threads that decode images; default: one per core."
)
quiet = click.option("--quiet", is_flag=True, help="Show no progress bar.")
overwrite = click.option("--overwrite", is_flag=True, help="Replace what is there already.")


def _one_or_several(_context: Any, _option: Any, value: str) -> str | list[str]:
    """Turn ``mobilenet_v2,featx-mini`` into a list, and a single name, or a file that has a comma, into itself."""
    return value if "," not in value or Path(value).exists() else value.split(",")


backbone = click.option(
    "--backbone", default="featx-mini", callback=_one_or_several,
    help="A name that featx backbones lists, or a .keras file; several, side by side, with commas.",
)  # fmt: skip


def images_from(
    source: Path | str,
    *,
    image: str | None,
    label: Iterable[str],
    root: Path | str | None,
    labelled: bool = False,
) -> Any:
    """List the images of a folder, of a .tar file, or of a table with the columns that `featx.load_table` takes.

    Raises
    ------
    InputError
        If `labelled`, and they have no labels.
    """
    from featx.images import load_tars

    labels = list(label)
    if Path(source).suffix.lower() == ".tar":
        if len(labels) > 1:
            raise InputError("A .tar file has one label for each image: name one ending by --label.")
        images = load_tars(source, label=labels[0] if labels else None)
    elif _is_folder(source):
        images = folder_from(source)
    else:
        images = featx.load_table(
            source, image=image, label=(labels[0] if len(labels) == 1 else labels) or None, root=root
        )
    if labelled and images.labels is None:
        raise InputError(
            f"{str(source)!r} has no labels. Give a folder with one folder per class, or --label COLUMN."
        )
    return images


def _is_folder(source: Path | str) -> bool:
    if isinstance(source, str):
        return ending_of(source) not in TABLES
    return source.is_dir()


def folder_from(folder: Path | str) -> Any:
    """List the images of a folder, and say on stderr what was left out."""
    images = featx.load_folder(folder)
    if images.left_out:
        said = ", ".join(f"{kind} {count}" for kind, count in images.left_out.items())
        click.echo(shown(f"{folder}: left out {said}"), err=True)
    return images


def paths_from(
    images: Iterable[Path | str], *, image: str | None = None, root: Path | str | None = None
) -> list[Any]:
    """List the images among some files, folders and tables, in whose column `image` they are; a URL names no folder."""

    def listed(one: Path | str) -> Any:
        if not isinstance(one, str) and one.is_dir():
            return folder_from(one).paths
        if ending_of(one) in TABLES:
            paths = featx.load_table(one, image=image, root=root, missing="keep").paths
            if not any(isinstance(path, bytes) or is_url(path) or Path(path).is_file() for path in paths):
                featx.load_table(one, image=image, root=root)  # says what is wrong with the column
            return paths
        return [str(one)]

    return [path for one in images for path in listed(one)]


def columns(command: Decorated) -> Decorated:
    """Give a command the options that name a table's columns and the folder its paths begin at."""
    root = Place(file_okay=False)
    return with_options(
        click.option("--image", help="Column with the image paths."),
        click.option(
            "--label",
            multiple=True,
            help="Column with the labels, repeat for several; of a .tar file, their ending.",
        ),
        click.option(
            "--root", type=root, help="Folder that a table's paths start from; default: the table's own."
        ),
    )(command)


def table(command: Decorated) -> Decorated:
    """Give a command a source of images, and the options that name a table's columns."""
    return click.argument("source", type=Place())(columns(command))


group = click.option(
    "--group",
    metavar="COLUMN",
    help="Column of a table with what images share, such as a patient; those of one are never in two folds.",
)


def groups_from(source: Path | str, group: str | None, *, image: str | None, root: Path | str | None) -> Any:
    """Give the group of each image of a table, as `images_from` lists them; None without a column.

    Raises
    ------
    InputError
        If `source` is a folder, or a group is empty.
    """
    if group is None:
        return None
    if _is_folder(source):
        raise InputError(
            f"--group names a column of a table, and {str(source)!r} is a folder. Give a .csv, .tsv or .parquet file."
        )
    return featx.load_table(source, image=image, label=group, root=root).labels


def output(what: str, *, required: bool = True) -> Callable[[Decorated], Decorated]:
    """Give a command ``--output`` and ``--overwrite``."""
    place = click.option("-o", "--output", required=required, type=click.Path(path_type=Path), help=what)
    return with_options(place, overwrite)


class Depth(click.ParamType[Any]):
    """Stage numbers and layer names, separated by commas."""

    name = "depth"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:  # noqa: ARG002 - click's signature
        """Turn ``3,4`` into [3, 4], and one item into itself."""
        if value == "default":
            return value
        items = [int(item) if item.lstrip("-").isdigit() else item for item in value.split(",")]
        return items[0] if len(items) == 1 else items


class Views(click.ParamType[Any]):
    """What is shown of an image: flip, crops and factors of the input size, separated by commas."""

    name = "views"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:  # noqa: ARG002 - click's signature
        """Turn ``flip,1.43`` into ["flip", 1.43]."""
        from featx.embedding.views import FACTORS
        from featx.embedding.views import Views as Known

        if value == "none":
            return None
        items = [_number(item) for item in value.split(",")]
        try:
            Known.of(items)
        except InputError:
            least, most = FACTORS
            self.fail(
                f"{value!r} is not flip, crops or a factor of the input size from {least} to {most}, nor several of "
                "these with commas."
            )
        return items[0] if len(items) == 1 else items


def _number(text: str) -> str | float:
    try:
        return int(text) if text.isdigit() else float(text)
    except ValueError:
        return text


def with_options(*options: Callable[[Any], Any]) -> Callable[[Decorated], Decorated]:
    """Give a command several options, which its help shows in this order."""

    def decorate(command: Decorated) -> Decorated:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


network = with_options(
    backbone,
    click.option(
        "--depth", type=Depth(), default="default", help="Where to cut: stages or layers, such as -1 or 3,4,5."
    ),
    click.option(
        "--pooling", default="default", help="avg, max, std, gem, grid2 or none; combine with +: avg+std."
    ),
    click.option("--weights", default="auto", help="A file, 'auto', or 'none' for random weights."),
    click.option("--scaling", default="auto", help="Pixel scaling that a .keras file of your own expects."),
    input_size,
    click.option("--resize", type=click.Choice(["squash", "crop", "pad"]), default="squash", show_default=True,
                 help="How images are fitted to that size."),
)  # fmt: skip
"""Options that say which network, cut where."""

extraction = with_options(
    network,
    click.option("--views", type=Views(), default="none", show_default=True,
                 help="Mean over views: flip, crops, a factor of the size; combine with commas: flip,1.43."),
    click.option("--precision", type=click.Choice(["float32", "bfloat16", "int8"]), default="float32",
                 show_default=True, help="Of the arithmetic; featx bench --precision all tells which is fast here."),
    click.option("--calibration", metavar="FOLDER", type=click.Path(exists=True, file_okay=False, path_type=Path),
                 help="Images to calibrate int8 on; default: photographs that featx draws."),
    click.option("--engine", type=click.Choice(["auto", "keras", "openvino"]), default="auto", show_default=True,
                 help="What runs the network."),
    click.option("--batch-size", type=click.IntRange(1), default=32, show_default=True, help="Images per batch."),
    jobs,
    quiet,
    cache,
    click.option("--cache-dtype", type=click.Choice(["float32", "float16"]), default="float32", show_default=True,
                 help="How new vectors are stored; float16 halves their size."),
)  # fmt: skip
"""Options of `FeatureExtractor`, which `extractor_from` takes."""


def extractor_from(
    *,
    weights: str,
    cache: str,
    cache_dtype: str = "float32",
    jobs: int | None,
    quiet: bool,
    calibration: Path | None = None,
    **choices: Any,
) -> Any:
    """Make a `FeatureExtractor` from those options.

    Raises
    ------
    InputError
        If images are given to calibrate on, and nothing will be calibrated.
    """
    if calibration is not None and choices["precision"] != "int8":
        raise InputError(
            f"--calibration is for int8, and the precision is {choices['precision']}. Add --precision int8, or leave "
            "--calibration out."
        )
    kept: Any = cache if cache_dtype == "float32" else featx.EmbeddingCache.at(cache, cache_dtype)
    return featx.FeatureExtractor(
        weights=None if weights == "none" else weights,
        calibration=None if calibration is None else list(folder_from(calibration).paths),
        cache=kept,
        n_jobs=jobs,
        verbose=0 if quiet else None,
        **choices,
    )


def print_json(value: Any) -> None:
    """Print what a program can read."""
    click.echo(to_json(value, indent=2))


def print_table(rows: Iterable[Iterable[Any]], header: Iterable[str] = ()) -> None:
    """Print rows in columns, numbers on the right; a cell that is None is empty."""
    cells = [["" if cell is None else shown(cell) for cell in row] for row in rows]
    sides = [
        "right" if all(map(_NUMBER.fullmatch, column)) else "left" for column in zip(*cells, strict=True)
    ]
    click.echo(tabulate(cells, tuple(header), "plain", colalign=sides or None, disable_numparse=True))


_NUMBER = re.compile(r"-?[\d.,]+%?|failed|")
