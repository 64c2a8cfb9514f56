"""The commands ``featx cache``: what is kept, whether it is sound, less of it, and out of it."""

import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

import featx
from featx.cli.options import Place, as_json, columns, images_from, output, print_json, print_table
from featx.cli.outputs import check_output
from featx.cli.running import Group
from featx.text import shown

_BYTES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_SECONDS = {"h": 3600, "d": 86_400, "w": 7 * 86_400}


class _Folder(click.ParamType[Any]):
    """The folder of a cache that exists or may exist."""

    name = "folder"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        cache = featx.EmbeddingCache.at(value)
        if cache is None:
            self.fail("'none' keeps nothing, so there is nothing to look after.", param, ctx)
        return cache


class _Amount(click.ParamType[float]):
    """A number with a unit."""

    def __init__(self, name: str, units: Mapping[str, int], pattern: str) -> None:
        self.name, self.units, self.pattern = name, units, re.compile(pattern, re.IGNORECASE)

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        match = self.pattern.fullmatch(str(value).strip())
        if not match:
            self.fail(f"{value!r} is not {self.name}.", param, ctx)
        return float(match[1]) * self.units[match[2].lower()]


_NUMBER = r"(\d+(?:\.\d+)?) ?"
_SIZE = _Amount("a size such as 500MB or 2GB", _BYTES, _NUMBER + "([kmgt]?)b?")
_AGE = _Amount("an age such as 12h, 30d or 8w", _SECONDS, _NUMBER + "([hdw])")

_cache = click.option(
    "--cache",
    type=_Folder(),
    default="auto",
    metavar="FOLDER",
    help="Cache folder; default: the one FEATX_CACHE names, else the user's.",
)


@click.group("cache", cls=Group)
def cache_group() -> None:
    """Inspect, check, shrink and export the cache."""


@cache_group.command("path", python="featx.EmbeddingCache")
@_cache
@as_json
def show_path(cache: Any, as_json: bool) -> None:
    """Print the cache's folder.

    Example: featx cache path
    """
    print_json({"path": str(cache.path)}) if as_json else click.echo(bytes(cache.path))


@cache_group.command(python="featx.EmbeddingCache.info, featx.EmbeddingCache.exports")
@_cache
@as_json
def info(cache: Any, as_json: bool) -> None:
    """Show what the cache holds.

    One line per recipe: the backbone, where it is cut, over how many views it is a mean, how many images are kept, and
    how many of the images that the last run asked for were found. Then the exported graphs.

    Example: featx cache info
    """
    from featx.embedding.views import views_in

    recipes, exports = cache.info(), cache.exports()
    if as_json:
        parts = {"recipes": recipes, "exports": exports}
        print_json(
            {"path": str(cache.path)} | {name: list(map(asdict, part)) for name, part in parts.items()}
        )
        return
    click.echo(str(cache.path))
    rows = []
    for recipe in recipes:
        words, use = recipe.recipe or {}, recipe.use
        said = words["recipe"] if isinstance(words.get("recipe"), dict) else {}
        pooling = said.get("pooling")
        found = f"{use.found} of {use.asked}" if use else None
        rows.append(
            [recipe.recipe_id[:8], words.get("backbone"), words.get("depth"), pooling, views_in(said), recipe.rows,
             recipe.dim, recipe.segments, recipe.bytes, found]
        )  # fmt: skip
    header = (
        "recipe",
        "backbone",
        "depth",
        "pooling",
        "views",
        "images",
        "columns",
        "segments",
        "bytes",
        "found last",
    )
    print_table(rows, header)
    if exports:
        total = sum(one.bytes for one in exports)
        click.echo(f"{len(exports)} exported {'graph' if len(exports) == 1 else 'graphs'}, {total} bytes")


@cache_group.command(python="featx.EmbeddingCache.verify")
@_cache
@click.option(
    "--repair",
    is_flag=True,
    help="Set damaged files aside and remove damaged graphs; both are made again when needed.",
)
@as_json
def verify(cache: Any, repair: bool, as_json: bool) -> None:
    """Read every byte and name the damaged files.

    Exit code 1 if there are any.

    Example: featx cache verify
    """
    damages = cache.verify(repair=repair)
    if as_json:
        print_json([asdict(damage) for damage in damages])
    else:
        lines = [shown(f"{damage.path}: {damage.reason}") for damage in damages]
        click.echo("\n".join(lines) or "nothing is damaged")
    if damages:
        raise SystemExit(1)


