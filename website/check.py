"""What a built site must hold: links that lead somewhere, nothing from elsewhere, lists as lists, every public name.

Zensical's ``--strict`` looks at the links of the Markdown; what becomes of it, docstrings included, is looked at here.
"""

import posixpath
import re
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src",
          "embed": "src", "object": "data", "image": "href", "use": "href"}  # fmt: skip
"""What a browser fetches by itself, by the attribute that says where; of ``link`` only some."""
FETCHED = {
    "stylesheet",
    "icon",
    "preload",
    "modulepreload",
    "prefetch",
    "preconnect",
    "dns-prefetch",
    "manifest",
}
"""Kinds of ``link`` for which a browser asks a server."""

_LIST = re.compile(r"<p>(?:(?!</p>).)*\n\s*(?:[*-]|\d+\.) ", re.DOTALL)  # one that a code host shows as such
_CSS = re.compile(r"url\(\s*['\"]?(?:https?:)?//|@import\s+['\"](?:https?:)?//")


class Page(HTMLParser):
    """The anchors of a page, where it leads, and what it loads.

    Parameters
    ----------
    text
        The page's HTML.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.lost = bool(_LIST.search(text))
        self.styles = bool(_CSS.search("".join(re.findall(r"<style.*?</style>", text, re.DOTALL))))
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what an element names."""
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "link" and FETCHED & set(given.get("rel", "").split()):
            self.loads.append(given["href"])
        if tag in LOADED and given.get(LOADED[tag]):
            self.loads.append(given[LOADED[tag]])


def faults(site: Path, names: Iterable[str] = ()) -> Iterator[str]:
    """Say what is wrong with a built site, one line each.

    Parameters
    ----------
    site
        Its folder.
    names
        Public names, each of which some page must describe: have as an anchor.
    """
    pages = {
        path.relative_to(site).as_posix(): Page(path.read_text()) for path in sorted(site.rglob("*.html"))
    }
    for name, page in pages.items():
        if elsewhere := [url for url in page.loads if urlsplit(url).netloc] + ["a style"] * page.styles:
            yield f"{name} loads from elsewhere: {', '.join(elsewhere)}"
        if page.lost:
            yield f"{name} has a list in a paragraph: put an empty line before it, and indent what belongs to it by 4"
        for url in [*page.links, *page.loads]:
            wrong = _wrong(url, name, site, pages)
            if wrong and name != "404.html":  # it is shown at any address
                yield f"{name} links to {url}, {wrong}"
    for path in sorted(site.rglob("*.css")):
        if _CSS.search(path.read_text()):
            yield f"{path.relative_to(site)} loads from elsewhere"
    described = set().union(*(page.anchors for page in pages.values()))
    yield from (f"no page describes {name}" for name in names if name not in described)


def _wrong(url: str, name: str, site: Path, pages: dict[str, Page]) -> str | None:
    """Say what is wrong with a link of a page, if anything."""
    parts = urlsplit(url)
    if parts.scheme or parts.netloc:
        return None
    target = (
        posixpath.normpath(posixpath.join(posixpath.dirname(name), unquote(parts.path)))
        if parts.path
        else name
    )
    if (site / target).is_dir():
        target = posixpath.join(target, "index.html")
    if not (site / target).is_file():
        return "which is not there"
    anchor = unquote(parts.fragment)
    if anchor and target in pages and anchor not in pages[target].anchors | {"__skip"}:
        return "an anchor that is not there"
    return None
