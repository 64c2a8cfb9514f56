"""Build the site into build/site: python -m website.build.

The pages are the repository's own documents, the rooms' docstrings and the commands' help. Warnings are errors, and so
is whatever `check` finds.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from website.check import faults
from website.pages import ROOT, pages
from website.reference import rooms, written

NAV = {
    "Start": ["index.md", "start.md", "notebooks/"],
    "Guides": [
        "images.md", "views.md", "backbones.md", "featx-mini.md", "heads.md", "depths.md", "advise.md", "strategies.md",
        "table.md", "finetune.md", "report.md", "saving.md", "clusters.md", "explore.md", "sees.md", "ecosystem.md",
        "machines.md", "coming-from.md", "pipelines.md",
    ],
    "Reference": ["cli.md", "commands.md", "reference/"],
    "How it works": ["design.md", "cache-format.md", "scale.md", "performance.md", "training-mini.md"],
    "More": ["questions.md", "privacy.md", "changelog.md", "contributing.md"],
}  # fmt: skip
"""Where each page stands. A name with a slash at its end stands for all that begin so; what is not there is left
out."""
DOCSTRINGS = {
    "docstring_style": "numpy",
    "docstring_section_style": "list",
    "show_source": False,
    "show_root_heading": True,
    "show_root_full_path": True,
    "show_object_full_path": False,
    "heading_level": 2,
    "separate_signature": True,
    "show_signature_annotations": True,
    "inherited_members": True,
    "filters": ["!^_"],
    "docstring_options": {"warn_unknown_params": False},  # those that a class of XGBoost's takes as **choices
}
"""How mkdocstrings shows a public name."""


_WARNED = re.compile(r"^(griffe|WARNING|mkdocs\w*):", re.MULTILINE)  # what no --strict of Zensical's stops at


def arranged(names: list[str]) -> list[dict[str, list[str]]]:
    """Give the site's navigation.

    Raises
    ------
    ValueError
        If a page has no place in it.
    """
    placed = {
        part: [
            name for one in listed for name in names
            if name == one or (one.endswith("/") and name.startswith(one))
        ]
        for part, listed in NAV.items()
    }  # fmt: skip
    if left := sorted(set(names) - {name for listed in placed.values() for name in listed}):
        raise ValueError(f"{', '.join(left)} has no place in NAV of website/build.py. Give it one.")
    return [{part: listed} for part, listed in placed.items()]


def settings(names: list[str]) -> dict[str, Any]:
    """Give Zensical's settings; JSON is YAML, so they can be written to a mkdocs.yml as they are."""
    return {
        "site_name": "featx",
        "site_description": "Turn a pretrained CNN into a scikit-learn transformer.",
        "docs_dir": "pages",
        "site_dir": "site",
        "use_directory_urls": False,  # so that the site can be read from the disk
        "nav": arranged(names),
        "theme": {
            "name": "material",
            "font": False,  # Google's would be fetched from there
            "features": ["navigation.sections", "navigation.top", "toc.follow", "content.code.copy"],
            "palette": [
                {"media": "(prefers-color-scheme: light)", "scheme": "default",
                 "toggle": {"icon": "lucide/moon", "name": "Dark"}},
                {"media": "(prefers-color-scheme: dark)", "scheme": "slate",
                 "toggle": {"icon": "lucide/sun", "name": "Light"}},
            ],
        },
        "plugins": [
            "search",
            {"mkdocstrings": {"handlers": {"python": {"paths": [str(ROOT)], "options": DOCSTRINGS}}}},
        ],
        "markdown_extensions": [
            "tables", "attr_list", "md_in_html", "sane_lists", "admonition",
            {"toc": {"permalink": True}}, {"pymdownx.highlight": {}}, "pymdownx.superfences", "pymdownx.inlinehilite",
        ],
    }  # fmt: skip


def main(folder: Path = ROOT / "build") -> int:
    """Build the site in a folder and check it; the exit code says whether all is well."""
    for part in ("pages", "site"):
        shutil.rmtree(folder / part, ignore_errors=True)
    texts = {**dict(pages()), **dict(written())}
    for name, text in texts.items():
        path = folder / "pages" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for picture in (ROOT / "docs").glob("*.svg"):
        shutil.copy(picture, folder / "pages")
    (folder / "mkdocs.yml").write_text(json.dumps(settings(list(texts)), indent=1))
    command = ["zensical", "build", "--clean", "--strict", "--config-file", str(folder / "mkdocs.yml")]
    done = subprocess.run(
        [Path(sys.executable).parent / command[0], *command[1:]],
        check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    print(done.stdout)
    if done.returncode or _WARNED.search(done.stdout):
        return 1
    # what a page that is read from the disk asks for; the theme's own way to write it loads a script from elsewhere
    index = (folder / "site" / "search.json").read_text("utf-8")
    (folder / "site" / "search.js").write_text(f"var __index = {index};", "utf-8")
    found = list(
        faults(folder / "site", [f"{room}.{name}" for room, names in rooms().items() for name in names])
    )
    print("\n".join(found) or f"built {folder / 'site' / 'index.html'}")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
