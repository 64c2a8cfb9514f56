"""The pages that nobody writes: the rooms from their docstrings, the commands from their own help."""

import ast
from collections.abc import Iterator
from pathlib import Path

import click

from featx.cli import main

PACKAGE = Path(__file__).parent.parent / "featx"


def rooms() -> dict[str, list[str]]:
    """Give each module that has public names, with these, as the tables beside the packages list them.

    Examples
    --------
    >>> rooms()["featx.exploring"][:3]
    ['Clusters', 'Guess', 'Neighbours']
    """
    tables = {
        ".".join(path.parent.relative_to(PACKAGE.parent).parts): path
        for path in PACKAGE.rglob("__init__.pyi")
    }
    found = {room: table(path) for room, path in tables.items()}
    return dict(sorted({**found, "featx.errors": classes(PACKAGE / "errors.py")}.items()))


def table(path: Path) -> list[str]:
    """Give the names that a table of public names lists, in alphabetical order."""
    imports = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.ImportFrom)]
    return sorted({one.asname or one.name for node in imports for one in node.names}, key=str.lower)


def classes(path: Path) -> list[str]:
    """Give the public classes of a module, in their order."""
    nodes = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)]
    return [node.name for node in nodes if not node.name.startswith("_")]


def commands(group: click.Group = main, path: str = "featx") -> Iterator[tuple[str, click.Command]]:
    """Give every command as it is typed, groups and what is in them alike."""
    for name, command in sorted(group.commands.items()):
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")


def written() -> Iterator[tuple[str, str]]:
    """Give the pages of this module, with their texts."""
    for room, names in rooms().items():
        yield f"reference/{room}.md", page(room, names)
    yield "commands.md", helps()


def page(room: str, names: list[str]) -> str:
    """Give the page of a room: its docstring, then each of its public names."""
    about = f"# {room}\n\n::: {room}\n    options:\n      show_root_heading: false\n      members: false\n"
    return "\n".join([about, *(f"::: {room}.{name}\n" for name in names)])


def helps() -> str:
    """Give a page with the help of every command, as ``--help`` prints it."""
    parts = ["# Commands", "What `--help` prints. [The command line](cli.md) says more, with examples."]
    for name, command in commands():
        context = click.Context(command, info_name=name, max_content_width=100, terminal_width=100)
        parts.append(f"## {name}\n\n```text\n{command.get_help(context)}\n```")
    return "\n\n".join(parts)
