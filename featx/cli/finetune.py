"""``featx finetune``: tune a network on a folder or table of images, and save it."""

from pathlib import Path
from typing import Any

import click

import featx
from featx.cli.options import Depth, as_json, extractor_from, images_from, print_json, table
from featx.errors import InputError
from featx.text import shown


class _Stages(click.ParamType[Any]):
    """A number of stages, or all."""

    name = "stages"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if value == "all":
            return value
        try:
            return int(value)
        except ValueError:
            self.fail(f"{value!r} is neither 'all' nor a number.", param, ctx)


_OPTIONS = [
    click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder for the model."),
    click.option("--backbone", default="featx-mini", help="A name that featx backbones lists, or a .keras file."),
    click.option("--depth", type=Depth(), default="default", help="Stages or layers that the head reads."),
    click.option("--pooling", default="default", help="avg, max, std, gem, grid2 or none; combine with +: avg+std."),
    click.option("--weights", default="auto", help="A file, 'auto', or 'none' to train from scratch."),
    click.option("--scaling", default="auto", help="Pixel scaling that a .keras file of your own expects."),
    click.option("--input-size", type=int, help="Image size in pixels; default: the backbone's own."),
    click.option("--resize", default="squash", help="How images are fitted to that size: squash, crop or pad."),
    click.option("--stages", type=_Stages(), default="all", help="Number of last stages to train; default: all."),
    click.option("--epochs", type=click.IntRange(1), default=20, show_default=True, help="Epochs at most."),
    click.option("--batch-size", type=click.IntRange(1), default=32, show_default=True, help="Images per step."),
    click.option("--learning-rate", type=float, help="Rate of the head; default: the optimizer's."),
    click.option("--decay", type=float, default=0.5, show_default=True, help="Rate of a stage over the next one's."),
    click.option("--optimizer", default="adamw", show_default=True, help="adamw or sgd."),
    click.option("--augment", default="default", help="flip, crop, rotation, translation, contrast or erasing, "
                 "combined with + such as flip+crop, or none."),
    click.option("--dropout", type=float, default=0.0, help="Share of the embedding to leave out in each step."),
    click.option("--label-smoothing", type=float, default=0.0, help="Share of an even guess to mix into the targets."),
    click.option("--balanced", is_flag=True, help="Give all classes the same weight."),
    click.option("--unfreeze", default="at-once", help="at-once, or gradual: one stage after another."),
    click.option("--validation", type=float, default=0.15, show_default=True, help="Share to hold out; 0 for none."),
    click.option("--patience", type=click.IntRange(1), default=5, show_default=True,
                 help="Stop after this many epochs without improvement."),
    click.option("--precision", default="float32", help="float32, or mixed to compute in bfloat16."),
    click.option("--checkpoint", type=click.Path(file_okay=False), help="Folder to resume from."),
    click.option("--max-seconds", type=float, help="Stop after about this many seconds."),
    click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything random."),
    click.option("--jobs", type=int, help="Threads that decode images; default: one per core."),
    click.option("--cache", metavar="FOLDER", default="auto", help="Cache folder, or 'none' to keep nothing."),
    click.option("--quiet", is_flag=True, help="Show no progress bar."),
    click.option("--overwrite", is_flag=True, help="Replace an existing model."),
]  # fmt: skip


def _options(command: Any) -> Any:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command("finetune")
@table
@_options
@as_json
def finetune_command(
    source: Path, *, image: str, label: tuple[str, ...], root: Path | None, output: Path, overwrite: bool,
    as_json: bool, **choices: Any,
) -> None:  # fmt: skip
    """Fine-tune a network on your images, and save it.

    SOURCE is a folder with one folder per class, or a table. Training starts from the network's frozen features, and
    returns to them if no epoch is better on the images held out.

    Example: featx finetune photos -o photos-tuned --stages 2 --epochs 10
    """
    from sklearn.utils.multiclass import type_of_target

    if output.exists() and not overwrite:  # not after an hour's work
        raise InputError(
            f"{str(output)!r} exists. Give another name, or --overwrite to replace a saved model."
        )
    images = images_from(source, image=image, label=label, root=root, labelled=True)
    tuner = _tuner(regression=type_of_target(images.labels).startswith("continuous"), **choices)
    tuner.fit(images.paths, images.labels)
    featx.save(tuner, output, overwrite=overwrite)
    history, best = tuner.history_, tuner.best_epoch_
    if as_json:
        print_json(
            {
                "model": str(output),
                "target": tuner.target_.kind,
                "best_epoch": best,
                "history": history,
                "left_out": images.left_out,
            }
        )
        return
    if "validation_score" in history[best]:
        frozen, tuned = (history[epoch]["validation_score"] for epoch in (0, best))
        click.echo(
            f"on the images held out: {frozen:.3f} frozen, {tuned:.3f} at epoch {best} of {len(history) - 1}, "
            "which these images chose"
        )
    click.echo(f"saved in {shown(output)}")


def _tuner(
    *,
    regression: bool,
    learning_rate: float | None,
    augment: str,
    label_smoothing: float,
    balanced: bool,
    validation: float,
    seed: int,
    jobs: int | None,
    cache: str,
    quiet: bool,
    **choices: Any,
) -> Any:
    if regression and (balanced or label_smoothing):
        raise InputError("--balanced and --label-smoothing are for classes, but the labels are numbers.")
    named = ("backbone", "depth", "pooling", "weights", "scaling", "input_size", "resize")
    extractor = extractor_from(
        **{name: choices.pop(name) for name in named},
        jobs=jobs,
        cache=cache,
        cache_dtype="float32",
        quiet=quiet,
    )
    choices |= {
        "learning_rate": "auto" if learning_rate is None else learning_rate,
        "augment": None if augment == "none" else augment,
        "validation": validation or None,
        "random_state": seed,
        "verbose": int(not quiet),
    }
    if regression:
        return featx.FineTunerRegressor(extractor, **choices)
    weighting = "balanced" if balanced else None
    return featx.FineTuner(extractor, **choices, label_smoothing=label_smoothing, class_weight=weighting)
