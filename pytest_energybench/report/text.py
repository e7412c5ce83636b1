"""Strings made fit to show: labels, widths, and headings that carry what the ids of cases share."""

from __future__ import annotations

import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pytest_energybench.base.text import sanitize

ELLIPSIS = "\u2026"
LONGEST_NAME = 80
"""Columns that a case's name may take inside a sentence."""

_MARKUP = re.compile(r"([\\`*_{}\[\]#|~<>&$])")


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


def separated(rows: Iterable[Iterable[object]]) -> str:
    """Rows as comma-separated values."""
    import csv

    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def unmarked(text: str) -> str:
    """Text whose characters mean nothing to Markdown or HTML."""
    return _MARKUP.sub(r"\\\1", text)


@dataclass(frozen=True, slots=True)
class Section:
    """Some cases: those of a group, or those of a file that have none.

    Attributes:
        title: what their node ids share.
        places: where the cases stand among all.
        names: of each the rest.
    """

    title: str
    places: tuple[int, ...]
    names: tuple[str, ...]


def sections(nodeids: Sequence[str], groups: Sequence[str | None]) -> list[Section]:
    """The cases in their order, each group and each file once."""
    found: dict[tuple[str, str], list[int]] = {}
    for place, (nodeid, group) in enumerate(zip(nodeids, groups, strict=True)):
        file, separator, _ = nodeid.partition("::")
        found.setdefault((file * bool(separator), group or ""), []).append(place)
    return [_section(places, [nodeids[place] for place in places]) for places in found.values()]


def _section(places: Sequence[int], nodeids: Sequence[str]) -> Section:
    head, tail = _shared(nodeids)
    names = [nodeid[len(head) : len(nodeid) - len(tail)] for nodeid in nodeids]
    title = f"{head}{ELLIPSIS}{tail}" if tail else head.removesuffix("::")
    return Section(sanitize(title), tuple(places), tuple(map(sanitize, names)))


def _shared(nodeids: Sequence[str]) -> tuple[str, str]:
    """What all begin with, up to where a part of an id ends, and the bracket that closes them."""
    file, separator, _ = nodeids[0].partition("::")
    if len(nodeids) == 1:
        return (f"{file}::" if separator else ""), ""
    first, last = min(nodeids), max(nodeids)
    common = first[: next((i for i, char in enumerate(first) if last[i] != char), len(first))]
    name, bracket, _ = common.partition("[")
    # A command may hold brackets, too; those of parameters end the id, behind a word.
    closed = bool(bracket) and all(nodeid.endswith("]") for nodeid in nodeids)
    if not closed or len(name.rpartition("::")[2].split()) != 1:
        head, separator, _ = common.rpartition("::")
        return f"{head}{separator}", ""
    return common[: max(len(name) + 1, common.rfind("-") + 1)], "]"
