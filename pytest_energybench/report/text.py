"""Strings made fit to show: labels and widths."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from pytest_energybench.base.text import sanitize

ELLIPSIS = "\u2026"
LONGEST_NAME = 80
"""Columns that a case's name may take inside a sentence."""


def display_width(text: str) -> int:
    """Columns a terminal gives the text: two for wide characters, none for combining ones."""
    if text.isascii():
        return len(text)
    return sum(_char_width(char) for char in text)


def _char_width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def shorten(text: str, width: int) -> str:
    """At most `width` columns, the middle left out: the ends of a node id tell cases apart."""
    if display_width(text) <= width:
        return text
    tail_room = (width - 1) * 2 // 3
    head_room = width - 1 - tail_room
    return _take(text, head_room) + ELLIPSIS + _take(text[::-1], tail_room)[::-1]


def _take(text: str, width: int) -> str:
    used = 0
    for index, char in enumerate(text):
        used += _char_width(char)
        if used > width:
            return text[:index]
    return text


_SEAM = re.compile(r"(?<=::)|(?<=[\[/_+-])(?=\w)")


def parts_of_id(text: str) -> list[str]:
    """A node id cut where one of its parts ends, so that no word is broken: `a.py::`, `test_`,
    `x[`, `jpeg]`."""
    return _SEAM.split(text)


def pad(text: str, width: int) -> str:
    """The text followed by spaces up to `width` columns."""
    return text + " " * max(0, width - display_width(text))


def labels(nodeids: Sequence[str], names: Sequence[str]) -> list[str]:
    """The shortest telling label of each case: its name where that is its own, else the node id."""
    uses = Counter(names)
    return [
        sanitize(name if name and uses[name] == 1 else nodeid)
        for nodeid, name in zip(nodeids, names, strict=True)
    ]


def plural(count: int, word: str, many: str | None = None) -> str:
    """`1 case`, `2,000 cases`."""
    return f"{count:,} {word if count == 1 else many or word + 's'}"


def listed(parts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"
