"""Text from outside, such as the names of files: as it is shown, and as JSON, CSV and other files hold it."""

import json
import re
from typing import Any

_UNDECODED = re.compile(
    "[\ud800-\udfff]"
)  # Python keeps a byte that is not UTF-8 as U+DC00 plus the byte (PEP 383)
_UNDECODED_IN_REPR = re.compile(r"\\udc([89a-f][0-9a-f])")
_ESCAPED = re.compile(r"\\x([89a-f][0-9a-f])")
# what makes a formula of a cell: OWASP, "CSV Injection", with the wide forms that East Asian spreadsheets take for them
_FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")


def shown(text: object) -> str:
    r"""Give text as one line that changes nothing but its place on a terminal.

    Control characters, line ends, marks that turn the direction of writing, and bytes that are not UTF-8 are escaped,
    as `repr` would.

    Examples
    --------
    >>> print(shown("é \x1b[2J\n\udce9.png"))
    é \x1b[2J\n\xe9.png
    """
    return _escaped(str(text), "")


def shown_lines(text: object) -> str:
    r"""Give text of several lines as `shown`, line by line; tabs stay, too.

    Examples
    --------
    >>> print(shown_lines("one\n\x1b[2Jtwo"))
    one
    \x1b[2Jtwo
    """
    return _escaped(str(text), "\n\t")


def quoted(value: object) -> str:
    """Write a value of the user's as the user would write it.

    Examples
    --------
    >>> import numpy as np
    >>> quoted(np.str_("cat")), quoted(np.int64(3)), quoted([np.str_("cat"), None])
    ("'cat'", '3', "['cat', None]")
    """
    if isinstance(value, list | tuple):
        items = ", ".join(map(quoted, value))
        return f"[{items}]" if isinstance(value, list) else f"({items}{',' * (len(value) == 1)})"
    return repr(value.tolist() if hasattr(value, "tolist") else value)


def encodable(text: str) -> str:
    r"""Give text that UTF-8 can hold: each byte of a file's name that is not UTF-8 is written as ``\xe9``.

    Examples
    --------
    >>> print(encodable("caf\udce9.png"))
    caf\xe9.png
    """
    return _UNDECODED.sub(lambda found: _escape(found[0]), text)


def undecoded(text: str) -> str | None:
    r"""Give the name of a file that `encodable` may have made this text of; None if there is nothing escaped in it.

    Examples
    --------
    >>> undecoded(r"caf\xe9.png"), undecoded("cafe.png")
    ('caf\udce9.png', None)
    """
    name = _ESCAPED.sub(lambda found: chr(0xDC00 + int(found[1], 16)), text)
    return name if name != text else None


def to_cell(text: str) -> str:
    """Give text for a cell of a CSV file, with an apostrophe before what a spreadsheet would run.

    Examples
    --------
    >>> to_cell("=1+1"), to_cell("'=1+1"), to_cell("'twas")
    ("'=1+1", "''=1+1", "'twas")
    """
    text = encodable(text)
    return f"'{text}" if _FORMULA.match(text) else text


def from_cell(text: str) -> str:
    """Give the text that `to_cell` made a cell of.

    Examples
    --------
    >>> from_cell("'=1+1"), from_cell("=1+1"), from_cell("'twas")
    ('=1+1', '=1+1', "'twas")
    """
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def to_json(value: Any, indent: int | None = None) -> str:
    r"""Give JSON for a person and a program: `encodable`, with JSON's own escapes for what `shown` escapes.

    Examples
    --------
    >>> print(to_json({"path": "\x1bcaf\udce9.png"}))
    {"path": "\u001bcaf\\xe9.png"}
    """

    def escaped(one: str) -> str:
        return json.dumps(encodable(one))[1:-1]

    text = json.dumps(value, indent=indent, ensure_ascii=False, default=str)
    return "".join(one if one == "\n" or one.isprintable() else escaped(one) for one in text)


def _escaped(text: str, kept: str) -> str:
    plain = (
        text
        if text.isprintable()
        else "".join(one if one in kept or one.isprintable() else _escape(one) for one in text)
    )
    return _UNDECODED_IN_REPR.sub(r"\\x\1", plain)


def _escape(one: str) -> str:
    if "\udc80" <= one <= "\udcff":
        return f"\\x{ord(one) - 0xDC00:02x}"
    return one.encode("unicode_escape").decode()
