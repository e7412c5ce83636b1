"""What a run came to, for a reader who has to decide: result, reasons, against what, how sure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_energybench.base.flags import BUSY, SHORT, spoils
from pytest_energybench.base.text import sanitize
from pytest_energybench.gates import quantities
from pytest_energybench.report import figures
from pytest_energybench.report.answers import ended_otherwise
from pytest_energybench.report.text import listed, plural
from pytest_energybench.report.view import CaseView, Kind, RunView
from pytest_energybench.results.model import (
    ACCURACY_LOST,
    MORE_THAN,
    NOT_COMPARABLE,
    NOT_JUDGED,
    NOT_MEASURED,
    OVER_BUDGET,
    TOO_NOISY,
    Comparison,
    Run,
)

_SAID: Mapping[str, tuple[str, str]] = {
    OVER_BUDGET: ("is over budget", "are over budget"),
    ACCURACY_LOST: ("lost accuracy", "lost accuracy"),
    NOT_MEASURED: ("could not be measured", "could not be measured"),
    NOT_COMPARABLE: ("can't be compared", "can't be compared"),
    TOO_NOISY: ("is too noisy to tell", "are too noisy to tell"),
    SHORT: ("is too short to tell", "are too short to tell"),
    BUSY: ("ran on a busy machine", "ran on a busy machine"),
    NOT_JUDGED: ("could not be judged", "could not be judged"),
    "": ("failed as a test", "failed as tests"),
}
"""Reason -> what it says of one case, and of several."""

_MOST_NAMED = 6


@dataclass(frozen=True, slots=True)
class Aside:
    """Cases that nobody has to decide about, named in one line; `left_out` were not named."""

    heading: str
    cases: tuple[tuple[CaseView, str], ...]
    names: tuple[str, ...] = ()
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Gate:
    """The head of a page.

    Attributes:
        kind: the result that it is painted as.
        word: `FAILED`, `PASSED`, `UNDECIDED`, `NOT JUDGED`.
        sentence: how many cases, and why; `nearest` names the one nearest to its limit.
        scope: commit, reference, margin, rounds.
        meters: what was read, and whether the machine was quiet.
        faults: why the session fails beside its cases.
        asides: what is less, new or missing.
    """

    kind: Kind
    word: str
    sentence: str
    nearest: str
    scope: str
    meters: str
    faults: tuple[str, ...]
    asides: tuple[Aside, ...]


def gate(view: RunView) -> Gate:
    """The result of a run with its reasons."""
    run = view.source
    found = {kind: [c for c in view.cases if c.kind == kind] for kind in ("fail", "unknown")}
    holds = sum(case.kind in ("pass", "xfail") for case in view.cases)
    faults = tuple(sanitize(fault) for fault in run.failures)
    kind, word = _result(found, holds, faults)
    sentence = _failed(found, faults) if kind == "fail" else _held(view, holds, found["unknown"])
    return Gate(
        kind=kind,
        word=word,
        sentence=sentence,
        nearest="" if kind == "fail" else _nearest(view),
        scope=" \u00b7 ".join(filter(None, _scope(run))),
        meters=" \u00b7 ".join(filter(None, _meters(run))),
        faults=faults,
        asides=tuple(_asides(view)),
    )


def _result(
    found: Mapping[str, Sequence[CaseView]], holds: int, faults: Sequence[str]
) -> tuple[Kind, str]:
    if found["fail"] or faults:
        return "fail", "FAILED"
    if holds:
        return "pass", "PASSED"
    return ("unknown", "UNDECIDED") if found["unknown"] else ("unjudged", "NOT JUDGED")


def _failed(found: Mapping[str, Sequence[CaseView]], faults: Sequence[str]) -> str:
    parts = _reasons(found["fail"])
    if faults:
        parts.append(f"{plural(len(faults), 'fault')} of the run beside its cases")
    if found["unknown"]:
        parts.append(f"{len(found['unknown']):,} undecided")
    return ", ".join(parts)


def _reasons(cases: Sequence[CaseView]) -> list[str]:
    """`2 cases use more than main`, `1 is over budget`: the most frequent reason first."""
    counted = Counter(_reason(case) for case in cases)
    names = {name for name in map(_more_than, cases) if name}
    name = next(iter(names)) if len(names) == 1 else "their reference"
    said = {**_SAID, MORE_THAN: (f"uses more than {name}", f"use more than {name}")}
    parts: list[str] = []
    for reason, number in counted.most_common():
        one, many = said.get(reason, (reason, reason))
        noun = "" if parts else (" case" if number == 1 else " cases")
        parts.append(sanitize(f"{number:,}{noun} {one if number == 1 else many}"))
    return parts


def _reason(case: CaseView) -> str:
    result = case.source.result
    if case.kind == "fail" and ended_otherwise(case.source):
        return ""
    reason = NOT_JUDGED if result is None else result.reason or NOT_JUDGED
    return MORE_THAN if reason.startswith(MORE_THAN) else reason


def _more_than(case: CaseView) -> str:
    result = case.source.result
    named = result is not None and result.reason.startswith(MORE_THAN)
    return result.reason.removeprefix(MORE_THAN) if named and result is not None else ""


def _held(view: RunView, holds: int, unknown: Sequence[CaseView]) -> str:
    total = len(view.cases)
    if not total:
        return "No case was metered in this run."
    if not (holds or unknown):
        return f"{plural(total, 'case')} measured, and nothing to hold them against."
    expected = sum(case.kind == "xfail" for case in view.cases)
    parts = [f"{holds:,} of {plural(total, 'case')}"]
    if expected:
        parts.append(f"{expected:,} of them expected failures")
    if unknown:
        parts.append(f"{len(unknown):,} undecided ({listed(list(_words(unknown)))})")
    if rest := [case for case in view.cases if case.kind == "unjudged"]:
        references = all(case.source.baseline for case in rest)
        parts.append(f"{len(rest):,} not judged{' (references)' if references else ''}")
    return ", ".join(parts)


def _words(cases: Iterable[CaseView]) -> Iterable[str]:
    return dict.fromkeys(sanitize(_reason(case)) for case in cases)


def _nearest(view: RunView) -> str:
    """The case that comes nearest to what it may use."""
    held = [
        (case, each, estimate)
        for case in view.cases
        for each in case.source.comparisons
        if each.quantity == "energy"
        and each.judged is not None
        and each.judged.kind == "pass"
        and not each.judged.reason
        and (estimate := figures.finite(each.estimate)) is not None
    ]
    if not held:
        return ""
    case, each, estimate = max(held, key=lambda e: (1 + e[2]) / (1 + (e[1].margin or 0.0)))
    bounds = f" ({quantities.interval(each.interval)})" if each.interval else ""
    against = "its budget" if each.reference == "budget" else sanitize(each.name)
    change = f"{quantities.percent(estimate)}{bounds}"
    text = f"Nearest to its limit: {case.label}, {change} against {against}"
    if each.margin:
        text += f", {quantities.share(each.margin)} allowed"
    return f"{text}."


def _scope(run: Run) -> Iterable[str]:
    yield " ".join(filter(None, (_commit(run), _against(run))))
    judged = [
        each
        for case in run.cases
        for each in case.comparisons
        if each.quantity == "energy" and each.judged is not None
    ]
    stored = run.compared_with
    if stored is not None:
        alike = "same machine, meters and settings"
        yield sanitize("; ".join(stored.differences)) if stored.differences else alike
    yield _margins(judged)
    yield _rounds(run)


def _commit(run: Run) -> str:
    if run.commit is None:
        return ""
    branch = f"{run.commit.branch} " if run.commit.branch else ""
    dirty = " with uncommitted changes" if run.commit.dirty else ""
    return sanitize(f"{branch}{run.commit.id[:7]}{dirty}")


def _against(run: Run) -> str:
    stored = run.compared_with
    if stored is not None:
        commit = f" {stored.commit.id[:7]}" if stored.commit else ""
        date = f" ({stored.created[:10]})" if stored.created else ""
        return sanitize(f"against {stored.name}{commit}{date}")
    judged = [each for case in run.cases for each in case.comparisons if each.judged]
    named = dict.fromkeys(sanitize(each.name) for each in judged if each.reference == "stored")
    against = {"group": "each group's reference", "budget": "stated budgets"}
    asked = {each.reference for each in judged}
    words = [*named, *(text for reference, text in against.items() if reference in asked)]
    return f"against {listed(words)}" if words else ""


def _margins(judged: Sequence[Comparison]) -> str:
    margins = sorted({each.margin for each in judged if each.margin is not None})
    if not margins:
        return ""
    if len(margins) == 1:
        return f"margin {quantities.share(margins[0])}"
    return f"margins {quantities.share(margins[0])} to {quantities.share(margins[-1])}"


def _rounds(run: Run) -> str:
    numbers = sorted({len(case.rounds) for case in run.cases if case.rounds})
    if not numbers:
        return ""
    if numbers == [1]:
        return "1 round, so no bounds"
    least = f"{numbers[0]} to " if len(numbers) > 1 else ""
    return f"{least}{numbers[-1]} rounds"


def _meters(run: Run) -> Iterable[str]:
    words: dict[str, list[str]] = {}
    for meter in run.meters:
        words.setdefault(meter.provenance, []).append(f"{meter.domain} by {meter.source}")
    for provenance, read in words.items():
        yield sanitize(f"{provenance}: {', '.join(read)}")
    rounds = [each for case in run.cases for each in case.rounds]
    busy = sum(any(spoils(flag) == BUSY for flag in each.flags) for each in rounds)
    flagged = sum(bool(c.flags or any(each.flags for each in c.rounds)) for c in run.cases)
    if busy:
        yield f"machine busy in {busy:,} of {plural(len(rounds), 'round')}"
    elif flagged:
        yield f"{plural(flagged, 'case')} flagged"
    elif rounds:
        yield "machine quiet: no round was flagged"


def _asides(view: RunView) -> Iterable[Aside]:
    stored = view.source.compared_with
    reference = next(iter(view.versus), "group")
    name = view.versus.get(reference, "vs reference").removeprefix("vs ")
    for finding, words in (("less", f"Less than {name}"), ("lower", f"Lower than {name}, 1 round")):
        found = [
            (case, quantities.percent(change.value) + " est." * case.estimated)
            for case in view.cases
            if (change := case.changes.get(reference)) is not None and change.finding == finding
        ]
        found.sort(key=lambda entry: entry[0].changes[reference].value)
        if found:
            yield _aside(words, found)
    if stored is None:
        return
    new = [
        (case, case.energy.text)
        for case in view.cases
        if case.energy.unit
        and not any(each.reference == "stored" for each in case.source.comparisons)
    ]
    if new:
        yield _aside(f"New, not in {name}", new)
    for words, nodeids in (("no test any more", stored.stale), ("not run", stored.not_run)):
        if nodeids:
            named = tuple(map(sanitize, nodeids[:_MOST_NAMED]))
            yield Aside(f"In {name}, {words}", (), named, len(nodeids) - len(named))


def _aside(heading: str, found: Sequence[tuple[CaseView, str]]) -> Aside:
    named = tuple(found[:_MOST_NAMED])
    return Aside(heading, named, (), len(found) - len(named))
