"""``featx finetune``: tune a network on a folder or table of images, and save it."""

from pathlib import Path
from typing import Any

import click

import featx
from featx.cli.bad_images import on_error, past_bad_if
from featx.cli.options import (
    as_json,
    cache,
    extractor_from,
    group,
    groups_from,
    images_from,
    jobs,
    network,
    output,
    print_json,
    quiet,
    table,
    with_options,
)
from featx.cli.outputs import check_output, save_model
from featx.cli.running import Command
from featx.errors import InputError
from featx.text import shown


class _Share(click.FloatRange):
    """A number, or none, which is 0."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        return 0.0 if value == "none" else super().convert(value, param, ctx)


class _Average(click.FloatRange):
    """A share, auto, or none."""

    def __init__(self) -> None:
        super().__init__(0, 1)

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if value in ("auto", None):
            return value
        return None if value == "none" else super().convert(value, param, ctx)


class _Stages(click.ParamType[Any]):
    """A number of stages, or a name."""

    name = "stages"
    named = ("all", "norm", "auto")

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if value in self.named:
            return value
        try:
            return int(value)
        except ValueError:
            self.fail(f"{value!r} is neither a number nor one of {', '.join(self.named)}.", param, ctx)


_training = with_options(
    click.option("--stages", type=_Stages(), default="all",
                 help="Number of last stages to train; norm: only scales, shifts and biases; auto: what does best in "
                 "short trials; default: all."),
    click.option("--epochs", type=click.IntRange(1), default=20, show_default=True, help="Epochs at most."),
    click.option("--batch-size", type=click.IntRange(1), default=32, show_default=True, help="Images per step."),
    click.option("--learning-rate", type=click.FloatRange(0, min_open=True),
                 help="Rate of the head; default: the optimizer's."),
    click.option("--decay", type=click.FloatRange(0, 1, min_open=True), default=0.5, show_default=True,
                 help="Rate of a stage over the next one's."),
    click.option("--optimizer", type=click.Choice(["adamw", "sgd"]), default="adamw", show_default=True,
                 help="How weights are changed."),
    click.option("--augment", default="default", help="flip, crop, rotation, translation, contrast or erasing, "
                 "combined with + such as flip+crop, or none."),
    click.option("--dropout", type=click.FloatRange(0, 1, max_open=True), default=0.0,
                 help="Share of the embedding to leave out in each step."),
    click.option("--label-smoothing", type=click.FloatRange(0, 1, max_open=True), default=0.0,
                 help="Share of an even guess to mix into the targets."),
    click.option("--numbers", is_flag=True, help="Take whole numbers as numbers to predict, not as classes."),
    click.option("--balanced", is_flag=True, help="Give all classes the same weight."),
    click.option("--unfreeze", type=click.Choice(["at-once", "gradual"]), default="at-once", show_default=True,
                 help="All stages at once, or one after another."),
    click.option("--validation", type=_Share(0, 0.5), default=0.15, show_default=True,
                 help="Share to hold out, or none."),
    click.option("--patience", type=click.IntRange(1), default=5, show_default=True,
                 help="Stop after this many epochs without improvement."),
    click.option("--average", type=_Average(), default="auto", show_default=True,
                 help="Share of the tuned weights, the rest being the frozen ones: auto, 0 to 1, or none."),
    click.option("--precision", type=click.Choice(["float32", "mixed"]), default="float32", show_default=True,
                 help="mixed computes in bfloat16."),
    click.option("--checkpoint", type=click.Path(file_okay=False), help="Folder to resume from."),
    click.option("--max-seconds", type=click.FloatRange(0, min_open=True), help="Stop after about this many seconds."),
    click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything random."),
)  # fmt: skip


@click.command("finetune", cls=Command, python="featx.FineTuner, featx.FineTunerRegressor")
@table
@output("Folder for the model.")
@group
@network
@_training
@on_error
@jobs
@quiet
@cache
@as_json
def finetune_command(
    source: Path, *, image: str, label: tuple[str, ...], root: Path | None,
    group: str | None, output: Path, overwrite: bool,
    on_error: str, numbers: bool, as_json: bool, **choices: Any,
) -> None:  # fmt: skip
    """Fine-tune a network on your images, and save it.

    SOURCE is a folder with one folder per class, or a table. Training starts from the network's frozen features, and
    returns to them if no epoch is better on the images held out.

    Example: featx finetune photos -o photos-tuned --stages 2 --epochs 10
    """
    from sklearn.utils.multiclass import type_of_target

    from featx.saving.models import check_place

    check_place(output, overwrite=overwrite)
    check_output(output, overwrite=overwrite, folder=True)
    images = images_from(source, image=image, label=label, root=root, labelled=True)
    groups = groups_from(source, group, image=image, root=root)
    tuner = _tuner(regression=numbers or type_of_target(images.labels).startswith("continuous"), **choices)
    _, (paths, *_), bad = past_bad_if(
        on_error,
        lambda paths, labels, groups: tuner.fit(paths, labels, groups=groups),
        images.paths,
        images.labels,
        groups,
    )
    save_model(tuner, output, overwrite=overwrite, images=paths)
    history, best = tuner.history_, tuner.best_epoch_
    if as_json:
        print_json(
            {
                "model": str(output),
                "target": tuner.target_.kind,
                "stages": tuner.stages_,
                "trials": tuner.trials_,
                "best_epoch": best,
                "share": tuner.share_,
                "shares": tuner.shares_,
                "history": history,
                "bad": len(bad),
                "left_out": images.left_out,
            }
        )
        return
    if tuner.shares_:
        found = {entry["share"]: entry["validation_score"] for entry in tuner.shares_}
        if tuner.trials_:
            click.echo(
                f"--stages {tuner.stages_} did best of {', '.join(str(one['stages']) for one in tuner.trials_)}"
            )
        best = f"epoch {best} of {len(history) - 1}" + (f", {tuner.share_:.0%} tuned" if best else "")
        click.echo(
            f"on the images held out: {found[0]:.3f} frozen, {found[tuner.share_]:.3f} at {best}, "
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
        quiet=quiet,
    )
    choices |= {
        "learning_rate": "auto" if learning_rate is None else learning_rate,
        "augment": None if augment == "none" else augment,
        "validation": validation or None,
        "random_state": seed,
        "verbose": 0 if quiet else None,
    }
    if regression:
        return featx.FineTunerRegressor(extractor, **choices)
    weighting = "balanced" if balanced else None
    return featx.FineTuner(extractor, **choices, label_smoothing=label_smoothing, class_weight=weighting)
