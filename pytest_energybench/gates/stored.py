"""A run against a stored one: like with like, and many cases without crying wolf."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import msgspec

from pytest_energybench.gates.budgets import Budgets, Limits
from pytest_energybench.gates.comparisons import effective_margin, estimate, judge_change
from pytest_energybench.gates.figures import Figures, side_by_side, unlike
from pytest_energybench.gates.quantities import share
from pytest_energybench.gates.results import DEFAULT_FAILS, broke_off, conclude, with_comparisons
from pytest_energybench.gates.statistics import bounds_among
from pytest_energybench.results.compatibility import differences, heads
from pytest_energybench.results.model import NOT_COMPARABLE, Case, Comparison, Run, StoredRun
from pytest_energybench.results.storage import Floor, floor_of

_ENDS: Mapping[str, str] = {"passed": "passed", "xpassed": "passed", "xfailed": "xfailed"}
"""Outcomes with which a test came to its end; two figures are compared at the same end."""


@dataclass(frozen=True, slots=True)
class StoredSummary:
    """What the comparison with a stored run came to, beyond the single results.

    Attributes:
        name: the stored run's name or path.
        differences: what keeps the two runs, or cases of them, from being compared; empty where
            nothing does.
        allowed: figures were compared although they differ so (`allow_mismatch`).
        compared: cases that are in both, by node id.
        missing: cases of this run that the stored run doesn't have.
        stale: cases of the stored run that are no longer tests, or that ran and weren't metered.
        not_run: cases of the stored run that still are tests and weren't run.
        noise: that margins are below what this machine can tell apart; empty where none is known
            to be.
    """

    name: str
    differences: tuple[str, ...] = ()
    allowed: bool = False
    compared: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    not_run: tuple[str, ...] = ()
    noise: str = ""


def compare_stored(
    run: Run,
    stored: Run,
    *,
    name: str,
    margin: float = 0.0,
    budgets: Budgets | None = None,
    collected: Collection[str] | None = None,
    plain: Collection[str] = (),
    whole: Collection[str] | None = None,
    allow_mismatch: bool = False,
    floors: Sequence[Floor] = (),
    fails: Collection[str] = DEFAULT_FAILS,
    are_runs: bool = False,
    refused: Mapping[str, str] = MappingProxyType({}),
) -> tuple[Run, StoredSummary]:
    """Judge each case of a run against the same case of a stored run.

    By Welch's test on logs where both have two rounds or more, else by a threshold; against the
    last runs of a history by where they let the next one lie (`statistics.prediction`). Over all
    cases that are tested Holm's procedure keeps the risk that even one is called `more` (or
    `less`) by chance at 5 %; the intervals are those that say so.

    Args:
        name: the stored run's name or path.
        margin: relative increase that is tolerated (0.03 is 3 %).
        budgets: margins of single cases, before the one above, and floors that an increase must
            exceed beside them.
        collected: node ids of all tests there are, run or deselected; None where the run's own
            cases are all.
        plain: those of this run that were not metered.
        whole: files of which all tests are among them, the only ones where an entry can be stale;
            None where those are all of which any test is.
        allow_mismatch: compare figures that are not alike (other machine, meters, settings).
        floors: what machines can tell apart, as far as that was measured.
        fails: reasons that fail a case; see `conclude`.
        are_runs: the stored run's rounds are earlier runs.
        refused: node id -> why single cases can't be compared.

    Returns:
        the run with its comparisons with a stored run replaced, and the summary.
    """
    references = {case.nodeid: case for case in stored.cases}
    unlike = _unlike(run, stored)
    twice = _twice(stored.cases) | _twice(run.cases)
    shown = name.replace("\\", "/").rpartition("/")[2]
    judged: dict[str, Comparison] = {}
    sides: dict[str, _Sides] = {}
    for case in run.cases:
        reference = references.get(case.nodeid)
        if reference is None:
            continue
        obstacles = () if allow_mismatch else unlike[case.host, reference.host]
        refusal = refused.get(case.nodeid) or _refusal(case, reference, obstacles, twice)
        if refusal is None:
            limits = budgets.limits(case.nodeid) if budgets is not None else Limits()
            ours, theirs = side_by_side(case, reference, allow_mismatch=allow_mismatch)
            sides[case.nodeid] = _Sides(
                ours,
                replace(theirs, are_runs=are_runs),
                margin if limits.margin is None else limits.margin,
                limits.floor or 0.0,
            )
            continue
        judged[case.nodeid] = Comparison(
            reference="stored",
            name=shown,
            nodeid=reference.nodeid,
            finding="unclear",
            n=0,
            judged=conclude(NOT_COMPARABLE, refusal, fails),
        )
    among = _among(sides)
    for nodeid, each in sides.items():
        judged[nodeid] = judge_change(
            each.ours,
            each.theirs,
            name=shown,
            against="stored",
            margin=each.margin,
            floor_j=each.floor_j,
            interleaved=False,
            allow_mismatch=allow_mismatch,
            among=among.get(nodeid),
            fails=fails,
        )
    obstacles = tuple(dict.fromkeys(each for found in unlike.values() for each in found))
    summary = _summary(name, obstacles, run, references, collected, plain, whole)
    noise = _below_noise(run, judged, floors)
    compared_with = StoredRun(
        name=shown,
        created=stored.created,
        commit=stored.commit,
        differences=list(summary.differences),
        stale=list(summary.stale),
        not_run=list(summary.not_run),
        noise=noise,
    )
    compared = msgspec.structs.replace(_with(run, judged), compared_with=compared_with)
    return compared, replace(summary, noise=noise, allowed=allow_mismatch)


@dataclass(frozen=True, slots=True)
class _Sides:
    """A case and its stored self, and what is tolerated between them."""

    ours: Figures
    theirs: Figures
    margin: float
    floor_j: float


def _among(sides: Mapping[str, _Sides]) -> dict[str, tuple[float, float]]:
    """Node id -> the bounds of each case that has some; empty where only one has."""
    found = {
        nodeid: (made, effective_margin(each.theirs, each.margin, each.floor_j))
        for nodeid, each in sides.items()
        if (made := estimate(each.ours, each.theirs, interleaved=False)) is not None
        and each.ours.unit == each.theirs.unit
        and not unlike(each.ours.provenance, each.theirs.provenance)
    }
    if len(found) < 2:
        return {}
    estimates, margins = zip(*found.values(), strict=True)
    return dict(zip(found, bounds_among(estimates, margins), strict=True))


def _below_noise(run: Run, judged: Mapping[str, Comparison], floors: Sequence[Floor]) -> str:
    below = {
        nodeid: (comparison.margin, floor)
        for nodeid, comparison in judged.items()
        if comparison.margin is not None
        and (floor := floor_of(run, nodeid, floors)) is not None
        and comparison.margin < floor
    }
    if not below:
        return ""
    nodeid = max(below, key=lambda each: below[each][1])
    margin, floor = below[nodeid]
    more = f" and {len(below) - 1} more" if len(below) > 1 else ""
    return (
        f"margin {share(margin)} is below this machine's noise floor of"
        f" {share(round(floor, 3))} (energybench null) for {nodeid}{more}: take more"
        " rounds or a larger margin"
    )


def _unlike(run: Run, stored: Run) -> dict[tuple[str | None, str | None], tuple[str, ...]]:
    """What keeps figures from being compared, for every pair of hosts that has a case in common.

    Where neither run has hosts, the pair is (None, None).
    """
    here, there = heads(run), heads(stored)
    hosts = {case.nodeid: case.host for case in stored.cases}
    pairs = {(case.host, hosts[case.nodeid]) for case in run.cases if case.nodeid in hosts}
    if not (run.hosts or stored.hosts):
        pairs.add((None, None))
    return {
        (ours, theirs): tuple(
            f"{ours}: {difference}" if ours is not None else difference
            for difference in differences(here.get(ours, run), there.get(theirs, stored))
        )
        for ours, theirs in sorted(pairs, key=str)
    }


def _twice(cases: Sequence[Case]) -> set[str]:
    return {nodeid for nodeid, count in Counter(case.nodeid for case in cases).items() if count > 1}


def _refusal(
    case: Case, reference: Case, unlike: Sequence[str], twice: Collection[str]
) -> str | None:
    """Why a case and its stored self can't be compared; None where they can."""
    if unlike:
        return "; ".join(unlike)
    if case.nodeid in twice:
        return "the case is in a run twice"
    here, there = _end(case), _end(reference)
    if here is None or there is None or here != there:
        return f"the case is {case.outcome} here and {reference.outcome} in the stored run"
    return None


