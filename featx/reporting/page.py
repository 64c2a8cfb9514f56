"""The page: what was measured and a few pictures, put into a template; nothing in it comes from elsewhere."""

import os
from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from featx.images.sources import Source
from featx.reporting.charts import charts
from featx.reporting.embedding_map import spread_out
from featx.reporting.pictures import SMALL, pictures
from featx.text import shown

GALLERY, GROUPS, COPIES = 24, 12, 6
"""Pictures in a gallery; groups of duplicates, and pictures of each."""
ROWS, CELLS = 200, 25
"""Rows of a table, and classes of a confusion matrix, at most; `to_dict` has them all."""
_NOTHING = "\u2013"
LONGEST = 160
"""Characters of a name; longer ones are cut in the middle."""


def pictured(facts: Mapping[str, Any], sources: Sequence[Source]) -> dict[str, dict[int, str]]:
    """Make the pictures that the page shows: those of galleries, and small ones for the map."""
    rows = [one["row"] for part in ("mistakes", "wrong_labels") for one in facts[part][:GALLERY]]
    rows += [row for group in facts["duplicates"][:GROUPS] for row in group["rows"][:COPIES]]
    small: list[int] = []
    if facts["map"]:
        places = spread_out(np.asarray(facts["map"]["points"]))
        small = [facts["map"]["rows"][place] for place in places]
    return {"gallery": pictures(sources, rows), "map": pictures(sources, small, SMALL)}


def render(facts: Mapping[str, Any], shown_pictures: Mapping[str, Mapping[int, str]], diagram: str) -> str:
    """Give the page as HTML."""
    environment = Environment(
        loader=PackageLoader("featx.reporting"), autoescape=True, undefined=StrictUndefined, finalize=_line,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["whole"] = lambda value: Markup(escape(shown(value)))  # noqa: S704 - escaped here
    environment.filters["share"] = lambda value: _NOTHING if value is None else f"{value:.1%}"
    environment.filters["figure"] = lambda value: _NOTHING if value is None else f"{value:.3f}"
    folder = _common(facts["names"])
    environment.filters["below"] = lambda name: name.removeprefix(folder)
    style, script = (_part(environment, name) for name in ("style.css", "sort.js"))
    return environment.get_template("report.html").render(
        **facts,
        facts=facts,
        charts=charts(facts, shown_pictures.get("map", {})),
        gallery=shown_pictures.get("gallery", {}),
        folder=folder,
        diagram=Markup(diagram),  # noqa: S704 - scikit-learn has escaped what it holds
        style=Markup(style),  # noqa: S704 - featx's own
        script=Markup(script),  # noqa: S704 - featx's own
        script_digest=b64encode(sha256(script.encode()).digest()).decode(),
        limits={"gallery": GALLERY, "groups": GROUPS, "copies": COPIES, "rows": ROWS, "cells": CELLS},
    )


def _common(names: Sequence[str]) -> str:
    """Give the folder that all files are in, with its separator at the end; empty where there is none."""
    folders = {Path(name).parent for name in names}
    if len({folder.is_absolute() for folder in folders}) != 1:
        return ""
    common = os.path.commonpath(folders)
    return f"{common}{os.sep}" if common.strip(os.sep) else ""


def framed(page: str) -> str:
    """Give HTML that shows a page inside another, such as a notebook, without touching its styles."""
    return (
        f'<iframe title="featx report" sandbox="allow-scripts" style="width:100%;height:40rem;border:1px solid #8888" '
        f'srcdoc="{escape(page)}"></iframe>'
    )


def _line(value: Any) -> Any:
    """Give text from outside as one line that is not too long; Jinja escapes it for HTML after that."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    text = shown(value)
    half = LONGEST // 2
    return text if len(text) <= LONGEST else f"{text[: half - 1]}…{text[-half:]}"


def _part(environment: Environment, name: str) -> str:
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0].strip()
