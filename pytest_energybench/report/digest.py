"""What a run came to: whether its gate holds, what decided that, and how many are like what."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pytest_energybench.base.flags import SKIPPED_BY_FIXTURE
from pytest_energybench.base.text import sanitize
from pytest_energybench.gates import quantities
from pytest_energybench.gates.results import broke_off
from pytest_energybench.report.answers import ended_otherwise, sides, telling
from pytest_energybench.report.text import plural
from pytest_energybench.report.view import CaseView, RunView
from pytest_energybench.results.model import (
    NOT_COMPARABLE,
    NOT_JUDGED,
    NOT_MEASURED,
    Comparison,
    Result,
    Run,
)

MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Entry:
    """A rule that failed, or that nothing decides.

    Attributes:
        word: `FAIL` or `UNKNOWN`.
        reason: of a closed list, e.g. `over budget`.
        label: the case; empty where it is about none.
        figures: both sides, change and interval.
        note: what else there is to know.
        change: what it is sorted by, the largest first.
    """

    word: str
    reason: str
    label: str
    figures: str = ""
    note: str = ""
    change: float = 0.0


@dataclass(frozen=True, slots=True)
class Digest:
    """A run in the order in which a reviewer asks.

    Attributes:
        word: `FAILED`, `PASSED`, `UNDECIDED`; empty where nothing was judged.
        against: the stored run, its commit and date; `conditions` are the rest: machine, margin,
            rounds. Empty where there is none.
        entries: what failed, then what nothing decides, worst first.
        changed: what is less, or new, a line each.
        counts: all other cases, e.g. `14 unchanged`.
        worst: the largest change that passed, with what was allowed; empty where none was.
    """

    word: str
    against: str
    conditions: str
    entries: tuple[Entry, ...]
    changed: tuple[Entry, ...]
    counts: tuple[str, ...]
    worst: str

    @property
    def head(self) -> str:
        """`FAILED against main (a1b2c3d, 2026-11-25; margin 3 %; 5 rounds)`; where it holds, all
        in one line: `PASSED against main (a1b2c3d, 2026-11-25): 19 unchanged, worst +1.2 %`."""
        against = f" against {self.against}" if self.against else ""
        if not self.word and self.against:
            return f"Nothing to hold against {self.against}: {', '.join(self.counts)}"
        if not self.word:
            return f"{', '.join(self.counts)}; no limit and no stored run to hold them against"
        if self.entries:
            conditions = f"; {self.conditions}" if self.conditions else ""
            inside = f"{against[:-1]}{conditions})" if against.endswith(")") else against
            return f"{self.word}{inside}"
        return f"{self.word}{against}: {', '.join(filter(None, [*self.counts, self.worst]))}"


def digest(view: RunView) -> Digest:
    """What the run came to."""
    run = view.source
    told = {line.partition(": ")[0] for line in run.failures}
    entries = [
        entry for case in view.cases for entry in _entries(case, is_told=case.source.nodeid in told)
    ]
    entries += _others(run.failures, view.cases, entries)
    entries = list(_alike(sorted(entries, key=_urgency)))
    kinds = {case.kind for case in view.cases}
    word = ""
    if entries and entries[0].word == "FAIL":
        word = "FAILED"
    elif kinds & {"pass", "xfail"}:
        word = "PASSED"
    elif "unknown" in kinds:
        word = "UNDECIDED"
    against, conditions = _against(run)
    return Digest(
        word=word,
        against=against,
        conditions=conditions,
        entries=tuple(entries),
        changed=tuple(_changed(view)),
        counts=tuple(_counts(view)),
        worst=_worst(view),
    )


def _others(
    failures: Sequence[str], cases: Sequence[CaseView], entries: Sequence[Entry]
) -> list[Entry]:
    """Why the session fails beyond what cases came to."""
    failed = {case.source.nodeid for case in cases if case.kind == "fail"}
    notes = {entry.note for entry in entries if entry.reason == NOT_COMPARABLE}
    return [
        Entry("FAIL", "", "", note=sanitize(line))
        for line in failures
        if not any(line.startswith(f"{nodeid}: ") for nodeid in failed)
        and not any(line.endswith(note) for note in notes)
    ]


def _urgency(entry: Entry) -> tuple[bool, str, float]:
    return entry.word != "FAIL", entry.reason, -entry.change


def _alike(entries: Sequence[Entry]) -> Iterator[Entry]:
    """Those of one reason and one note in one: they hide nothing and say nothing of their own."""
    found: defaultdict[tuple[str, ...], list[Entry]] = defaultdict(list)
    for number, each in enumerate(entries):
        own = str(number) if each.figures or not each.label else ""
        found[each.word, each.reason, each.note, own].append(each)
    for same in found.values():
        if len(same) <= MOST_NAMED:
            yield from same
        else:
            named = _names([each.label for each in same])
            yield replace(same[0], label=f"{len(same):,} cases{named}")


def _entries(case: CaseView, *, is_told: bool) -> list[Entry]:
    """A line for every rule of the case that has not held; of one that broke off, for itself."""
    result = case.source.result
    if SKIPPED_BY_FIXTURE in case.source.flags and not is_told:
        return [Entry("UNKNOWN", NOT_JUDGED, case.label, note=SKIPPED_BY_FIXTURE)]
    if case.kind not in ("fail", "unknown") or result is None:
        return []
    word = case.kind.upper()
    if ended_otherwise(case.source):
        return [Entry(word, f"test {case.source.outcome}", case.label)]
    decided = [
        (each, each.judged)
        for each in case.source.comparisons
        if each.judged is not None and each.judged.kind == result.kind
    ]
    if not decided:
        return [Entry(word, sanitize(result.reason), case.label, note=case.reason)]
    return [_entry(word, case, comparison, judged) for comparison, judged in decided]


def _entry(word: str, case: CaseView, comparison: Comparison, judged: Result) -> Entry:
    figures = _figures(case, comparison)
    note = judged.text
    if figures:  # the sentence begins with the same figures
        note = judged.text.partition("; ")[2] or telling(comparison)
    elif judged.reason == NOT_MEASURED and case.source.errors:
        note = case.source.errors[0]
    change = comparison.estimate or 0.0
    return Entry(word, sanitize(judged.reason), case.label, figures, sanitize(note), change)


def _figures(case: CaseView, comparison: Comparison) -> str:
    """Both sides as they were compared, the change, and how sure it is."""
    estimate, pair = comparison.estimate, sides(case.source, comparison)
    if estimate is None or pair is None:
        return ""
    theirs, ours = pair
    if comparison.quantity == "accuracy":
        return f"{theirs} → {ours}  {quantities.in_points(estimate)}"
    change = quantities.percent(estimate)
    if comparison.reference == "budget":
        words = [comparison.name, f"window {comparison.window!r}" if comparison.window else ""]
        source = "".join(f"  {sanitize(word)}" for word in words if word)
        return f"{ours} {'>' if estimate > 0 else '≤'} {theirs}  {change}{source}"
    sure = quantities.bounds(comparison.interval) or "in 1 round"
    return f"{_one_unit(f'{theirs} → {ours}')}  {change} {sure}"


def _one_unit(sides: str) -> str:
    """`96.7 J → 121 J` as `96.7 → 121 J`."""
    return re.sub(r"^(\S+) (\S+) → (\S+ \2)$", r"\1 → \3", sides)


def _against(run: Run) -> tuple[str, str]:
    stored = [each for case in run.cases for each in case.comparisons if each.reference == "stored"]
    known = run.compared_with
    if known is None:
        return "", ""
    told = ", ".join(
        filter(None, [known.commit.id[:7] if known.commit else "", known.created[:10]])
    )
    name = sanitize(f"{known.name} ({told})" if told else known.name)
    margins = sorted({each.margin for each in stored if each.margin is not None})
    rounds = sorted({each.n for each in stored if each.n})
    conditions = [] if known.differences else ["same machine"]
    if margins:
        spread = f"s {quantities.share(margins[0])} to" if len(margins) > 1 else ""
        conditions.append(f"margin{spread} {quantities.share(margins[-1])}")
    if rounds:
        few = f"{rounds[0]:,} to " if len(rounds) > 1 else ""
        conditions.append(f"{few}{plural(rounds[-1], 'round')}")
    return name, "; ".join(conditions)


def _counts(view: RunView) -> list[str]:
    """How many of the other cases are like what; the few that are less, new or gone by name."""
    number: Counter[str] = Counter()
    named: defaultdict[str, list[str]] = defaultdict(list)
    has_stored = _has_stored(view)
    for case in view.cases:
        if case.kind in ("fail", "unknown"):
            continue
        what, figure = _like(case, has_stored)
        number[what] += 1
        if what in _NAMED:
            named[what].append(f"{case.label} {figure}".rstrip())
    stored = view.source.compared_with
    named["gone"] = [] if stored is None else list(map(sanitize, stored.stale))
    number["gone"] = len(named["gone"])
    order = [*_ORDER, *(each for each in number if each not in _ORDER)]
    return [
        f"{_counted(number[what], what)}{_names(named[what])}" for what in order if number[what]
    ]


def _counted(number: int, what: str) -> str:
    return plural(number, *_NOUNS[what]) if what in _NOUNS else f"{number:,} {what}"


_ORDER = ("within limits", "unchanged", "less", "lower", "higher", "more", "unclear", "new", "gone")
_NOUNS = {"reference": ("reference",), "metered": ("case metered", "cases metered")}
_NAMED = ("less", "new", "gone", "more")


def _names(labels: Sequence[str]) -> str:
    if not labels:
        return ""
    more = len(labels) - MOST_NAMED
    return f": {', '.join(labels[:MOST_NAMED])}{f' and {more} more' * (more > 0)}"


def _like(case: CaseView, has_stored: bool) -> tuple[str, str]:
    """What a case that needs no look counts as, and its figure."""
    if case.kind == "xfail":
        return "failed as expected", ""
    stored = any(each.reference == "stored" for each in case.source.comparisons)
    if has_stored and not stored:
        return ("new", case.energy.text) if case.source.rounds else ("not judged", "")
    change = next(iter(case.changes.values()), None)
    if change is not None:
        word = "unchanged" if change.finding == "same" else change.finding
        return word, quantities.percent(change.value)
    if case.source.outcome == "skipped" or broke_off(case.source):
        return case.source.outcome, ""
    if case.kind == "pass":
        return "within limits", ""
    return ("reference" if case.source.baseline else "metered"), ""


def _changed(view: RunView) -> Iterator[Entry]:
    """What needs less than in the stored run, the most first; then what that doesn't have."""
    if not _has_stored(view):
        return
    found = []
    for case in view.cases:
        if case.kind in ("fail", "unknown"):
            continue
        what, figure = _like(case, has_stored=True)
        stored = [each for each in case.source.comparisons if each.reference == "stored"]
        if what == "less":
            found.append(
                Entry(
                    "less",
                    "",
                    case.label,
                    _figures(case, stored[0]),
                    "",
                    -case.changes["stored"].value,
                )
            )
        elif what == "new":
            found.append(Entry("new", "", case.label, figure, "", -2.0))
    yield from sorted(found, key=lambda entry: -entry.change)