def _end(case: Case) -> str | None:
    """How the test came to its end; None where it did not. One that its energy failed did."""
    ended = case.outcome == "failed" and not broke_off(case)
    return "passed" if ended else _ENDS.get(case.outcome)


def _with(run: Run, judged: Mapping[str, Comparison]) -> Run:
    cases = []
    for case in run.cases:
        others = [each for each in case.comparisons if each.reference != "stored"]
        ours = [judged[case.nodeid]] if case.nodeid in judged else []
        cases.append(with_comparisons(case, [*others, *ours]))
    return msgspec.structs.replace(run, cases=cases)


def _summary(
    name: str,
    unlike: tuple[str, ...],
    run: Run,
    references: Mapping[str, Case],
    collected: Collection[str] | None,
    plain: Collection[str],
    whole: Collection[str] | None,
) -> StoredSummary:
    ran = dict.fromkeys(case.nodeid for case in run.cases)
    tests = set(ran) | set(collected or ())
    files = set(map(file_of, tests)) if whole is None else whole
    absent = [nodeid for nodeid in references if nodeid not in ran]
    stale = [
        nodeid
        for nodeid in absent
        if nodeid in plain
        or (nodeid not in tests and (collected is None or file_of(nodeid) in files))
    ]
    gone = set(stale)
    return StoredSummary(
        name=name,
        differences=unlike,
        compared=tuple(nodeid for nodeid in ran if nodeid in references),
        missing=tuple(nodeid for nodeid in ran if nodeid not in references),
        stale=tuple(stale),
        not_run=tuple(nodeid for nodeid in absent if nodeid not in gone),
    )


def file_of(nodeid: str) -> str:
    """The file in a node id; the node id itself where it names no test of one."""
    return nodeid.partition("::")[0]
