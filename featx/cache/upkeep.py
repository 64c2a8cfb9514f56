"""Looking after a cache: what it holds, whether it is sound, and how to make it smaller.

`EmbeddingCache` has a method for each function here; the methods' docstrings are the reference.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from featx.cache.exports import exports, flaw
from featx.cache.identity import FORMAT
from featx.cache.identity import recipe_id as id_of
from featx.cache.memo import Memo, Use
from featx.cache.segment import SUFFIX, open_segment
from featx.cache.store import Store, listed, read_json
from featx.errors import DamagedSegmentError, UnreadableSegmentError
from featx.files import leftovers, remove, size_of

DAMAGED = ".damaged"
"""Suffix that `verify(repair=True)` adds to what it sets aside."""


@dataclass(frozen=True)
class RecipeInfo:
    """What the cache holds for one recipe."""

    recipe_id: str
    recipe: dict[str, Any] | None
    """The recipe in words; None if it was not given."""
    rows: int
    """Different images."""
    dim: int
    segments: int
    bytes: int
    created: str
    """When its oldest segment was written, ISO 8601, UTC; empty if it has none."""
    last: str
    """When its newest segment was written."""
    use: Use | None = None
    """What the last run asked of it; None if that is unknown."""


@dataclass(frozen=True)
class Damage:
    """A file of the cache, or the folder of an exported graph, that is not what it should be."""

    path: Path
    reason: str
    readable: bool = True
    """False if it could not be read, as where another user's file may not be: it may be sound, and is left alone."""


@dataclass(frozen=True)
class Removed:
    """A file, or the folder of an exported graph, that `gc` removed, or would remove."""

    path: Path
    bytes: int
    age: float
    """Seconds since it was written."""
    idle: float
    """Seconds since it or its recipe was used, as far as that is known, or it was written, whichever is less."""


def info(store: Store, recipe_id: str) -> RecipeInfo:
    """Describe one recipe."""
    index = store.index(recipe_id)
    segments = index.segments
    times = sorted(segment.created for segment in segments) or [""]
    return RecipeInfo(
        recipe_id=recipe_id,
        recipe=words_of(store.path / recipe_id),
        rows=len(index.distinct()[0]),
        dim=segments[0].dim if segments else 0,
        segments=len(segments),
        bytes=sum(segment.size for segment in segments),
        created=times[0],
        last=times[-1],
        use=Memo(store.path).last_use(recipe_id),
    )


def verify(store: Store, *, repair: bool) -> list[Damage]:
    """Read every byte, and set aside what is damaged if `repair`."""
    damages = [damage for recipe_id in store.recipes() for damage in _damages(store.path / recipe_id)]
    for damage in [one for one in damages if one.readable] if repair else ():
        with suppress(FileNotFoundError):  # another process repaired it first
            damage.path.rename(damage.path.with_name(damage.path.name + DAMAGED))
    graphs = chain.from_iterable(map(exports, store.exports))
    unsound = [found for one in graphs if (found := _unsound(one.path)) is not None]
    unsound = [damage for damage in unsound if damage.path.exists()]  # else it was removed meanwhile
    for damage in [one for one in unsound if one.readable] if repair else ():
        remove(damage.path)  # exported again in seconds
    return damages + unsound


def _unsound(export: Path) -> Damage | None:
    try:
        reason = flaw(export)
    except OSError as error:
        return Damage(export, f"cannot be read ({error.strerror})", readable=False)
    return Damage(export, reason) if reason else None


def _damages(folder: Path) -> Iterator[Damage]:
    for path in listed(folder, SUFFIX):
        try:
            open_segment(path, folder.name).verify()
        except FileNotFoundError:
            continue  # compacted or removed meanwhile
        except DamagedSegmentError as damage:
            yield Damage(path, damage.reason, readable=not isinstance(damage, UnreadableSegmentError))
    path = folder / "recipe.json"
    try:
        words = read_json(path)
    except OSError as error:
        yield Damage(path, f"cannot be read ({error.strerror})", readable=False)
        return
    if words is None:
        yield Damage(path, "is not a JSON object")
    elif not _fits(words, folder.name):
        yield Damage(path, "describes another recipe")


def _fits(words: dict[str, Any], name: str) -> bool:
    """Tell whether words about a recipe are about this one; what featx did not write says nothing of it."""
    recipe = words.get("recipe")
    if not isinstance(recipe, dict) or "backbone" not in words:
        return True
    return any(id_of(recipe, version) == name for version in range(1, FORMAT + 1))


def words_of(path: Path) -> dict[str, Any] | None:
    """Read what a recipe's folder says of it in words; None if there is nothing, or nothing that fits."""
    try:
        words = read_json(path / "recipe.json")
    except OSError:
        return None
    return words if words and _fits(words, path.name) else None


def gc(store: Store, *, max_size: int | None, older_than: float | None, dry_run: bool) -> list[Removed]:
    """Remove the segments and exported graphs idle longest, and what damage and dead writers left."""
    kept = sorted(_kept(store), key=_longest_idle)
    total = sum(file.bytes for file in kept)
    gone = list(_left(store))
    for file in kept:
        large = max_size is not None and total > max_size
        old = older_than is not None and file.idle > older_than
        if large or old:
            gone.append(file)
            total -= file.bytes
    for file in () if dry_run else gone:
        remove(file.path)
    return sorted(gone, key=_longest_idle)


def _longest_idle(file: Removed) -> tuple[float, float]:
    return -file.idle, -file.age


def _kept(store: Store) -> Iterator[Removed]:
    for recipe_id in store.recipes():
        use = Memo(store.path).last_use(recipe_id)
        yield from _removable(listed(store.path / recipe_id, SUFFIX), use.when if use else 0.0)
    for one in chain.from_iterable(map(exports, store.exports)):
        yield from _removable([one.path], one.used)


def _left(store: Store) -> Iterator[Removed]:
    yield from _removable([*leftovers(store.path), *chain.from_iterable(map(leftovers, store.exports))])
    for recipe_id in store.recipes():
        folder = store.path / recipe_id
        yield from _removable([*listed(folder, DAMAGED), *leftovers(folder)])


def _removable(paths: Iterable[Path], used: float = 0.0) -> Iterator[Removed]:
    now = time.time()
    for path in paths:
        with suppress(FileNotFoundError):
            age = now - path.lstat().st_mtime
            yield Removed(path, size_of(path), age, min(age, now - used))


def delete(store: Store, recipe_id: str) -> int:
    """Remove a recipe; returns the bytes freed."""
    store.check_format()
    folder, freed = store.path / recipe_id, 0
    for path in listed(folder):
        with suppress(FileNotFoundError, IsADirectoryError):  # a folder is not ours
            size = path.lstat().st_size
            path.unlink()
            freed += size
    with suppress(OSError):  # not there, or another process has begun to fill it again
        folder.rmdir()
    return freed
