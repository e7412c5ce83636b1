"""What a run came to: whether its gate holds, why, against what, and how many cases are like what.

All outputs lay out the same digest.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from pytest_energybench.base.flags import BUSY, SHORT, spoils
from pytest_energybench.base.text import sanitize
from pytest_energybench.gates import quantities
from pytest_energybench.gates.results import broke_off
from pytest_energybench.report import answers, figures
from pytest_energybench.report.entries import Entry, entries, named
from pytest_energybench.report.provenance import stored_name
from pytest_energybench.report.text import listed, plural
from pytest_energybench.report.view import CaseView, Change, Kind, RunView
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
    StoredRun,
)

_PHRASES: Mapping[str, tuple[str, str]] = {
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
"""Reason -> a phrase about one case, and about several."""

_REFERENCES: Mapping[str, str] = {"group": "each group's reference", "budget": "stated budgets"}

_ORDER = ("within limits", "unchanged", "less", "lower", "higher", "more", "unclear", "new")
_NOUNS = {"reference": ("reference",), "metered": ("case metered", "cases metered")}
_NAMED = ("less", "new", "more")


@dataclass(frozen=True, slots=True)
class Like:
    """Cases that nobody has to decide about, and what they are like, e.g. `less`.

    Attributes:
        cases: with their figures, the one that changed most first.
        nodeids: of the stored run's cases that this run doesn't have.
    """

    what: str
    cases: tuple[tuple[CaseView, str], ...] = ()
    nodeids: tuple[str, ...] = ()

    @property
    def number(self) -> int:
        """How many there are."""
        return len(self.cases) + len(self.nodeids)

    @property
    def text(self) -> str:
        """`14 unchanged`, `2 less: test_a −22.0 %, test_b −31.0 %`."""
        nouns = _NOUNS.get(self.what)
        number = plural(self.number, *nouns) if nouns else f"{self.number:,} {self.what}"
        labels = [f"{case.label} {figure}".rstrip() for case, figure in self.cases]
        shown = [*labels, *self.nodeids] if self.nodeids or self.what in _NAMED else []
        return number + named(shown)


@dataclass(frozen=True, slots=True)
class _Held:
    """A rule about energy that holds, and the change that it was judged by."""

    case: CaseView
    rule: Comparison
    change: float


@dataclass(frozen=True, slots=True)
class Digest:
    """A run in the order in which a reviewer asks.

    Attributes:
        kind, word: the result: `FAILED`, `PASSED`, `UNDECIDED`, `NOT JUDGED`.
        sentence: how many cases, and why.
        entries: what failed, then what nothing decides, worst first.
        commit: of this run, with branch; `against` names what it was held against, and `stored` the
            stored run with its commit and date.
        conditions: machine, margin, rounds.
        meters: what was read, and what was flagged.
        likes: all other cases.
        nearest: the case nearest to its limit, in a sentence; `worst` in a few words that of those
            held against the reference that decides.
    """

    kind: Kind
    word: str
    sentence: str
    entries: tuple[Entry, ...]
    commit: str
    against: str
    stored: str
    conditions: tuple[str, ...]
    meters: tuple[str, ...]
    likes: tuple[Like, ...]
    nearest: str
    worst: str

    @property
    def head(self) -> str:
        """`FAILED against main (a1b2c3d, 2026-11-25; margin 3 %; 5 rounds)`; where it holds, all
        in one line: `PASSED against main (a1b2c3d, 2026-11-25): 19 unchanged, worst +1.2 %`."""
        against = f" against {self.stored}" if self.stored else ""
        counts = ", ".join(self.counts)
        if self.kind == "unjudged" and self.stored:
            return f"Nothing to compare with {self.stored}: {counts or 'no case was metered'}"
        if self.kind == "unjudged":
            return f"{counts}; no limit or stored run to judge them by"
        if not self.entries:
            return f"{self.word}{against}: {counts}"
        if not self.stored:
            return self.word
        inside = "; ".join(self.conditions)
        date = against.removesuffix(")")
        return (
            f"{self.word}{date}; {inside})"
            if date != against
            else f"{self.word}{against} ({inside})"
        )

    @property
    def scope(self) -> str:
        """`feature-x 9f8e7d6 against main (a1b2c3d, 2026-11-25) · same machine · margin 3 %`"""
        against = f"against {self.against}" if self.against else ""
        commits = " ".join(filter(None, [self.commit, against]))
        return " \u00b7 ".join(filter(None, [commits, *self.conditions]))

    @property
    def counts(self) -> list[str]:
        """What needs no look, in a few words each."""
        return [*(each.text for each in self.likes), *filter(None, [self.worst])]

    @property
    def changed(self) -> list[Entry]:
        """What needs less than in the stored run, then what that doesn't have, as entries."""
        if not self.stored:
            return []
        found = {each.what: each.cases for each in self.likes}
        less = [
            Entry("less", "", (case,), figures=answers.in_line(case.source, each))
            for case, _ in found.get("less", ())
            for each in case.source.comparisons
            if each.reference == "stored"
        ]
        new = found.get("new", ())
        return [*less, *(Entry("new", "", (case,), figures=text) for case, text in new)]


