"""The end of a run on a terminal or in a log: rows, then what the run came to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pytest_energybench.base.text import sanitize
from pytest_energybench.gates import quantities
from pytest_energybench.report.columns import Column, columns
from pytest_energybench.report.digest import Digest, digest
from pytest_energybench.report.entries import MOST_OF_EACH, Entry, shown_of_each
from pytest_energybench.report.figures import estimated_domains, idle_share_j, memory_share
from pytest_energybench.report.provenance import software
from pytest_energybench.report.text import (
    display_width,
    pad,
    parts_of_id,
    plural,
    sections,
    shorten,
)
from pytest_energybench.report.view import CaseView, RunView
from pytest_energybench.results.compatibility import heads

MOST_ROWS = 40
"""Rows that are shown unasked."""

_GAP = 2
_NARROWEST_NAME = 16
_LEAST_TELLING = ("emissions", "facility", "rounds", "time", "accuracy")
_COLOURS = {"fail": "31;1", "FAIL": "31;1", "unknown": "33", "pass": "32"}
_COLOURS |= {"FAILED": "31;1", "UNKNOWN": "33", "UNDECIDED": "33", "PASSED": "32"}


def terminal_report(
    view: RunView,
    *,
    width: int = 100,
    verbosity: int = 0,
    color: bool = False,
) -> str:
    """The run as lines of at most `width` columns.

    Args:
        verbosity: below 0 what failed or is not decided, with the meters where one estimates, else
            one line, and what was flagged; above 0 all rows, with reasons and the energy by domain.
        color: results in colour; only for a terminal that shows it.
    """
    found = digest(view)
    blocks = [_gate(view, found, width, verbosity, color)]
    if verbosity >= 0:
        blocks.insert(0, _rows(view, width, verbosity, color))
    estimated = any(meter.provenance == "estimated" for meter in view.meters)
    if verbosity >= 0 or (found.entries and estimated):
        blocks.append(_origin(view, width, verbosity))
    if verbosity > 0:
        blocks.insert(1, _details(view, width))
    return "\n".join(line for block in blocks for line in block)


def _gate(view: RunView, found: Digest, width: int, verbosity: int, color: bool) -> Iterator[str]:
    if not view.cases and not found.entries:
        yield "No test asked for energy: no case was metered."
        return
    word, *rest = _wrapped(found.head, width)
    yield _coloured(word, found.word, color)
    yield from rest
    if view.without:
        yield from _wrapped(view.without, width)
    if not found.entries:
        if found.is_flagged:
            yield f"  {found.quiet}"
        return
    most = len(found.entries) if verbosity > 0 else MOST_OF_EACH
    entries, left_out = shown_of_each(found.entries, most)
    yield from _entries(entries, width, color)
    for each, number in left_out:
        yield f"  and {number:,} more: {each.word} {each.reason}".rstrip() + " (-v shows all)"
    told = [*found.counts, *filter(None, [found.quiet])]
    yield from (f"  {line}" for line in _listed(told, width - 2))


def _entries(entries: Sequence[Entry], width: int, color: bool) -> Iterator[str]:
    """A line each where all fit; else the figures stand below, so that no name is cut."""
    words, reasons, labels = (
        _widest(texts)
        for texts in zip(*((e.word, e.reason, e.label) for e in entries), strict=True)
    )
    head = 2 + words + _GAP + reasons + _GAP if reasons else 2 + words + _GAP
    in_line = all(
        head + labels + _GAP + display_width(e.figures or e.note) <= width
        for e in entries
        if e.label
    )
    for entry in entries:
        if not entry.label:
            start = f"  {_coloured(entry.word, entry.word, color)}  "
            first, *more = _wrapped(entry.note, width - len(entry.word) - 4)
            yield start + first
            yield from (f"{' ' * 6}{line}" for line in more)
            continue
        start = f"  {_coloured(entry.word, entry.word, color)}{' ' * (words - len(entry.word))}  "
        start += f"{pad(entry.reason, reasons)}  " if reasons else ""
        below = [entry.figures, entry.note]
        first = entry.label
        if in_line:
            first = f"{pad(entry.label, labels)}  {entry.figures or entry.note}"
            below = [entry.note] if entry.figures else []
            if below and display_width(f"{first}  {entry.note}") <= width - head:
                first, below = f"{first}  {entry.note}", []
        together = "  ".join(filter(None, below))
        if display_width(together) <= width - 6:
            below = [together]
        if first and display_width(first) <= width - head:
            yield (start + first).rstrip()
        else:
            yield start.rstrip()
            below.insert(0, first)
        for text in filter(None, below):
            yield from (f"{' ' * 6}{line}" for line in _wrapped(text, width - 6))


def _rows(view: RunView, width: int, verbosity: int, color: bool) -> Iterator[str]:
    """All rows where they were asked for, or are few and not held against a stored run."""
    cases = view.cases
    if verbosity <= 0:
        if "stored" in view.versus or view.source.compared_with:
            return
        cases = cases[:MOST_ROWS]
    if not cases:
        return
    under = sections([c.source.nodeid for c in cases], [c.source.group for c in cases])
    longest = max(display_width(name) + 2 for section in under for name in section.names)
    table = _Table.of(view, cases, longest, width)
    yield table.head()
    for section in under:
        if section.title:
            yield from _wrapped(section.title, width)
        for place, name in zip(section.places, section.names, strict=True):
            yield from table.row(place, name, cases[place], color)
    if len(cases) < len(view.cases):
        yield f"... and {plural(len(view.cases) - len(cases), 'more case')}: -v shows all"
    yield from table.footnotes(view, width)


@dataclass(frozen=True, slots=True)
class _Block:
    """A column on the screen: title, cells, and how wide the widest of them is."""

    key: str
    title: str
    cells: tuple[str, ...]
    width: int


@dataclass(frozen=True, slots=True)
class _Table:
    """Rows of one layout under several headings."""

    width: int
    name_width: int
    blocks: tuple[_Block, ...]
    estimated: bool

    @classmethod
    def of(cls, view: RunView, cases: Sequence[CaseView], names: int, width: int) -> _Table:
        shown = columns(view, cases)
        names = max(names, _NARROWEST_NAME)
        word = _widest(["result", *(case.word for case in cases)])
        blocks = [_block(column) for column in shown]
        room = width - word - 2 * _GAP
        blocks = _fitting(blocks, room - names, _LEAST_TELLING)
        # What is left goes before a name in its row: that has a line of its own where it must.
        others = [block.key for block in blocks[:0:-1]]
        blocks = _fitting(blocks, room - _NARROWEST_NAME, others)
        taken = sum(block.width + _GAP for block in blocks) + word
        return cls(
            width,
            max(_NARROWEST_NAME, min(names, width - taken - _GAP)),
            tuple(blocks),
            any(any(column.estimated) for column in shown),
        )

    def head(self) -> str:
        titles = (block.title.rjust(block.width) for block in self.blocks)
        return (" " * _GAP).join([" " * self.name_width, *titles, "result"])

    def row(self, place: int, name: str, case: CaseView, color: bool) -> Iterator[str]:
        if display_width(name) + 2 > self.name_width:  # no id is cut
            yield from (f"  {line}" for line in _wrapped(name, self.width - 2))
            name = ""
        figures = (
            " " * (block.width - display_width(block.cells[place])) + block.cells[place]
            for block in self.blocks
        )
        cells = [
            pad(f"  {name}", self.name_width),
            *figures,
            _coloured(case.word, case.kind, color),
        ]
        line = (" " * _GAP).join(cells).rstrip()
        yield line if color else shorten(line, self.width)

    def footnotes(self, view: RunView, width: int) -> Iterator[str]:
        changes = [change for case in view.cases for change in case.changes.values()]
        if self.estimated:
            meters = ", ".join(
                f"{meter.domain} {meter.error}"
                for meter in view.meters
                if meter.provenance == "estimated"
            )
            how = f"* {view.estimated}"
            how += ", not read from a counter" if view.estimated == "estimated" else ""
            how += f" ({meters})" if meters else ""
            share = memory_share(view.source.cases)
            how += (
                ""
                if share is None
                else f"; ram is {quantities.share(round(share, 2))} of the energy"
            )
            if any(change.time_ratio for change in changes):
                how += "; a ratio of two estimates is a ratio of times"
            yield from _wrapped(how, width)
        if any(change.interval is None for change in changes):
            yield from _wrapped("1 round has no interval: a change may be noise", width)


def _block(column: Column) -> _Block:
    """Figures to the right, interval and word behind them each under its like.

    An asterisk marks estimates: in the title, where all of the column are.
    """
    title = column.title[:1].lower() + column.title[1:]
    figures = list(column.figures)
    if column.wholly_estimated:
        title += "*"
    elif any(column.estimated):
        marks = ("*" if mark else " " for mark in column.estimated)
        figures = [f"{text}{mark}" for text, mark in zip(figures, marks, strict=True)]
    cells = _right(figures)
    for behind in (column.bounds, column.words):
        if any(behind):
            wide = _widest(behind)
            cells = [f"{cell} {pad(text, wide)}" for cell, text in zip(cells, behind, strict=True)]
    return _Block(column.key, title, tuple(cells), _widest([title, *cells]))


def _right(texts: Sequence[str]) -> list[str]:
    """To the right, with units of different length under each other."""
    units = _widest([text.rpartition(" ")[2] for text in texts if " " in text])
    padded = [
        text + " " * (units - len(text.rpartition(" ")[2])) if " " in text else text
        for text in texts
    ]
    wide = _widest(padded)
    return [" " * (wide - display_width(text)) + text for text in padded]


def _fitting(blocks: Sequence[_Block], room: int, droppable: Sequence[str]) -> list[_Block]:
    """The columns that there is room for; of those that may go, the first goes first."""
    kept = list(blocks)
    for key in droppable:
        if sum(block.width + _GAP for block in kept) > room:
            kept = [block for block in kept if block.key != key]
    return kept


def _details(view: RunView, width: int) -> Iterator[str]:
    yield ""
    of_hosts = heads(view.source)
    for case in view.cases:
        estimated = estimated_domains(case.source)
        meters = of_hosts.get(case.source.host, view.source).meters
        shares = ", ".join(
            f"{sanitize(domain)} {quantities.energy(joules, estimated=domain in estimated).text}"
            + (f" (idle share {quantities.energy(idle_j, estimated=True).text})" if idle_j else "")
            for domain, joules in case.source.energy_j.items()
            for idle_j in [idle_share_j(case.source, domain, meters)]
        )
        notes = [note for note in (case.reason, shares, *map(sanitize, case.source.flags)) if note]
        if notes:
            yield from _wrapped(case.label, width)
            yield from (f"  {line}" for note in notes for line in _wrapped(note, width - 2))
    yield ""


def _origin(view: RunView, width: int, verbosity: int) -> Iterator[str]:
    """What measured it, what it took, and what went wrong outside of any case."""
    meters = ", ".join(meter.text for meter in view.meters)
    pue = f"; PUE {view.pue:g}" if view.pue != 1 else ""
    carbon = f"; {view.carbon}, estimated" if view.carbon else ""
    yield from _wrapped(f"meters: {meters or 'none'}{pue}{carbon}", width)
    if verbosity > 0:
        yield from _wrapped(software(view.source), width)
        yield from _wrapped(view.cost, width)
    for error in dict.fromkeys(view.source.errors):
        yield from _wrapped(f"note: {sanitize(error)}", width)


def _coloured(text: str, kind: str, color: bool) -> str:
    code = _COLOURS.get(kind) if color else None
    return f"\x1b[{code}m{text}\x1b[0m" if code else text


def _widest(texts: Iterable[str]) -> int:
    return max(map(display_width, texts), default=0)


_TOGETHER = re.compile(r"(?<=\d) (?=%|(?:[mkµ]?J|k?Wh|[mµ]?s|min|points?)\b)")
"""The space between a number and its unit, where no line ends."""


def _wrapped(text: str, width: int) -> list[str]:
    """Lines that end between words; of what no line holds, between the parts of an id."""
    return _filled(_TOGETHER.sub("\0", text).split(" "), " ", width)


def _listed(parts: Iterable[str], width: int) -> list[str]:
    """Lines of whole parts; one that no line holds has lines of its own."""
    lines: list[str] = []
    is_open = False
    for part in parts:
        line = f"{lines[-1]}   {part}" if is_open else part
        if is_open and display_width(line) <= width:
            lines[-1] = line
            continue
        first, *more = _wrapped(part, width)
        lines += [first, *(f"  {line}" for line in _wrapped(" ".join(more), width - 2))]
        is_open = not more
    return lines


def _filled(words: Iterable[str], gap: str, width: int) -> list[str]:
    lines = [""]
    for word in words:
        line = f"{lines[-1]}{gap}{word}" if lines[-1] else word
        if display_width(line) <= width:
            lines[-1] = line
        elif display_width(word) <= width:
            lines.append(word)
        elif gap and len(parts := parts_of_id(word)) > 1:
            lines += _filled(parts, "", width)
        else:
            lines += _hard_wrapped(word, width)
    return [line.replace("\0", " ") for line in lines if line]


def _hard_wrapped(text: str, width: int) -> list[str]:
    lines = [""]
    for char in text:
        if display_width(lines[-1] + char) > width:
            lines.append("")
        lines[-1] += char
    return lines