@cache_group.command(python="featx.EmbeddingCache.compact")
@_cache
@as_json
def compact(cache: Any, as_json: bool) -> None:
    """Make one file of the small ones of each recipe.

    Other processes may use the cache meanwhile.

    Example: featx cache compact
    """
    fewer = cache.compact()
    print_json({"fewer": fewer}) if as_json else click.echo(
        f"{fewer} {'segment' if fewer == 1 else 'segments'} fewer"
    )


@cache_group.command(python="featx.EmbeddingCache.merge")
@click.argument(
    "sources", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@_cache
@as_json
def merge(cache: Any, sources: tuple[Path, ...], as_json: bool) -> None:
    """Copy the vectors of other caches, the folders SOURCES, into this one.

    Every byte is checked on its way. Of a damaged file the sound vectors are copied; it is named, and the exit code is
    1. What is here already is not copied again, and other processes may use all of the caches meanwhile.

    Example: featx cache merge /mnt/disk1/featx /mnt/disk2/featx
    """
    merged = cache.merge(*sources)
    damages = [damage for one in merged for damage in one.damages]
    if as_json:
        print_json([asdict(one) for one in merged])
    else:
        for one in merged:
            lost = f", {one.lost} damaged" if one.lost else ""
            click.echo(f"{shown(one.source)}: {one.rows} vectors copied, {one.known} here already{lost}")
        for damage in damages:
            click.echo(shown(f"{damage.path}: {damage.reason}"), err=True)
    if damages:
        raise SystemExit(1)


@cache_group.command(python="featx.EmbeddingCache.gc")
@_cache
@click.option("--max-size", type=_SIZE, metavar="SIZE", help="How much may stay, such as 500MB or 2GB.")
@click.option(
    "--older-than",
    type=_AGE,
    metavar="AGE",
    help="Remove what has been idle for longer, such as 12h, 30d or 8w.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@as_json
def gc(cache: Any, max_size: float | None, older_than: float | None, dry_run: bool, as_json: bool) -> None:
    """Remove the vectors and exported graphs that have gone unused the longest.

    Damaged files that were set aside and leftovers of killed writers are always removed; without a limit, only those.
    Whatever is needed again is computed again.

    Example: featx cache gc --max-size 2GB --older-than 30d --dry-run
    """
    size = None if max_size is None else int(max_size)
    removed = cache.gc(max_size=size, older_than=older_than, dry_run=dry_run)
    if as_json:
        print_json([asdict(file) for file in removed])
        return
    for file in removed:
        click.echo(f"{shown(file.path)}  {file.bytes} bytes, idle for {file.idle / 86_400:.1f} days")
    freed, done = sum(file.bytes for file in removed), "would be removed" if dry_run else "removed"
    click.echo(f"{len(removed)} {'file' if len(removed) == 1 else 'files'} {done}, {freed} bytes")


@cache_group.command(python="featx.saving.export_recipe")
@click.argument("recipe")
@output("File to write: .h5, .npz, .parquet or .csv.")
@click.option(
    "--source",
    type=Place(),
    help="A folder or table: write only its images, in its order, with its labels.",
)
@columns
@_cache
@as_json
def export(
    recipe: str,
    *,
    output: Path,
    overwrite: bool,
    source: Path | None,
    image: str,
    label: tuple[str, ...],
    root: Path | None,
    cache: Any,
    as_json: bool,
) -> None:
    """Write the cached vectors of RECIPE as one file.

    RECIPE is the beginning of an id that featx cache info shows.

    Example: featx cache export 0f1e2d3c -o photos.parquet --source photos
    """
    from featx.files import make_folder
    from featx.saving.tables import check_suffix, export_recipe

    check_suffix(output)
    check_output(output, overwrite=overwrite)
    images = images_from(source, image=image, label=label, root=root) if source else None
    make_folder(output.absolute().parent)
    count, width = export_recipe(cache, recipe, output, images)
    if as_json:
        left_out = images.left_out if images else {}
        print_json({"output": str(output), "images": count, "columns": width, "left_out": left_out})
    else:
        click.echo(f"{shown(output)}: {count} images x {width} columns")
