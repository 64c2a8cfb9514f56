"""One of several jobs that fill one cache and know nothing of each other: ``featx extract --shard 2/4``."""

import re
import warnings
from pathlib import Path
from typing import Any

import click

from featx.cli.bad_images import end_with
from featx.cli.options import print_json
from featx.errors import BadImage, CacheError, CacheWarning, InputError

CHUNK = 4096
"""Images that are worked on before the next ones are looked at, which bounds memory; each chunk leaves a segment."""


class Shard(click.ParamType[Any]):
    """The number of a shard, and how many there are."""

    name = "i/n"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Turn ``2/4`` into (2, 4)."""
        match = re.fullmatch(r"0*(\d{1,9})/0*(\d{1,9})", str(value).strip(), re.ASCII)
        number, count = map(int, match.groups()) if match else (0, 0)
        if not 1 <= number <= count:
            self.fail(
                f"{value!r} is none of n shards. Give i/n: of 4, they are 1/4, 2/4, 3/4 and 4/4.", param, ctx
            )
        return number, count


shard = click.option(
    "--shard",
    type=Shard(),
    metavar="I/N",
    help="Fill the cache with the i-th of n parts of the images, and write no file; n such jobs may run anywhere.",
)


def check_shard(shard: Any, output: Path | None, on_error: str, cache: Any) -> None:
    """Refuse what does not go with a shard, or without one."""
    if shard is None:
        if output is None:
            raise click.UsageError("Missing option '-o' / '--output'.")
        return
    if output is not None:
        raise click.UsageError(
            "--shard fills the cache and writes no file: leave -o out. Once all shards are done, the same command with "
            "-o and without --shard writes one, and computes nothing."
        )
    if on_error == "nan":
        raise click.UsageError("--on-error nan is for rows of a file, and --shard writes none: take skip.")
    if cache is None:
        raise click.UsageError(
            "--shard fills a cache, and there is none. Name its folder by --cache or FEATX_CACHE."
        )


def fill(
    images: Any, extractor: Any, shard: tuple[int, int], root: Path | str, *, on_error: str, as_json: bool
) -> None:
    """Embed the images of a shard, chunk by chunk, for nobody but the cache.

    Raises
    ------
    InputError
        If the vectors of this network are never kept.
    CacheError
        If they cannot be kept.
    """
    from featx.embedding.progress import images_bar, sharing
    from featx.images.sharing import in_shard

    plan = extractor.plan()
    if not plan.is_kept:
        raise InputError(
            "What this network computes is not kept, since its code may give other numbers next time."
        )
    paths = images.paths[in_shard(images.paths, *shard, root=root)]
    extractor, bad = extractor.with_choices(on_error="nan"), list[BadImage]()
    with images_bar(len(paths), plan.name, None if extractor.verbose is None else False) as bar:
        new = _Counted(bar)
        for start in range(0, len(paths), CHUNK):
            some = paths[start : start + CHUNK]
            before = new.count
            with sharing(new, len(paths) - start), warnings.catch_warnings():
                warnings.filterwarnings("error", r"(?s).* are not kept", CacheWarning)
                try:
                    extractor.transform(some)
                except CacheWarning as warning:
                    raise CacheError(str(warning)) from warning
            bad += extractor.bad_images_
            bar.update(len(some) - (new.count - before))  # those that were cached
    name = "/".join(map(str, shard))
    summary = {"shard": name, "images": len(paths), "of": len(images), "new": new.count, "columns": plan.width,
               "bad": len(bad)}  # fmt: skip
    if as_json:
        print_json({**summary, "left_out": images.left_out})
    else:
        click.echo(
            f"shard {name}: {len(paths)} of {len(images)} images x {plan.width} columns, "
            f"{new.count} new, {len(bad)} bad"
        )
    end_with(bad, on_error)


class _Counted:
    """A bar that also counts where it is not shown."""

    def __init__(self, bar: Any) -> None:
        self.bar, self.count = bar, 0

    def update(self, count: int) -> None:
        self.count += count
        self.bar.update(count)
