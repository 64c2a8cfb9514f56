"""``featx finetune``: tune a network on a folder or table of images, and save it."""

from pathlib import Path
from typing import Any

import click

import featx
from featx.cli.options import Depth, as_json, extractor_from, images_from, print_json, table
from featx.errors import InputError


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
    click.option("--backbone", default="featx-mini", help="A name of featx backbones, or a .keras file."),
    click.option("--depth", type=Depth(), default="default", help="Stages or layers that the head reads."),
    click.option("--pooling", default="default", help="avg, max, std, gem, grid2, none, or a sum: avg+std."),
    click.option("--weights", default="auto", help="'auto', a file, or 'none' to train from scratch."),
    click.option("--scaling", default="auto", help="Pixel scaling of a .keras file of your own."),
    click.option("--input-size", type=int, help="Pixels; default: the backbone's own."),
    click.option("--resize", default="squash", help="squash, crop or pad."),
    click.option("--stages", type=_Stages(), default="all", help="How many of the last stages; default: all."),
    click.option("--epochs", type=click.IntRange(1), default=20, show_default=True, help="At most."),
    click.option("--batch-size", type=click.IntRange(1), default=32, show_default=True, help="Images in a step."),
    click.option("--learning-rate", type=float, help="Of the head; default: the optimizer's."),
    click.option("--decay", type=float, default=0.5, show_default=True, help="Of the rate, from stage to stage."),
    click.option("--optimizer", default="adamw", show_default=True, help="adamw or sgd."),
    click.option("--augment", default="default", help="flip, crop, rotation, translation, contrast, erasing, "
                 "a sum such as flip+crop, or none."),
    click.option("--dropout", type=float, default=0.0, help="Share of the embedding left out in a step."),
    click.option("--label-smoothing", type=float, default=0.0, help="Share of an even guess in the targets."),
    click.option("--balanced", is_flag=True, help="Every class counts the same, however many images it has."),
    click.option("--unfreeze", default="at-once", help="at-once, or gradual: one stage after the other."),
    click.option("--validation", type=float, default=0.15, show_default=True, help="Share held out; 0 for none."),
    click.option("--patience", type=click.IntRange(1), default=5, show_default=True,
                 help="Epochs without a better one that end the training."),
    click.option("--precision", default="float32", help="float32, or mixed: arithmetic in bfloat16."),
    click.option("--checkpoint", type=click.Path(file_okay=False), help="Folder; the same command goes on from it."),
    click.option("--max-seconds", type=float, help="About when to end."),
    click.option("--seed", type=int, default=0, show_default=True, help="Fixes everything that is random."),
    click.option("--jobs", type=int, help="Threads that decode; default: one for every core."),
    click.option("--cache", metavar="FOLDER", default="auto", help="Of frozen embeddings; 'none' to keep nothing."),
    click.option("--quiet", is_flag=True, help="No progress bar."),
    click.option("--overwrite", is_flag=True, help="Replace a model that is there."),
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
    """Tune a network, whole or in its last stages, on a folder or table of images, and save it.

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
            {"model": str(output), "target": tuner.target_.kind, "best_epoch": best, "history": history}
        )
        return
    if "validation_score" in history[best]:
        frozen, tuned = (history[epoch]["validation_score"] for epoch in (0, best))
        click.echo(
            f"on the images held out: {frozen:.3f} frozen, {tuned:.3f} at epoch {best} of {len(history) - 1}, "
            "which these images chose"
        )
    click.echo(f"saved in {output}")


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
