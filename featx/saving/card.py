"""The card of a saved model: a README.md for people, by skops."""

import re
from collections.abc import Mapping
from html import escape
from typing import Any

from featx.text import shown

CARD, REPORT = "README.md", "report.html"
"""Files beside a model that `load` does not read."""
NAMED = 20
"""Classes that are named, at most."""
LONGEST = 120
"""Characters of a value, at most."""
_ACTING = re.compile(r"[\\`*\[\]|#!~$]|(?<!\w)_+|_++(?![^\W_])")  # an underscore inside a word does nothing


def card(estimator: Any, name: str, manifest: Mapping[str, Any], report: Any = None) -> str:
    """Write the card of a saved model, in Markdown.

    Parameters
    ----------
    estimator
        The model.
    name
        What its folder is called.
    manifest
        What ``model.json`` says of it.
    report
        What `featx.report` gave, or None.

    Examples
    --------
    >>> from featx.heads import make_head
    >>> head = make_head("knn").fit([[0, 1], [1, 0], [2, 0], [3, 1], [1, 3]], ["cat", "dog", "cat", "dog", "cat"])
    >>> said = {"estimator": "sklearn.pipeline.Pipeline", "classes": ["cat", "dog"], "code": []}
    >>> print(card(head, "animals", said | {"versions": {"featx": "0.1.0"}}).strip()[:90])
    # animals
    <BLANKLINE>
    A `sklearn.pipeline.Pipeline`, saved by featx 0.1.0. It answers with 2 classes:
    """
    from skops.card import Card

    page = Card(estimator, template=None, model_diagram=False)
    title = _plain(name).replace("/", "\\/")  # for skops a bare one begins a section of its own
    versions = {package: number for package, number in manifest["versions"].items() if number}
    params = sorted(estimator.get_params(deep=True).items())
    page.add(
        **{
            title: _what(manifest),
            f"{title}/How good it is": _quality(report),
            f"{title}/How to use it": _use(name, manifest),
        }
    )
    tables = {
        "Parameters": {
            "parameter": [_plain(key) for key, _ in params], "value": [_plain(value) for _, value in params],
        },
        "Versions": {"package": list(versions), "version": list(versions.values())},
    }  # fmt: skip
    for heading, table in tables.items():
        page.add_table(folded=True, **{f"{title}/{heading}": table})
        page.select(
            f"{title}/{heading}"
        ).title = heading  # skops takes the whole path for the title of a table
    return str(page.render())


def _what(manifest: Mapping[str, Any]) -> str:
    first = f"A `{manifest['estimator']}`, saved by featx {manifest['versions'].get('featx')}."
    classes = manifest["classes"]
    if not isinstance(classes, list) or any(isinstance(one, list) for one in classes):
        return first
    more = f" and {len(classes) - NAMED:,} more" if len(classes) > NAMED else ""
    named = ", ".join(map(_plain, classes[:NAMED]))
    return (
        f"{first} It answers with {len(classes):,} classes: {named}{more}.\n\n"
        "It has an answer for every image, also for one that shows none of these."
    )


def _quality(report: Any) -> str:
    if report is None:
        return "Not measured here; `featx.report` measures it."
    sentences = "\n".join(f"* {_plain(line, 1000)}" for line in str(report).splitlines())
    return f"{sentences}\n\nMore on [the page beside this file]({REPORT})."


def _use(name: str, manifest: Mapping[str, Any]) -> str:
    trusted = f", trusted={manifest['code']!r}" if manifest["code"] else ""
    folder = shown(name).replace("`", "")
    return f"```python\nimport featx\n\nmodel = featx.load({folder!r}{trusted})\nmodel.predict(images)\n```"


def _plain(value: Any, longest: int = LONGEST) -> str:
    """Give a value as text in which Markdown and HTML find nothing to act on."""
    text = shown(value)
    text = text if len(text) <= longest else f"{text[: longest - 1]}…"
    text = escape(text, quote=False)
    return _ACTING.sub(lambda found: "".join(f"&#{ord(one)};" for one in found[0]), text)
