"""The summary for a pull request: what failed, is unclear or changed; all cases in a fold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pytest_energybench.base.text import sanitize
from pytest_energybench.exceptions import EnergyBenchError
from pytest_energybench.gates.quantities import ESTIMATE_MARK
from pytest_energybench.report.columns import columns
from pytest_energybench.report.digest import digest
from pytest_energybench.report.entries import MOST_NAMED, Entry, shown_of_each
from pytest_energybench.report.text import ELLIPSIS, LONGEST_NAME, plural, shorten, unmarked
from pytest_energybench.report.view import GLYPHS, RunView

LONGEST_COMMENT = 65_536
"""What GitHub takes as a comment."""

LONGEST_NOTE = 1_000_000
"""What GitLab takes as a comment."""

LONGEST_SUMMARY = 2**20
"""What GitHub takes as the summary of a step."""

_MOST_ENTRIES = 30
_MOST_HIDDEN = 5
_LONGEST_LINE = 600
_LONGEST_HEAD = 1_200
"""Characters, of which each may become eight bytes: two heads and eight lines fit a comment."""
_FRAME = 1_000
"""Bytes for what is always there: heads of tables, and what says that rows are left out."""
_LONGEST_REMARK = 160
_LINKED = re.compile(
    r"""(?<=@)|(?<=[#!%$&^])(?=["\w])|(?<=~)(?=["a-z])|(?<=\bGH)(?=-\d)"""  # references
    r"""|(?<=:)(?=//)|(?<=\bwww)(?=\.)|(?<=<!)(?=--)""",
    re.I,
)
"""Where GitHub and GitLab begin to make a link, in text that is escaped, too: mentions, references
to issues (`#1`, `GH-1`), merge requests (`!1`), labels, milestones and alerts, addresses; and where
a comment of HTML begins."""


def render_markdown(view: RunView, *, most: int = LONGEST_COMMENT) -> str:
    """The run in at most `most` bytes; a line says what that leaves out."""
    found = digest(view)
    head = _line(found.head, _LONGEST_HEAD)
    if view.cases:
        told = [found.quiet, found.noise, view.cost]
        head = f"**{head}** {_line(' · '.join(filter(None, told)))}"
    shown, left_out = shown_of_each([*found.entries, *found.changed], _MOST_ENTRIES)
    hidden = [f"and {n:,} more: {each.word} {each.reason}".rstrip() for each, n in left_out]
    hidden = [f"{_line(line)}  " for line in hidden[:_MOST_HIDDEN]]
    end = []
    if found.entries and found.counts:
        end += [_line(" · ".join(found.counts), _LONGEST_HEAD), ""]
    last = [f"_{_line(view.estimate_note)}_", ""] if view.estimate_note and view.versus else []
    last.append(_origin(view))
    room = most - sum(map(_size, [head, *hidden, *end, *last])) - _FRAME
    rows, room = _within(room, [_entry(entry) for entry in shown])
    parts = [head, ""]
    if rows:
        parts += ["| | | case | |", "| :-- | :-- | :-- | :-- |", *rows, ""]
    if len(rows) < len(shown):
        hidden.append(f"{len(shown) - len(rows):,} more rows don't fit here  ")
    parts += [*hidden, *end, *_fold(view, room), *last]
    return "\n".join(parts) + "\n"


def render_comment(view: RunView, name: str, *, most: int, note: str = "") -> str:
    """The same as a comment that whoever wrote it finds again: it begins with a marker.

    Args:
        name: tells the comments of one pull request apart; see `marker`.
        note: a sentence above the run.

    Raises:
        EnergyBenchError: the name can't stand in a marker.
    """
    above = [marker(name)]
    if view.source.compared_with is None:
        above.append("Compared with no stored run.")
    if note:
        above.append(f"Note: {_line(note)}")
    head = "\n\n".join([*above, ""])
    return head + render_markdown(view, most=most - _size(head))


def marker(name: str) -> str:
    """`<!-- energybench: NAME -->`, which no text of a run can be.

    Raises:
        EnergyBenchError: the name holds more than letters, digits, `.`, `_` and `-`.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        shown = sanitize(shorten(name, LONGEST_NAME))
        raise EnergyBenchError(f"--name={shown}: up to 64 letters, digits, '.', '_' and '-'")
    return f"<!-- energybench: {name} -->"


def _entry(entry: Entry) -> str:
    words = "  ".join(filter(None, [entry.figures, shorten(entry.note, _LONGEST_REMARK)]))
    glyph = GLYPHS.get(entry.word.lower(), "")
    cells = [
        f"{glyph} {entry.word}".strip(),
        _escape(entry.reason),
        _cases(entry),
        _escape(words),
    ]
    return _row(cells)


def _cases(entry: Entry) -> str:
    """The case; of several how many, and the first of them each as a span of its own."""
    number = len(entry.cases)
    shown = ", ".join(_code(case.label) for case in entry.cases[:MOST_NAMED])
    more = f" and {number - MOST_NAMED:,} more" if number > MOST_NAMED else ""
    return f"{number:,} cases: {shown}{more}" if number > 1 else shown


def _fold(view: RunView, room: int) -> list[str]:
    """All cases, as many as there is room for."""
    if not view.cases:
        return []
    shown = columns(view)
    heads = ["case", *(_escape(_lower(column.head)) for column in shown), "result"]
    every = []
    for place, case in enumerate(view.cases):
        cells = []
        for column in shown:
            parts = (part[place] for part in (column.figures, column.bounds, column.words) if part)
            estimated = bool(column.estimated) and column.estimated[place]
            cells.append(_escape(ESTIMATE_MARK * estimated + " ".join(filter(None, parts))))
        every.append(_row([_code(case.label), *cells, f"{GLYPHS[case.kind]} {_escape(case.word)}"]))
    table = [_row(heads), _row([":--", *("--:" for _ in shown), ":--"])]
    room -= sum(map(_size, table))
    if room < 0:
        return ["All cases are left out: there is no room for them.", ""]
    rows, _ = _within(room, every)
    left = len(every) - len(rows)
    note = (
        [f"{plural(left, 'further case')} left out: there is no room for more.", ""] if left else []
    )
    return [
        f"<details><summary>All {plural(len(every), 'case')}</summary>"
        if len(every) > 1
        else "<details><summary>The case</summary>",
        "",
        *table,
        *rows,
        "",
        *note,
        "</details>",
        "",
    ]


def _lower(title: str) -> str:
    return title[:1].lower() + title[1:]


def _within(room: int, rows: Sequence[str]) -> tuple[list[str], int]:
    """The rows that there is room for, and the room that is left."""
    for place, row in enumerate(rows):
        if _size(row) > room:
            return list(rows[:place]), 0
        room -= _size(row)
    return list(rows), room


def _size(line: str) -> int:
    return len(line.encode("utf-8", "replace")) + 1


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _origin(view: RunView) -> str:
    words = ", ".join(meter.text for meter in view.meters)
    commit = view.source.commit
    parts = [f"Meters: {words or 'none'}"]
    if view.without:
        parts.append(view.without)
    if view.pue != 1:
        parts.append(f"PUE {view.pue:g}")
    if view.carbon:
        parts.append(f"{view.carbon}, estimated")
    if view.hosts:
        parts.append(plural(len(view.hosts), "host"))
    if commit is not None:
        parts.append(f"commit {commit.id[:12]}{' with uncommitted changes' * commit.dirty}")
    return f"<sub>{_line('; '.join(parts))}</sub>"


def _line(text: str, most: int = _LONGEST_LINE) -> str:
    """One that stands outside of the tables, which are cut to the room."""
    return _escape(text if len(text) <= most else f"{text[: most - 1]}{ELLIPSIS}")


def _escape(text: str) -> str:
    """Markdown and HTML characters lose their meaning; nothing becomes a link or a mention."""
    return unmarked(_LINKED.sub("\u200b", sanitize(text)))


def _code(text: str) -> str:
    """A code span, fenced longer than any run of backticks inside; a pipe would end the cell."""
    text = shorten(text, LONGEST_NAME).replace("|", "\\|").replace("<!--", "<!\u200b--")
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    space = " " if longest else ""
    return f"{fence}{space}{text}{space}{fence}"