@lru_cache(maxsize=1)  # terminal, page and summary tell the same one
def digest(view: RunView) -> Digest:
    """What the run came to."""
    run = view.source
    found = entries(view)
    kinds = Counter(case.kind for case in view.cases)
    kind, word = _result(found, kinds)
    stored = run.compared_with
    name = stored_name(stored) if stored is not None else ""
    judged = _judged(run)
    return Digest(
        kind=kind,
        word=word,
        sentence=_failed(view, found) if kind == "fail" else _held(view, found, kinds),
        entries=tuple(found),
        commit=_commit(run),
        against=name or _references(run),
        stored=name,
        conditions=tuple(filter(None, [_machine(stored), _margins(judged), _rounds(run, judged)])),
        meters=tuple(_meters(run)),
        likes=tuple(_likes(view)),
        nearest=""
        if kind == "fail"
        else _nearest_sentence(_nearest(view, ("stored", *_REFERENCES))),
        worst=_worst(_nearest(view, list(view.versus)[:1])),
    )


def _result(found: Sequence[Entry], kinds: Mapping[Kind, int]) -> tuple[Kind, str]:
    if any(entry.kind == "fail" for entry in found):
        return "fail", "FAILED"
    if kinds["pass"] or kinds["xfail"]:
        return "pass", "PASSED"
    return ("unknown", "UNDECIDED") if found or kinds["unknown"] else ("unjudged", "NOT JUDGED")


def _failed(view: RunView, found: Sequence[Entry]) -> str:
    """`2 cases use more than main, 1 is over budget, 1 undecided`, the most frequent first."""
    failed = [case for case in view.cases if case.kind == "fail"]
    counted = Counter(map(_reason, failed))
    names = {name for case in failed if (name := _more_than(case))}
    name = next(iter(names)) if len(names) == 1 else "their reference"
    phrases = {**_PHRASES, MORE_THAN: (f"uses more than {name}", f"use more than {name}")}
    parts: list[str] = []
    for reason, number in counted.most_common():
        one, many = phrases.get(reason, (reason, reason))
        noun = "" if parts else (" case" if number == 1 else " cases")
        parts.append(sanitize(f"{number:,}{noun} {one if number == 1 else many}"))
    faults = sum(not entry.cases for entry in found)
    if faults:
        parts.append(f"{plural(faults, 'fault')} of the run beside its cases")
    undecided = sum(case.kind == "unknown" for case in view.cases)
    if undecided:
        parts.append(f"{undecided:,} undecided")
    return ", ".join(parts)


def _reason(case: CaseView) -> str:
    result = case.source.result
    if case.kind == "fail" and answers.ended_otherwise(case.source):
        return ""
    reason = NOT_JUDGED if result is None else result.reason or NOT_JUDGED
    return MORE_THAN if reason.startswith(MORE_THAN) else reason


def _more_than(case: CaseView) -> str:
    reason = case.source.result.reason if case.source.result is not None else ""
    return reason.removeprefix(MORE_THAN) if reason.startswith(MORE_THAN) else ""


