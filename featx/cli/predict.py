"""The commands ``featx predict`` and ``featx classify``, which answer for each image."""

from pathlib import Path
from typing import Any

import click

import featx
from featx.cli.bad_images import end_with, on_error_of_answers, past_bad
from featx.cli.options import as_json, cache, input_size, jobs, paths_from, print_json, quiet
from featx.cli.running import Command
from featx.text import shown

_images = click.argument("images", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))


@click.command("predict", cls=Command, python="featx.load")
@click.argument("model", type=click.Path(exists=True, file_okay=False, path_type=Path))
@_images
@on_error_of_answers
@jobs
@quiet
@cache
@as_json
def predict_command(
    model: Path,
    *,
    images: tuple[Path, ...],
    on_error: str,
    jobs: int | None,
    quiet: bool,
    cache: str,
    as_json: bool,
) -> None:
    """Apply a saved MODEL to image files or folders.

    Example: featx predict photos-model photos/circle
    """
    import numpy as np

    pipeline = featx.load(model)
    _configure(pipeline, n_jobs=jobs, verbose=0 if quiet else None, cache=cache)

    def ask(paths: Any) -> list[dict[str, Any]]:
        answers = [{"prediction": answer} for answer in pipeline.predict(paths).tolist()]
        if hasattr(pipeline, "predict_proba"):
            for answer, chances in zip(answers, pipeline.predict_proba(paths), strict=True):
                answer["probability"] = round(float(max(chances)), 4)
        return answers

    answers, (paths,), bad = past_bad(ask, np.array(paths_from(images), object))
    answers = [{"path": path, **answer} for path, answer in zip(paths, answers, strict=True)]
    if as_json:
        print_json(answers)
    for answer in [] if as_json else answers:
        click.echo("\t".join(map(shown, answer.values())))
    end_with(bad, on_error)


@click.command("classify", cls=Command, python="featx.exploring.classify")
@_images
@click.option("--backbone", default="mobilenet_v2", show_default=True, help="A network trained on ImageNet.")
@click.option("--weights", default="auto", help="'auto', or a file that includes the classifier's weights.")
@input_size
@click.option(
    "--top", type=click.IntRange(1, 1000), default=5, show_default=True, help="Classes to list per image."
)
@on_error_of_answers
@jobs
@quiet
@cache
@as_json
def classify_command(
    images: tuple[Path, ...], *, backbone: str, top: int, on_error: str, jobs: int | None, quiet: bool, as_json: bool,
    **choices: Any,
) -> None:  # fmt: skip
    """Ask a backbone's own ImageNet classifier what it sees.

    IMAGES are files or folders.

    Example: featx classify photos --backbone mobilenet_v2
    """
    import numpy as np

    from featx.exploring.imagenet import classify

    choices |= {"n_jobs": jobs, "verbose": 0 if quiet else None}
    guesses, (paths,), bad = past_bad(
        lambda paths: classify(paths, backbone, top=top, **choices), np.array(paths_from(images), object)
    )
    rows = list(zip(paths, guesses, strict=True))
    if as_json:
        print_json([{"path": path, "guesses": [guess._asdict() for guess in row]} for path, row in rows])
    for path, row in [] if as_json else rows:
        click.echo("\t".join([shown(path), *(f"{guess.name} {guess.confidence:.3f}" for guess in row)]))
    end_with(bad, on_error)


def _configure(model: Any, **choices: Any) -> None:
    """Change how the extractors in a model work; its answers stay what they are."""
    for part in (model, *model.get_params(deep=True).values()):
        if isinstance(part, featx.FeatureExtractor):
            part.set_params(**choices)