def shown_of_each(entries: Sequence[Entry], most: int) -> tuple[list[Entry], list[str]]:
    """The first few of each reason, so that none hides another, and lines that count the rest."""
    by_reason: defaultdict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in entries:
        by_reason[entry.word, entry.reason].append(entry)
    shown = [entry for found in by_reason.values() for entry in found[:most]]
    left_out = [
        f"and {len(found) - most:,} more: {' '.join(filter(None, key))}"
        for key, found in by_reason.items()
        if len(found) > most
    ]
    return shown, left_out


def _has_stored(view: RunView) -> bool:
    return "stored" in view.versus or view.source.compared_with is not None


def _worst(view: RunView) -> str:
    """The largest change against what decides, among those that hold, and what was allowed."""
    reference = next(iter(view.versus), None)
    found = [
        each
        for case in view.cases
        if case.kind == "pass"
        for each in case.source.comparisons
        if (each.reference, each.quantity) == (reference, "energy")
        and each.judged is not None
        and each.estimate is not None
    ]
    if not found:
        return ""
    worst = max(found, key=lambda each: each.estimate or 0.0)
    words = [quantities.percent(worst.estimate), quantities.bounds(worst.interval)]
    allowed = f" of {quantities.share(worst.margin)} allowed" if worst.margin else ""
    return f"worst {' '.join(filter(None, words))}{allowed}"