def _held(view: RunView, found: Sequence[Entry], kinds: Mapping[Kind, int]) -> str:
    total, holds = len(view.cases), kinds["pass"] + kinds["xfail"]
    if not total:
        return "No case was metered in this run."
    if not (holds or kinds["unknown"] or found):
        return f"{plural(total, 'case')} measured, with no limit or reference to judge them by."
    parts = [f"{holds:,} of {plural(total, 'case')}"]
    if kinds["xfail"]:
        parts.append(f"{kinds['xfail']:,} of them expected failures")
    let_pass = sum(_is_let_pass(case) for case in view.cases)
    if let_pass:
        parts.append(f"{let_pass:,} of them over a limit, which the test let pass")
    if kinds["unknown"]:
        reasons = dict.fromkeys(_reason(case) for case in view.cases if case.kind == "unknown")
        parts.append(f"{kinds['unknown']:,} undecided ({listed(list(map(sanitize, reasons)))})")
    if kinds["unjudged"]:
        rest = (case for case in view.cases if case.kind == "unjudged")
        references = " (references)" * all(case.source.baseline for case in rest)
        parts.append(f"{kinds['unjudged']:,} not judged{references}")
    return ", ".join(parts)


def _is_let_pass(case: CaseView) -> bool:
    """Whether a limit of the test's own didn't hold, and the test passed all the same."""
    judged = (each.judged for each in case.source.comparisons if each.reference == "budget")
    return case.kind == "pass" and any(each and each.reason for each in judged)


def _judged(run: Run) -> list[Comparison]:
    """Judged comparisons of energy; where there is a stored run those with it alone."""
    has_stored = run.compared_with is not None
    return [
        each
        for case in run.cases
        for each in case.comparisons
        if each.quantity == "energy" and each.judged is not None
        if each.reference == "stored" or not has_stored
    ]


def _nearest(view: RunView, references: Collection[str]) -> _Held | None:
    """The case that comes nearest to what it may use, or is farthest above it where that is let
    pass, among those that pass."""
    held = [
        _Held(case, each, estimate)
        for case in view.cases
        if case.kind == "pass"
        for each in case.source.comparisons
        if (each.quantity == "energy" and each.reference in references)
        and each.judged is not None
        and (not each.judged.reason or each.judged.reason.startswith(MORE_THAN))
        and (estimate := figures.finite(each.estimate)) is not None
    ]
    return max(held, key=lambda e: (1 + e.change) / (1 + (e.rule.margin or 0.0)), default=None)


def _nearest_sentence(held: _Held | None) -> str:
    if held is None:
        return ""
    rule = held.rule
    bounds = f" ({quantities.interval(rule.interval)})" if rule.interval else ""
    against = "its budget" if rule.reference == "budget" else sanitize(rule.name)
    allowed = f", {quantities.share(rule.margin)} allowed" if rule.margin else ""
    change = f"{quantities.percent(held.change)}{bounds} against {against}"
    return f"Nearest to its limit: {held.case.label}, {change}{allowed}."


def _worst(held: _Held | None) -> str:
    if held is None:
        return ""
    words = [quantities.percent(held.change), quantities.bounds(held.rule.interval)]
    allowed = f" of {quantities.share(held.rule.margin)} allowed" if held.rule.margin else ""
    return f"worst {' '.join(filter(None, words))}{allowed}"


def _commit(run: Run) -> str:
    if run.commit is None:
        return ""
    if len(run.commits) > 1:  # no figure of such a run is of one code alone
        ids = [f"{each.id[:7]}{' with changes' if each.dirty else ''}" for each in run.commits]
        more = [f"{len(ids) - 5} more"] if len(ids) > 5 else []
        return sanitize(
            f"stitched of cases made at {len(ids)} commits: {', '.join(ids[:5] + more)}"
        )
    branch = f"{run.commit.branch} " if run.commit.branch else ""
    dirty = " with uncommitted changes" if run.commit.dirty else ""
    return sanitize(f"{branch}{run.commit.id[:7]}{dirty}")


