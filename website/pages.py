"""The repository's documents as pages of the site: which file becomes which page, and links that lead there.

The Markdown stays as a code host shows it. Links between files are turned into links between pages, so one text serves
both.
"""

import json
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parent.parent
NAMED = {"README.md": "index.md", "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md",
         "training_mini/README.md": "training-mini.md", "pipelines": "pipelines.md"}  # fmt: skip
"""Pages that are called otherwise than their files."""

_FENCE = re.compile(r"(^ *```.*?^ *```)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)\s#]+)(?=[#)])")


def page_of(file: str) -> str:
    """Give the page of a file.

    Parameters
    ----------
    file
        Its path from the root of the repository, with ``/``.

    Raises
    ------
    ValueError
        If it has none.

    Examples
    --------
    >>> [page_of(file) for file in ("README.md", "docs/heads.md", "notebooks/01-first-pipeline.ipynb")]
    ['index.md', 'heads.md', 'notebooks/01-first-pipeline.md']
    """
    path = PurePosixPath(file)
    if file in NAMED:
        return NAMED[file]
    if path.parts[0] == "docs":
        return path.relative_to("docs").as_posix()
    if path.parts[0] == "notebooks":
        return path.with_suffix(".md").as_posix()
    raise ValueError(f"{file} is no page of the site. Link to one that is, or name the file without a link.")


def pages() -> Iterator[tuple[str, str]]:
    """Give each page that is written by hand, and its text.

    Raises
    ------
    ValueError
        If a link leads to a file that has no page.
    """
    for file in [*NAMED, *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]:
        if file != "pipelines":
            yield page_of(file), linked((ROOT / file).read_text(), file)
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        file = f"notebooks/{path.name}"
        yield page_of(file), linked(notebook(path), file)
    yield page_of("pipelines"), programs(ROOT / "pipelines")


def linked(text: str, file: str) -> str:
    """Give a document with links to pages in place of files.

    Examples
    --------
    >>> linked("See [heads](docs/heads.md#how-good-a-head-is) and [the pipelines](pipelines).", "README.md")
    'See [heads](heads.md#how-good-a-head-is) and [the pipelines](pipelines.md).'
    >>> linked("[Train it](../training_mini/README.md) or [try](../notebooks/01-first-pipeline.ipynb).", "docs/x.md")
    '[Train it](training-mini.md) or [try](notebooks/01-first-pipeline.md).'
    """
    here = posixpath.dirname(page_of(file))

    def page(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(file), match[1]))
        return posixpath.relpath(page_of(target), here or ".")

    parts = enumerate(_FENCE.split(text))  # every second one is code
    return "".join(part if place % 2 else _LINK.sub(page, part) for place, part in parts)


def notebook(path: Path) -> str:
    """Give a notebook as a page: its text, and its code in blocks."""
    cells = json.loads(path.read_text())["cells"]
    sources = [("".join(cell["source"]), cell["cell_type"]) for cell in cells]
    return "\n\n".join(text if kind == "markdown" else f"```python\n{text}\n```" for text, kind in sources)


def programs(folder: Path) -> str:
    """Give a page with every program of a folder."""
    shown = [f"## {path.name}\n\n```python\n{path.read_text()}```" for path in sorted(folder.glob("*.py"))]
    about = (
        "Each runs as it is, on scikit-learn's digits or on a folder of yours; its settings stand at the top."
    )
    return "\n\n".join(["# Programs to copy", about, *shown])
