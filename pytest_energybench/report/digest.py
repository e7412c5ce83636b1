"""What a run came to: whether its gate holds, why, against what, and how many cases are like what.

All outputs lay out the same digest.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from pytest_energybench.base.flags import BUSY, SHORT
from pytest_energybench.base.text import sanitize
from pytest_energybench.gates import quantities
from pytest_energybench.gates.results import broke_off
from pytest_energybench.report import answers, conditions, figures
from pytest_energybench.report.entries import Entry, entries, named
from pytest_energybench.report.provenance import stored_name
from pytest_energybench.report.text import listed, plural
from pytest_energybench.report.view import EST, CaseView, Change, Kind, RunView
from pytest_energybench.results.model import (
    ACCURACY_LOST,
    MORE_THAN,
    NOT_COMPARABLE,
    NOT_JUDGED,
    NOT_MEASURED,
    OVER_BUDGET,
    TOO_NOISY,
    Comparison,
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

_ORDER = ("within limits", "unchanged", "less", "lower", "higher", "more", "unclear", "new")
_NOUNS = {"reference": ("reference",), "metered": ("case metered", "cases metered")}
_NAMED = ("less", "new", "more")
_BESIDE = ("fail", "unknown", "xfail")
"""Kinds of cases that may be worse than the worst of those that pass."""


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
        held: any figure was set against the stored run's; `compares`, against any other figure by
            a rule, so that margin and rounds are a part of it.
        conditions: machine, margin, rounds.
        meters: what was read, and `quiet`: what was flagged, `is_flagged` whether anything was.
        noise: that margins are below what the machine can tell apart.
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
    held: bool
    compares: bool
    conditions: tuple[str, ...]
    meters: tuple[str, ...]
    quiet: str
    is_flagged: bool
    noise: str
    likes: tuple[Like, ...]
    nearest: str
    worst: str

    @property
    def head(self) -> str:
        """`FAILED against main (a1b2c3d, 2026-11-25; margin 3 %; 5 rounds)`; where it holds, all
        in one line: `PASSED against main (a1b2c3d, 2026-11-25): 19 unchanged, worst +1.2 %`."""
        counts = ", ".join(self.counts)
        if self.kind == "unjudged" and self.stored:
            return f"Nothing to compare with {self.stored}: {counts or 'no case was metered'}"
        if self.kind == "unjudged":
            return f"{counts}; no limit or stored run to judge them by"
        against = self.word
        if self.stored and self.held:
            against += f" against {self.stored}"
        elif self.stored:
            against += f"{' by other rules' * (self.kind == 'pass')}; {self._nothing}"
        if not self.entries:
            return f"{against}: {counts}"
        inside = "; ".join(self.conditions) if self.stored or self.compares else ""
        date = against.removesuffix(")")
        if not inside:
            return against
        return f"{date}; {inside})" if date != against else f"{against} ({inside})"

    @property
    def scope(self) -> str:
        """`feature-x 9f8e7d6 against main (a1b2c3d, 2026-11-25) · same machine · margin 3 %`"""
        against = f"against {self.against}" if self.against else ""
        commits = " ".join(filter(None, [self.commit, against]))
        nothing = self._nothing if self.stored and not self.held else ""
        return " \u00b7 ".join(filter(None, [commits, nothing, *self.conditions, self.noise]))

    @property
    def _nothing(self) -> str:
        return f"nothing compared with {self.stored}"

    @property
    def counts(self) -> list[str]:
        """What needs no look, in a few words each."""
        return [*(each.text for each in self.likes), *filter(None, [self.worst])]

    @property
    def changed(self) -> list[Entry]:
        """What needs more than in the stored run and is let pass, what needs less, then what that
        doesn't have, as entries."""
        if not self.stored:
            return []
        found = {each.what: each.cases for each in self.likes}
        changed = [
            Entry(what, reason, (case,), figures=answers.in_line(case.source, each))
            for what in ("more", "higher", "less")
            for case, _ in found.get(what, ())
            for each in case.source.comparisons
            if each.reference == "stored"
            if (reason := sanitize(each.judged.reason) if each.judged else "") or what != "higher"
        ]
        new = found.get("new", ())
        return [*changed, *(Entry("new", "", (case,), figures=text) for case, text in new)]