def _references(run: Run) -> str:
    judged = [each for case in run.cases for each in case.comparisons if each.judged]
    names = dict.fromkeys(sanitize(each.name) for each in judged if each.reference == "stored")
    asked = {each.reference for each in judged}
    words = (text for reference, text in _REFERENCES.items() if reference in asked)
    return listed([*names, *words])


def _machine(stored: StoredRun | None) -> str:
    if stored is None:
        return ""
    return sanitize("; ".join(stored.differences)) if stored.differences else "same machine"


def _margins(judged: Sequence[Comparison]) -> str:
    margins = sorted({each.margin for each in judged if each.margin is not None})
    if not margins:
        return ""
    least = f"s {quantities.share(margins[0])} to" if len(margins) > 1 else ""
    return f"margin{least} {quantities.share(margins[-1])}"


def _rounds(run: Run, judged: Sequence[Comparison]) -> str:
    numbers = sorted({len(case.rounds) for case in run.cases if case.rounds})
    if not numbers:
        return ""
    if numbers == [1]:
        return "1 round" + ", so no bounds" * all(each.interval is None for each in judged)
    least = f"{numbers[0]:,} to " if len(numbers) > 1 else ""
    return f"{least}{plural(numbers[-1], 'round')}"


def _meters(run: Run) -> Iterator[str]:
    words: defaultdict[str, list[str]] = defaultdict(list)
    for meter in run.meters:
        words[meter.provenance].append(f"{meter.domain} by {meter.source}")
    for provenance, read in words.items():
        yield sanitize(f"{provenance}: {', '.join(read)}")
    rounds = [each for case in run.cases for each in case.rounds]
    busy = sum(any(spoils(flag) == BUSY for flag in each.flags) for each in rounds)
    flagged = sum(bool(figures.flags(case)) for case in run.cases)
    if busy:
        yield f"machine busy in {busy:,} of {plural(len(rounds), 'round')}"
    elif flagged:
        yield f"{plural(flagged, 'case')} flagged"
    elif rounds:
        yield "no round was flagged"


def _likes(view: RunView) -> Iterator[Like]:
    """The cases that need no look by what they are like; then what only the stored run has."""
    found: defaultdict[str, list[tuple[CaseView, str]]] = defaultdict(list)
    stored = view.source.compared_with
    has_stored = stored is not None or "stored" in view.versus
    for case in view.cases:
        if case.kind not in ("fail", "unknown"):
            what, figure = _like(case, has_stored=has_stored)
            found[what].append((case, figure))

    def most_changed(entry: tuple[CaseView, str]) -> float:
        change = _change(entry[0], has_stored=has_stored)
        return 0.0 if change is None else -abs(change.value)

    for what in (*_ORDER, *(each for each in found if each not in _ORDER)):
        cases = sorted(found.get(what, ()), key=most_changed)
        if cases:
            yield Like(what, tuple(cases))
    if stored is not None:
        for what, nodeids in (("no longer a test", stored.stale), ("not run", stored.not_run)):
            if nodeids:
                yield Like(what, nodeids=tuple(map(sanitize, nodeids)))


def _change(case: CaseView, *, has_stored: bool) -> Change | None:
    """The change that the run is about: against the stored run, where there is one."""
    return case.changes.get("stored") if has_stored else case.changes.get("group")


def _like(case: CaseView, *, has_stored: bool) -> tuple[str, str]:
    """What a case that needs no look counts as, and its figure."""
    if case.kind == "xfail":
        return "failed as expected", ""
    if _is_let_pass(case):
        return "over a limit, which the test let pass", ""
    stored = any(each.reference == "stored" for each in case.source.comparisons)
    if has_stored and not stored:
        return ("new", case.energy.text) if case.source.rounds else ("not judged", "")
    change = _change(case, has_stored=has_stored)
    if change is not None:
        word = "unchanged" if change.finding == "same" else change.finding
        return word, quantities.percent(change.value)
    if case.source.outcome == "skipped" or broke_off(case.source):
        return case.source.outcome, ""
    if case.kind == "pass":
        return "within limits", ""
    return ("reference" if case.source.baseline else "metered"), ""
