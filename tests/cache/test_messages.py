"""What a person reads when a cache cannot be used: the whole message, for each mistake."""

import sys
from pathlib import Path

import numpy as np
import pytest

from featx.cache import EmbeddingCache
from featx.errors import CacheError, InputError

IDS, ROWS = np.zeros((1, 16), "u1"), np.zeros((1, 2), "f4")


def put(path):
    """Write a vector."""
    EmbeddingCache(path).put("0" * 32, IDS, ROWS)


def below_a_file():
    """Write where a file stands in the way."""
    Path("file").write_text("x")
    put("file/cache")


def of_format(text):
    """Write to a cache whose format is another one."""
    Path("cache").mkdir()
    Path("cache/format.json").write_text(text)
    put("cache")


def merged(name):
    """Merge a folder into the cache ``cache``, where ``photos`` is a folder without one."""
    Path("photos").mkdir()
    put("cache")
    EmbeddingCache("cache").merge(name)


def of_other_width():
    """Merge vectors of two numbers with vectors of three."""
    put("cache")
    EmbeddingCache("other").put("0" * 32, IDS + 1, np.zeros((1, 3), "f4"))
    EmbeddingCache("cache").merge("other")


ELSEWHERE = "choose another folder with cache= or FEATX_CACHE."
IN_THE_WAY = "it is a file, not a folder, or lies below one. Remove that file, or"
MESSAGES = {
    "a file in the way": (
        below_a_file,
        CacheError,
        f"Cannot write to the cache */file/cache: {IN_THE_WAY} {ELSEWHERE}",
    ),
    "where no folder can be made": (
        lambda: put("/proc/x"),
        CacheError,
        f"Cannot make the folder /proc/x: no folder can be made there; {ELSEWHERE}",
    ),
    "a name that is too long": (
        lambda: put("x" * 300),
        CacheError,
        f"Cannot write to the cache */{'x' * 300}: File name too long. Mend that, or {ELSEWHERE}",
    ),
    "another format": (
        lambda: of_format('{"format": 2}'),
        CacheError,
        f"The cache */cache is of format 2, expected 1. Upgrade featx, or {ELSEWHERE}",
    ),
    "a merge of what is no cache": (
        lambda: merged("photos"),
        InputError,
        "'*/photos' is no cache: it has no format.json. Give one that cache= or FEATX_CACHE named.",
    ),
    "a merge of a cache with itself": (
        lambda: merged("../" + Path.cwd().name + "/cache"),
        InputError,
        "'*/cache' is the cache to merge into. Give the folders of others.",
    ),
    "a merge of vectors of another length": (
        of_other_width,
        CacheError,
        (
            f"The recipe {'0' * 32} holds vectors of 2 numbers, expected 3. A recipe fixes the length of its vectors: "
            "make its id from all that changes them."
        ),
    ),
    "a damaged format": (
        lambda: of_format("{"),
        CacheError,
        "*/cache/format.json is damaged. If */cache is a cache, delete this one file.",
    ),
}


@pytest.mark.skipif(sys.platform != "linux", reason="uses what only Linux offers")
@pytest.mark.parametrize("mistake", MESSAGES)
def test_says(mistake, says):
    says(*MESSAGES[mistake])
