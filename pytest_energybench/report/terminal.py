"""The table printed at the end of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from tabulate import tabulate

from pytest_energybench.report import units
from pytest_energybench.report.build import run_view
from pytest_energybench.report.text import display_width, pad, shorten, visible
from pytest_energybench.report.view import CaseView, RunView
from pytest_energybench.results.model import Run

_GAP = 2
_NARROWEST_LABEL = 16
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
    lines += _wrapped(f"{view.headline} {view.cost}", width)
    lines.append(shorten(_footer(view), width))
    if view.has_delta and view.estimate_note and verbosity >= 0:
        lines += _wrapped(view.estimate_note, width)
    return "\n".join(lines)


def _table(view: RunView, width: int, verbosity: int, color: bool) -> list[str]:
    cases: Sequence[CaseView] = view.looks if verbosity < 0 else view.cases
    if not cases:
        return []
    right = _figures(view, cases)
    words = [_word(case) for case in cases]
    taken = sum(_widest([head, *cells]) + _GAP for head, cells in right)
    taken += _widest(["verdict", *words]) + _GAP
    room = max(_NARROWEST_LABEL, width - taken)
    names = [shorten(case.label, room) for case in cases]
    name_width = _widest(["case", *names])
    columns: list[Column] = [
        ("case", [pad(name, name_width) for name in names]),
        *right,
        ("verdict", words),
    ]
    rules = ["-" * _widest([head, *cells]) for head, cells in columns]
    painted = [*columns[:-1], ("verdict", [_coloured(case, color) for case in cases])]
    # Header and rule are rows of a plain table: tabulate would widen each titled column by two.
    text = tabulate(
        [[head for head, _ in columns], rules, *zip(*(c for _, c in painted), strict=True)],
        tablefmt="plain",
        colalign=["left", *("right" for _ in right), "left"],
        disable_numparse=True,
        preserve_whitespace=True,
    )
    return [line.rstrip() for line in text.splitlines()]


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
