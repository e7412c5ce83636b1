"""What a reader has to decide about: rules that failed, or that nothing decides; worst first."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from pytest_energybench.base.flags import SKIPPED_BY_FIXTURE
from pytest_energybench.base.text import sanitize
from pytest_energybench.report import answers
from pytest_energybench.report.view import CaseView, ComparisonView, RunView
from pytest_energybench.results.model import (
    NOT_COMPARABLE,
    NOT_JUDGED,
    NOT_MEASURED,
    Comparison,
    Result,
)

MOST_NAMED = 3
"""Cases that are named where several are told as one."""

MOST_OF_EACH = 10
"""Entries of one reason that are shown unasked."""

_NUMBERS = re.compile(r"\d[\d.,:]*")


@dataclass(frozen=True, slots=True)
class Entry:
    """A rule that failed, or that nothing decides; of one case, or of several alike.

    Attributes:
        kind: `fail` or `unknown`; in a list of changes `less` or `new`.
        reason: of a closed list, e.g. `over budget`.
        cases: empty where it is about the run itself.
        reference: what decided: `budget`, `group`, `stored`; empty where no comparison did.
        comparison: the one that decided.
        figures: both sides, change and interval; empty where one is not known.
        note: what else there is to know.
        change: how much worse it is, by which those of one quantity are sorted.
    """

    kind: str
    reason: str
    cases: tuple[CaseView, ...] = ()
    reference: str = ""
    comparison: ComparisonView | None = None
    figures: str = ""
    note: str = ""
    change: float = 0.0

    @property
    def word(self) -> str:
        """`FAIL` and `UNKNOWN` have to be seen."""
        return self.kind.upper() if self.kind in ("fail", "unknown") else self.kind

    @property
    def label(self) -> str:
        """The case, or how many and the first of them."""
        if len(self.cases) > 1:
            return f"{len(self.cases):,} cases{named([case.label for case in self.cases])}"
        return self.cases[0].label if self.cases else ""

    @property
    def flags(self) -> tuple[str, ...]:
        """What was noted of the first case's rounds and is not in its reason."""
        case = self.cases[0].source
        found = [*case.flags, *(flag for each in case.rounds for flag in each.flags)]
        shown = dict.fromkeys(map(sanitize, found))
        return tuple(flag for flag in shown if flag not in self.cases[0].reason)


def named(labels: Sequence[str]) -> str:
    """`: a, b, c and 4 more`; empty without labels."""
    if not labels:
        return ""
    more = len(labels) - MOST_NAMED
    return f": {', '.join(labels[:MOST_NAMED])}{f' and {more:,} more' * (more > 0)}"


def entries(view: RunView) -> list[Entry]:
    """What failed, then what nothing decides; equal ones as one, so that they hide no other."""
    failures = view.source.failures
    found = [entry for case in view.cases for entry in _of_case(case, failures)]
    found += _of_run(failures, view.cases, found)
    return list(_alike(sorted(found, key=_urgency)))


def shown_of_each(found: Iterable[Entry], most: int) -> tuple[list[Entry], list[tuple[Entry, int]]]:
    """The first few of each reason, so that none hides another; of reasons with more an entry and
    how many cases are left out."""
    by_reason: defaultdict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in found:
        by_reason[entry.word, entry.reason].append(entry)
    shown = [entry for group in by_reason.values() for entry in group[:most]]
    left_out = [
        (group[0], sum(max(1, len(entry.cases)) for entry in group[most:]))
        for group in by_reason.values()
        if len(group) > most
    ]
    return shown, left_out


def _urgency(entry: Entry) -> tuple[bool, str, bool, str, float]:
    quantity = entry.comparison.quantity if entry.comparison is not None else "energy"
    return entry.kind != "fail", entry.reason, quantity != "energy", quantity, -entry.change


def _is_of(line: str, case: CaseView) -> bool:
    return line.startswith(f"{case.source.nodeid}: ")


def _of_run(
    failures: Sequence[str], cases: Sequence[CaseView], found: Sequence[Entry]
) -> Iterator[Entry]:
    """Why the session fails beyond what its cases came to."""
    failed = [case for case in cases if case.kind == "fail"]
    told = (entry.note for entry in found if entry.reason == NOT_COMPARABLE)
    notes = {difference for note in told for difference in (note, *note.split("; "))}
    for line in failures:
        is_told = any(_is_of(line, case) for case in failed)
        if not is_told and not any(line.endswith(f": {note}") for note in notes):
            yield Entry("fail", "", note=sanitize(line))


def _alike(found: Sequence[Entry]) -> Iterator[Entry]:
    """Several of which the same is to be told as one: they have no figures of their own."""
    together: defaultdict[tuple[str, ...], list[Entry]] = defaultdict(list)
    for number, each in enumerate(found):
        own = str(number) if each.figures or not each.cases else ""
        together[each.kind, each.reason, _NUMBERS.sub("#", each.note), own].append(each)
    for same in together.values():
        if len(same) <= MOST_NAMED:
            yield from same
            continue
        is_equal = len({each.note for each in same}) == 1
        note = same[0].note if is_equal else f"e.g. {same[0].note}"
        yield replace(same[0], cases=tuple(each.cases[0] for each in same), note=note)


def _of_case(case: CaseView, failures: Sequence[str]) -> list[Entry]:
    """An entry for every rule that has not held; for a test that broke off, one."""
    result = case.source.result
    is_skipped = SKIPPED_BY_FIXTURE in case.source.flags
    if is_skipped and not any(_is_of(line, case) for line in failures):
        return [Entry("unknown", NOT_JUDGED, (case,), note=SKIPPED_BY_FIXTURE)]
    if case.kind not in ("fail", "unknown") or result is None:
        return []
    if answers.ended_otherwise(case.source):
        return [Entry(case.kind, f"test {case.source.outcome}", (case,))]
    decided = [
        _of_rule(case, made, shown, made.judged)
        for made, shown in zip(case.source.comparisons, case.comparisons, strict=True)
        if made.judged is not None and made.judged.kind == result.kind
    ]
    return decided or [Entry(case.kind, sanitize(result.reason), (case,), note=case.reason)]


def _behind(sentence: str, name: str) -> str:
    """What follows the figures in a sentence; the name in it, a command's, may hold a `; `."""
    if not name:
        return sentence.partition("; ")[2]
    return sentence.replace(name, "\0").partition("; ")[2].replace("\0", name)


def _of_rule(case: CaseView, made: Comparison, shown: ComparisonView, judged: Result) -> Entry:
    figures = answers.in_line(case.source, made)
    note = judged.text
    if figures:  # the sentence begins with the same figures
        rest = _behind(judged.text, made.name) or answers.telling(made)
        note = "; ".join(filter(None, [answers.whose(made), rest]))
    elif judged.reason == NOT_MEASURED and case.source.errors:
        note = case.source.errors[0]
    return Entry(
        case.kind,
        sanitize(judged.reason),
        (case,),
        made.reference,
        shown,
        figures,
        sanitize(note),
        (made.estimate or 0.0) * (-1 if made.quantity == "accuracy" else 1),
    )
