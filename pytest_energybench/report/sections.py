"""Cases under headings that carry what their ids share, so that a row needs the rest alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_energybench.base.text import sanitize
from pytest_energybench.report.text import ELLIPSIS


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
