"""The documentation as a site: every page has a place, and the build finds what must not be in it."""

import inspect
import re
from importlib import import_module

import pytest
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from website import build, check, pages, reference


def test_every_page_has_a_place():
    """A page that nobody can reach is an error, and so is a place in which nothing stands only for pages to come."""
    names = [name for name, _ in [*pages.pages(), *reference.written()]]
    placed = [name for part in build.arranged(names) for listed in part.values() for name in listed]

    assert sorted(placed) == sorted(names)
    with pytest.raises(ValueError, match=r"^lost\.md has no place in NAV"):
        build.arranged([*names, "lost.md"])


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("README.md", "[a](docs/heads.md#how-good-a-head-is)", "[a](heads.md#how-good-a-head-is)"),
        ("README.md", "![a](docs/featx.svg) [b](https://x.org/a.md)", "![a](featx.svg) [b](https://x.org/a.md)"),
        ("docs/heads.md", "[a](../README.md) [b](depths.md) [c](#here)", "[a](index.md) [b](depths.md) [c](#here)"),
        ("docs/heads.md", "[a](../notebooks/01-x.ipynb) [b](../pipelines)", "[a](notebooks/01-x.md) [b](pipelines.md)"),
        ("notebooks/01-x.ipynb", "[a](../docs/heads.md) [b](02-y.ipynb)", "[a](../heads.md) [b](02-y.md)"),
        ("README.md", "```python\nx[a](docs/heads.md)\n```\n", "```python\nx[a](docs/heads.md)\n```\n"),
    ],
)  # fmt: skip
def test_links_between_files_are_links_between_pages(file, text, expected):
    """So the same text can be read on a code host; code stays as it is."""
    assert pages.linked(text, file) == expected


def test_a_link_to_what_is_no_page_is_refused():
    with pytest.raises(ValueError, match=r"^tests/test_site\.py is no page of the site"):
        pages.linked("[a](../tests/test_site.py)", "docs/heads.md")


def test_every_public_name_and_every_command_has_its_page():
    """Names as the rooms' tables list them, which are what can be imported; help as it is printed."""
    texts = dict(reference.written())
    for room, names in reference.rooms().items():
        module = import_module(room)
        assert sorted(names) == sorted(getattr(module, "__all__", names))
        assert all(f"::: {room}.{name}\n" in texts[f"reference/{room}.md"] for name in names)
    for name, command in reference.commands():
        (shown,) = [part for part in texts["commands.md"].split("\n## ") if part.startswith(f"{name}\n")]
        assert all(
            option in shown for parameter in command.params for option in parameter.opts if "-" in option
        )


def documented(call):
    """Give the parameters that the docstring of a function or class has under that heading."""
    text = re.search(
        r"^Parameters\n-+\n(.*?)(?=^\S[^\n]*\n-+$|\Z)", inspect.getdoc(call) or "", re.MULTILINE | re.DOTALL
    )
    return (
        set(re.findall(r"\w+", " ".join(re.findall(r"^\S[^:\n]*", text[1], re.MULTILINE)))) if text else set()
    )


def test_every_parameter_of_what_people_call_is_described():
    """Functions and estimators; a class may name another one in its docstring, whose parameters it has."""
    public = {
        name: getattr(import_module(room), name)
        for room, names in reference.rooms().items()
        for name in names
    }
    called = {
        name: call
        for name, call in public.items()
        if inspect.isfunction(call) or (inspect.isclass(call) and issubclass(call, BaseEstimator))
    }
    theirs = {
        name: documented(base)
        for name, base in (("SteadyScaler", StandardScaler), ("HeadPipeline", Pipeline))
    }
    theirs["XGBoostHead"] = theirs["XGBoostRegressorHead"] = {"kwargs"}  # XGBoost's own
    theirs["UnweightedPipeline"] = theirs["HeadPipeline"]
    assert len(called) > 60
    for name, call in called.items():
        named = [other for other in called if re.search(rf"`{other}`", inspect.getdoc(call) or "")]
        known = documented(call).union(theirs.get(name, ()), *(documented(called[other]) for other in named))
        assert set(inspect.signature(call).parameters) - known == set(), name


GOOD = (
    '<h2 id="there">x</h2><a href="#there">a</a> <a href="other.html#b">b</a> <a href="https://x.org/">c</a>'
)
FAULTS = {
    '<a href="gone.html">': "index.html links to gone.html, which is not there",
    '<a href="other.html#gone">': "index.html links to other.html#gone, an anchor that is not there",
    '<a href="#gone">': "index.html links to #gone, an anchor that is not there",
    '<img src="gone.png">': "index.html links to gone.png, which is not there",
    '<img src="https://x.org/a.png">': "index.html loads from elsewhere: https://x.org/a.png",
    '<script src="//x.org/a.js">': "index.html loads from elsewhere: //x.org/a.js",
    '<link rel="stylesheet" href="https://x.org/a.css">': "index.html loads from elsewhere: https://x.org/a.css",
    "<style>@import 'https://x.org/a.css';</style>": "index.html loads from elsewhere: a style",
    "<p>Such as:\n* one\n* two</p>": "index.html has a list in a paragraph: put an empty line before it, and",
}


@pytest.mark.parametrize("part", ["", *FAULTS])
def test_the_check_finds_each_fault_and_no_other(part, tmp_path):
    (tmp_path / "index.html").write_text(GOOD + part)
    (tmp_path / "other.html").write_text('<p id="b">')
    found = list(check.faults(tmp_path, ["there"]))

    assert [one[: len(FAULTS[part])] for one in found] == [FAULTS[part]] if part else found == []


def test_the_check_misses_names_and_looks_into_styles(tmp_path):
    (tmp_path / "index.html").write_text(GOOD.replace("other.html#b", "index.html"))
    (tmp_path / "a.css").write_text("p { background: url('https://x.org/a.png') }")

    assert list(check.faults(tmp_path, ["featx.gone"])) == [
        "a.css loads from elsewhere",
        "no page describes featx.gone",
    ]
