"""The table printed at the end of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from pytest_energybench.report import units
from pytest_energybench.report.build import run_view
from pytest_energybench.report.text import display_width, pad, shorten, visible
from pytest_energybench.report.view import CaseView, RunView
from pytest_energybench.results.model import Run

_GAP = 2
_NARROWEST_LABEL = 16
_MOST_ERRORS = 5
_LEAST_TELLING = ("facility", "rounds", "time", "accuracy", "Δ baseline")
_COLOURS = {"improved": "32", "regressed": "31;1", "error": "31;1", "inconclusive": "33"}

Column = tuple[str, list[str]]


def terminal_table(run: Run, *, width: int = 100, verbosity: int = 0, color: bool = False) -> str:
    """The run as lines of at most `width` columns (never more than 100).

    Args:
        verbosity: below 0 only the verdict and the cases that need a look; above 0 also the
            reasons and the energy by domain.
        color: verdicts in colour; only for a terminal that shows it.
    """
    view = run_view(run)
    width = min(width, 100)
    lines = [] if verbosity < 0 and not view.looks else _table(view, width, verbosity, color)
    if verbosity > 0:
        lines += _details(view, width)
    else:
        lines += _errors(view, width)
    lines += _wrapped(f"{view.headline} {view.cost}", width)
    lines.append(shorten(_footer(view), width))
    if view.has_delta and view.estimate_note and verbosity >= 0:
        lines += _wrapped(view.estimate_note, width)
    if verbosity >= 0:
        for error in dict.fromkeys(run.errors):
            lines += _wrapped(f"note: {visible(error)}", width)
    return "\n".join(lines)


def _table(view: RunView, width: int, verbosity: int, color: bool) -> list[str]:
    cases: Sequence[CaseView] = view.looks if verbosity < 0 else view.cases
    if not cases:
        return []
    words = [_word(case) for case in cases]
    figures = _fitting(_figures(view, cases), width - _NARROWEST_LABEL - _taken(("verdict", words)))
    room = width - sum(map(_taken, [*figures, ("verdict", words)]))
    names = [shorten(case.label, room) for case in cases]
    columns: list[Column] = [("case", names), *figures]
    widths = [_widest([head, *cells]) for head, cells in columns]
    rows = [
        [head for head, _ in columns] + ["verdict"],
        ["-" * wide for wide in [*widths, _widest(["verdict", *words])]],
        *(
            [*cells, _coloured(case, color)]
            for *cells, case in zip(*(cells for _, cells in columns), cases, strict=True)
        ),
    ]
    return [_line(row, widths) for row in rows]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Name to the left, figures to the right, the verdict after them.

    Widths are the terminal's columns, not characters: tabulate and str.ljust count characters,
    and a name in Chinese would push its row's figures out of line.
    """
    name, *figures, verdict = cells
    aligned = [
        " " * (width - display_width(text)) + text
        for text, width in zip(figures, widths[1:], strict=True)
    ]
    return (" " * _GAP).join([pad(name, widths[0]), *aligned, verdict]).rstrip()


def _fitting(columns: Sequence[Column], room: int) -> list[Column]:
    """The columns that a narrow terminal has room for, the least telling left out first."""
    kept = list(columns)
    for head in _LEAST_TELLING:
        if sum(map(_taken, kept)) > room:
            kept = [column for column in kept if column[0] != head]
    return kept


def _taken(column: Column) -> int:
    head, cells = column
    return _widest([head, *cells]) + _GAP


def _widest(cells: Iterable[str]) -> int:
    return max(map(display_width, cells), default=0)


def _figures(view: RunView, cases: Sequence[CaseView]) -> list[Column]:
    def column(head: str, wanted: bool, text: Callable[[CaseView], str]) -> list[Column]:
        return [(head, [text(case) for case in cases])] if wanted else []

    return [
        ("energy", units.align(case.energy_column for case in cases)),
        *([("facility", units.align(c.facility for c in cases))] if view.has_facility else []),
        *column("time", True, lambda case: case.duration.text),
        *column("Δ baseline", view.has_delta, lambda case: case.delta.text),
        *column("accuracy", view.has_accuracy, lambda case: case.accuracy.text),
        *column(
            "rounds", view.has_rounds, lambda case: str(len(case.source.rounds) or units.UNKNOWN)
        ),
    ]


def _word(case: CaseView) -> str:
    return case.word.replace("expected", "xfail")


def _coloured(case: CaseView, color: bool) -> str:
    code = _COLOURS.get(case.kind) if color else None
    return f"\x1b[{code}m{_word(case)}\x1b[0m" if code else _word(case)


def _details(view: RunView, width: int) -> list[str]:
    lines = [""]
    for case in view.cases:
        shares = ", ".join(
            f"{visible(domain)} {units.energy(joules, estimated=case.estimated).text}"
            for domain, joules in case.source.energy_j.items()
        )
        notes = [note for note in (case.reason, shares, *map(visible, case.source.flags)) if note]
        if notes:
            lines.append(shorten(case.label, width))
            lines += [f"  {line}" for note in notes for line in _wrapped(note, width - 2)]
    return [*lines, ""] if len(lines) > 1 else []


def _errors(view: RunView, width: int) -> list[str]:
    """Why figures are missing, for the first few cases that have none."""
    lines: list[str] = []
    for case in [case for case in view.looks if case.source.errors][:_MOST_ERRORS]:
        lines += _wrapped(f"{case.label}: {visible(case.source.errors[0])}", width)
    return lines


def _footer(view: RunView) -> str:
    meters = ", ".join(
        f"{meter.domain} {meter.source} ({meter.provenance}"
        + (f" {meter.error})" if meter.error.startswith("±") else ")")
        for meter in view.meters
    )
    return f"meters: {meters or 'none'}; PUE {view.pue:g}"


def _wrapped(text: str, width: int) -> list[str]:
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        word = shorten(word, width)
        if line and display_width(line) + 1 + display_width(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line] if line else lines
