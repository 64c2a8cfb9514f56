"""The commands ``featx see``: what a depth sees, as pictures."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

import featx
from featx.cli.options import (
    Decorated,
    Depth,
    as_json,
    backbone,
    input_size,
    output,
    print_json,
    quiet,
    with_options,
)
from featx.cli.outputs import check_output
from featx.cli.running import Group
from featx.text import shown

_image = click.argument("image", type=click.Path(exists=True, dir_okay=False))


@click.group("see", cls=Group)
def see_group() -> None:
    """Draw what a depth of a network sees."""


_drawing = with_options(output("Picture to write: .png."), as_json)


def _network(depth: str, says: str) -> Callable[[Decorated], Decorated]:
    """Give a command the options that name a network and a place in it."""
    return with_options(
        backbone,
        click.option("--depth", type=Depth(), default=depth, show_default=True, help=says),
        click.option("--weights", default="auto", help="A file, 'auto', or 'none' for random weights."),
        click.option(
            "--scaling", default="auto", help="Pixel scaling that a .keras file of your own expects."
        ),
        input_size,
        quiet,
    )


_seed = click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything random.")


def _extractor(*, weights: str, quiet: bool, **choices: Any) -> Any:
    return featx.FeatureExtractor(
        weights=None if weights == "none" else weights, verbose=0 if quiet else None, **choices
    )


def _place(output: Path, overwrite: bool) -> None:
    from featx.seeing.pictures import check_place

    check_place(output, overwrite=overwrite)
    check_output(output, overwrite=overwrite)


def _written(output: Path, picture: Any, as_json: bool, facts: dict[str, Any], said: str) -> None:
    """Write a picture, and say what is in it."""
    from featx.seeing.pictures import write_picture

    write_picture(picture, output, overwrite=True)
    if as_json:
        print_json({"output": str(output), **facts})
    else:
        click.echo(f"{said}\nwritten to {shown(output)}")


@see_group.command("maps", python="featx.seeing.strongest_maps")
@_image
@_network("default", "Stages or layers to show, such as 2,3; default: every stage.")
@click.option("--count", type=click.IntRange(1), default=8, show_default=True, help="Maps of each depth.")
@_drawing
def maps_command(
    image: str, *, count: int, output: Path, overwrite: bool, as_json: bool, **choices: Any
) -> None:
    """Draw the strongest maps of each stage for an image.

    Example: featx see maps photo.jpg -o maps.png
    """
    from featx.seeing.maps import strongest_maps
    from featx.seeing.view import place_of

    _place(output, overwrite)
    found = strongest_maps(image, _extractor(**choices), count=count)
    depths = [
        {"depth": one.depth, "layer": one.layer, "channels": one.channels.tolist(), "strengths": one.strengths.tolist()}
        for one in found.depths
    ]  # fmt: skip
    said = "\n".join(
        f"{place_of(one.depth)}: channels {', '.join(map(str, one.channels))}" for one in found.depths
    )
    _written(output, found.picture(), as_json, {"backbone": found.backbone, "depths": depths}, said)


@see_group.command("channels", python="featx.seeing.maximise")
@click.argument("channels", nargs=-1, required=True, type=int)
@_network("-1", "Stage or layer.")
@click.option(
    "--steps", type=click.IntRange(1), default=64, show_default=True, help="How often an image is changed."
)
@_seed
@_drawing
def channels_command(
    channels: tuple[int, ...], *, steps: int, seed: int, output: Path, overwrite: bool, as_json: bool, **choices: Any
) -> None:  # fmt: skip
    """Draw the images that some channels answer most to.

    CHANNELS are numbers, from 0.

    Example: featx see channels 3 5 7 -o channels.png --depth 3
    """
    from featx.seeing.maximisation import maximise

    _place(output, overwrite)
    depth = choices.pop("depth")
    found = maximise(_extractor(**choices), channels, depth=depth, steps=steps, random_state=seed)
    facts = {
        "backbone": found.backbone,
        "depth": found.depth,
        "channels": list(found.channels),
        "responses": found.responses.tolist(),
        "noise": found.noise.tolist(),
    }
    rows = zip(found.channels, found.responses, found.noise, strict=True)
    said = "\n".join(f"channel {one}: {best:.3g}, on noise {noise:.3g}" for one, best, noise in rows)
    _written(output, found.picture(), as_json, facts, said)


@see_group.command("dream", python="featx.seeing.dream")
@_image
@_network("-1", "Stage or layer.")
@click.option("--channel", type=int, help="The channel to raise; default: what answers already answers more.")
@click.option(
    "--octaves", type=click.IntRange(1), default=4, show_default=True, help="Sizes, from small to large."
)
@click.option("--steps", type=click.IntRange(1), default=12, show_default=True, help="Changes at each size.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), default=2.0, show_default=True,
              help="How much a step changes the image, of 255.")  # fmt: skip
@click.option(
    "--size", type=click.IntRange(1), help="Longer side of the picture; default: the image's, at most 640."
)
@_seed
@_drawing
def dream_command(
    image: str, *, output: Path, overwrite: bool, as_json: bool, channel: int | None, octaves: int, steps: int,
    rate: float, size: int | None, seed: int, **choices: Any,
) -> None:  # fmt: skip
    """Change a photograph until what a depth sees in it comes out.

    Example: featx see dream photo.jpg -o dream.png --depth 3
    """
    from featx.seeing.inceptionism import dream

    _place(output, overwrite)
    depth = choices.pop("depth")
    found = dream(
        image, _extractor(**choices), depth=depth, channel=channel, octaves=octaves, steps=steps, rate=rate, size=size,
        random_state=seed,
    )  # fmt: skip
    height, width = found.shape[:2]
    _written(output, found, as_json, {"height": height, "width": width}, f"{width} x {height} pixels")


@see_group.command("answer", python="featx.seeing.class_activation")
@click.argument("model", type=click.Path(exists=True, file_okay=False, path_type=Path))
@_image
@click.option("--answer", help="Class, or number of a column; default: the class that the model answers.")
@click.option("--against", help="Another class: what spoke for the answer rather than for it.")
@_drawing
def answer_command(
    model: Path,
    image: str,
    *,
    answer: str | None,
    against: str | None,
    output: Path,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Draw which pixels of an image spoke for an answer.

    MODEL is what featx fit or featx finetune saved, with a linear head and the pooling avg, grid2 or none.

    Example: featx see answer photos-model photo.jpg -o why.png
    """
    from featx.seeing.activation import class_activation

    _place(output, overwrite)
    (found,) = class_activation(featx.load(model), [image], answer, against=against)
    facts = {
        "answer": found.answer,
        "against": found.against,
        "score": found.score,
        "constant": found.constant,
        "pixels": float(found.heat.sum()),
    }
    _written(output, found.picture(), as_json, facts, found.sentence)
