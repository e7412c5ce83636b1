"""The cases that need a look: by reason, equal ones as one entry, some of every reason."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_energybench.base.text import sanitize
from pytest_energybench.report.view import CaseView, ComparisonView, Kind

MOST = 20
LEAST_EACH = 5
MOST_NAMED = 5
_NUMBERS = re.compile(r"\d[\d.,:]*")


@dataclass(frozen=True, slots=True)
class Entry:
    """One case, or several of which the same is to be said.

    Attributes:
        reference: what decided: `budget`, `group`, `stored`; empty where no comparison did.
        comparison: the one that decided.
    """

    cases: tuple[CaseView, ...]
    reference: str
    comparison: ComparisonView | None

    @property
    def flags(self) -> tuple[str, ...]:
        """What was said of the first case's rounds and is not in its reason."""
        case = self.case.source
        found = [*case.flags, *(flag for each in case.rounds for flag in each.flags)]
        shown = dict.fromkeys(map(sanitize, found))
        return tuple(flag for flag in shown if flag not in self.case.reason)

    @property
    def case(self) -> CaseView:
        """The first of them."""
        return self.cases[0]


@dataclass(frozen=True, slots=True)
class Look:
    """All cases of one reason; `left_out` are in the table alone."""

    kind: Kind
    word: str
    entries: tuple[Entry, ...]
    number: int
    left_out: int


def looks(cases: Sequence[CaseView]) -> tuple[Look, ...]:
    """What to look at, in the order of the cases given: the worst first."""
    by_reason: dict[tuple[Kind, str], list[CaseView]] = {}
    for case in cases:
        by_reason.setdefault((case.kind, case.word), []).append(case)
    room = max(LEAST_EACH, MOST // max(1, len(by_reason)))
    return tuple(_look(*reason, found, room) for reason, found in by_reason.items())


def _look(kind: Kind, word: str, cases: Sequence[CaseView], room: int) -> Look:
    merged: dict[str, list[CaseView]] = {}
    for case in cases:
        _, comparison = _deciding(case)
        figures = comparison is not None and comparison.estimate
        same = case.key if figures else _NUMBERS.sub("#", case.reason)
        merged.setdefault(same, []).append(case)
    entries = [Entry(tuple(found), *_deciding(found[0])) for found in merged.values()]
    shown = entries[:room]
    return Look(
        kind,
        word,
        tuple(shown),
        len(cases),
        len(cases) - sum(len(entry.cases) for entry in shown),
    )


def _deciding(case: CaseView) -> tuple[str, ComparisonView | None]:
    for made, shown in zip(case.source.comparisons, case.comparisons, strict=True):
        if made.judged is not None and shown.text and shown.text == case.reason:
            return made.reference, shown
    return "", None
