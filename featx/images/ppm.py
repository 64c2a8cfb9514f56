"""How long the header of a PPM file is, which Pillow reads byte by byte."""

import re

_LONGEST = 1 << 16
_COMMENT = re.compile(rb"#[^\r\n]*")


def has_long_header(content: bytes) -> bool:
    r"""Tell whether the kind, the size and the largest number of a PPM file do not stand in its first 64 KiB.

    Examples
    --------
    >>> has_long_header(b"P5 # a comment\n1 1 255\n."), has_long_header(b"P5 #" + bytes(100_000))
    (False, True)
    """
    if len(content) <= _LONGEST:
        return False
    numbers = 3 if content[:2] in (b"P1", b"P4") else 4
    return len(_COMMENT.sub(b"", content[:_LONGEST]).split(None, numbers)) < numbers
