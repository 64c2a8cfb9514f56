"""What is said on the command line: messages in the words of the shell, not of Python."""

import re
import shlex
from ast import literal_eval
from collections.abc import Mapping
from typing import Any

import click

from featx.errors import Words
from featx.text import shown_lines

PARAMETERS = {"n_jobs": "jobs", "random_state": "seed", "cv": "folds"}
"""Parameters of Python whose options are called otherwise, as is usual on a command line."""

_LITERAL = (
    r"""'[^']*'|"[^"]*"|\([^()]*\)|\[[^\[\]]*\]|-?\d+(?:\.\d+)?(?:e-?\d+)?|-?(?:nan|inf)|True|False|None"""
)
_CHOICE = re.compile(rf"""(?<![\w.=/'"-])(?P<name>[a-z]\w*)=(?P<value>{_LITERAL})?(?![\w=/]|\.\w)""")
_PUBLIC = re.compile(r"\bfeatx(?:\.\w+)+")
_SENTENCE = re.compile(r"(?<=[.?!]) (?=[A-Z'\"])")


def on_shell(message: object, options: Mapping[str, str], names: Mapping[str, str] | None = None) -> str:
    """Say a message as a person at a terminal needs it.

    ``overwrite=True`` becomes ``--overwrite``, and a public name the command that stands for it. A sentence of advice,
    any but the first, is left out if it speaks of a parameter for which the command has no option.

    Parameters
    ----------
    message
        An error, a warning or a text.
    options
        The options of the command that runs, by the names of the parameters they stand for, see `options_of`.
    names
        Commands, by the public names they stand for.

    Examples
    --------
    >>> on_shell("'m' exists. Pass overwrite=True to replace it. Or pass missing='keep'.", {"overwrite": "--overwrite"})
    "'m' exists. Pass --overwrite to replace it."
    >>> on_shell("depth=9: there are 4 stages.", {})
    'depth 9: there are 4 stages.'
    """
    parts = getattr(message, "parts", None) or (str(message),)
    text = "".join(part.shell if isinstance(part, Words) else part for part in parts)
    text = _PUBLIC.sub(lambda match: (names or {}).get(match[0], match[0]), text)
    first, *others = _SENTENCE.split(text)
    kept = [one for one in others if all(match["name"] in options for match in _CHOICE.finditer(one))]
    return shown_lines(_CHOICE.sub(lambda match: _option(match, options), " ".join([first, *kept])))


def options_of(command: click.Command) -> dict[str, str]:
    """Give the options of a command by the names of the parameters they stand for.

    Examples
    --------
    >>> options_of(click.Command("x", params=[click.Option(["--folds"]), click.Option(["-o", "--input-size"])]))
    {'cv': '--folds', 'input_size': '--input-size'}
    """
    named = {option: parameter for parameter, option in PARAMETERS.items()}
    options = [option for option in command.params if isinstance(option, click.Option)]
    return {named.get(str(one.name), str(one.name)): max(one.opts, key=len) for one in options}


def _option(match: re.Match[str], options: Mapping[str, str]) -> str:
    flag = options.get(match["name"], match["name"])
    if match["value"] in (None, "True"):
        return flag
    return f"{flag} {_written(match['value'])}"


def _written(value: str) -> str:
    """Write a value of Python as it is given to an option."""
    try:
        plain: Any = literal_eval(value)
    except (ValueError, SyntaxError):
        return value
    if plain is None:
        return "none"
    listed = plain if isinstance(plain, list | tuple) else [plain]
    return shlex.quote(",".join(map(str, listed)))