@lru_cache(maxsize=1)  # terminal, page and summary tell the same one
def digest(view: RunView) -> Digest:
    """What the run came to."""
    run = view.source
    found = entries(view)
    kinds = Counter(case.kind for case in view.cases)
    kind, word = _result(found, kinds)
    stored = run.compared_with
    name = stored_name(stored) if stored is not None else ""
    held = "stored" in view.versus
    quiet = conditions.quiet(run)
    among = " of those that pass" * any(each.kind in _BESIDE for each in view.cases)
    return Digest(
        kind=kind,
        word=word,
        sentence=_failed(view, found) if kind == "fail" else _held(view, found, kinds),
        entries=tuple(found),
        commit=conditions.commit(run),
        against=(name if held else "") or conditions.references(run),
        stored=name,
        held=held,
        compares=any(
            each.judged is not None and not answers.is_limit(each)
            for case in run.cases
            for each in case.comparisons
        ),
        conditions=conditions.conditions(run, held=held),
        meters=tuple(filter(None, [*conditions.meters(run), conditions.without(run), quiet])),
        quiet=quiet,
        is_flagged=any(figures.flags(case) for case in run.cases),
        noise=sanitize(stored.noise) if stored is not None else "",
        likes=tuple(_likes(view)),
        nearest=""
        if kind == "fail"
        else _nearest_sentence(_nearest(view, ("stored", *conditions.REFERENCES)), among),
        worst=_worst(_nearest(view, list(view.versus)[:1]), among),
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


def _nearest(view: RunView, references: Collection[str]) -> _Held | None:
    """The case that comes nearest to what it may use, or is farthest above it where that is let
    pass, among those that pass."""
    held = [
        _Held(case, each, estimate)
        for case in view.cases
        if case.kind == "pass"
        for each in case.source.comparisons
        if (each.quantity == "energy" and answers.kind_of_reference(each) in references)
        and each.judged is not None
        and (not each.judged.reason or each.judged.reason.startswith(MORE_THAN))
        and (estimate := figures.finite(each.estimate)) is not None
    ]
    return max(held, key=lambda e: (1 + e.change) / (1 + (e.rule.margin or 0.0)), default=None)


def _nearest_sentence(held: _Held | None, among: str) -> str:
    if held is None:
        return ""
    rule = held.rule
    bounds = f" ({quantities.interval(rule.interval)})" if rule.interval else ""
    against = sanitize(rule.name)
    if rule.reference == "budget":
        against = "its budget" + sanitize(f" of window {rule.window!r}" if rule.window else "")
    allowed = f", {quantities.share(rule.margin)} allowed" if rule.margin else ""
    change = f"{quantities.percent(held.change)}{EST * held.case.estimated}{bounds}"
    where = f"Nearest to its energy limit{among}: {held.case.label}"
    return f"{where}, {change} against {against}{allowed}."


def _worst(held: _Held | None, among: str) -> str:
    if held is None:
        return ""
    words = [quantities.percent(held.change), quantities.bounds(held.rule.interval)]
    allowed = f" of {quantities.share(held.rule.margin)} allowed" if held.rule.margin else ""
    return f"worst{among} {' '.join(filter(None, words))}{allowed}"


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
        for what, nodeids in (("no longer metered", stored.stale), ("not run", stored.not_run)):
            if nodeids:
                yield Like(what, nodeids=tuple(map(sanitize, nodeids)))


def _change(case: CaseView, *, has_stored: bool) -> Change | None:
    """The change that the run is about: against the stored run, where there is one."""
    if has_stored:
        return case.changes.get("stored")
    return case.changes.get("group") or case.changes.get("pair")


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
