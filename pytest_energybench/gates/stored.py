"""A run against a stored one: like with like, and many cases without crying wolf."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from pytest_energybench.gates.budgets import Budgets, Limits
from pytest_energybench.gates.energy import estimate, judge_baseline
from pytest_energybench.gates.figures import Figures
from pytest_energybench.gates.judge import with_comparisons
from pytest_energybench.gates.statistics import Estimate, holm
from pytest_energybench.results.alike import differences
from pytest_energybench.results.hosts import heads
from pytest_energybench.results.model import Case, Comparison, Outcome, Run, Verdict

_ENDS: Mapping[Outcome, str] = {"passed": "passed", "xpassed": "passed", "xfailed": "xfailed"}
"""Outcomes with which a test came to its end; two figures are compared at the same end."""


@dataclass(frozen=True, slots=True)
class StoredSummary:
    """What the comparison with a stored run came to, beyond the single verdicts.

    Attributes:
        name: the stored run's name or path.
        differences: what keeps the two runs, or cases of them, from being compared; empty where
            nothing does.
        compared: cases that are in both, by node id.
        missing: cases of this run that the stored run doesn't have.
        stale: cases of the stored run that are no tests any more.
        not_run: cases of the stored run that still are tests and weren't run.
    """

    name: str
    differences: tuple[str, ...] = ()
    compared: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    not_run: tuple[str, ...] = ()


def compare_stored(
    run: Run,
    stored: Run,
    *,
    name: str,
    margin: float = 0.0,
    floor_j: float = 0.0,
    budgets: Budgets | None = None,
    collected: Collection[str] | None = None,
    allow_mismatch: bool = False,
) -> tuple[Run, StoredSummary]:
    """Judge each case of a run against the same case of a stored run.

    By Welch's test on logs where both have two rounds or more, else by a threshold. Over all
    cases that are tested Holm's procedure keeps the risk that even one is called `regressed` (or
    `improved`) by chance at 5 %.

    Args:
        margin: relative increase that is tolerated (0.03 is 3 %).
        floor_j: joules that a regression must exceed beside the margin.
        budgets: margins and floors of single cases, before the two above.
        collected: node ids of all tests there are, run or deselected; None where the run's own
            cases are all. Only in files of which something was collected an entry can be stale.
        allow_mismatch: compare figures that are not alike (other machine, meters, settings).

    Returns:
        the run with its comparisons of origin `stored` replaced, and the summary.
    """
    references = {case.nodeid: case for case in stored.cases}
    unlike = _unlike(run, stored)
    twice = _twice(stored.cases) | _twice(run.cases)
    judged: dict[str, Comparison] = {}
    estimates: dict[str, Estimate] = {}
    for case in run.cases:
        reference = references.get(case.nodeid)
        if reference is None:
            continue
        obstacles = () if allow_mismatch else unlike[case.host, reference.host]
        refusal = _refusal(case, reference, obstacles, twice)
        if refusal is not None:
            judged[case.nodeid] = _refused(reference, refusal)
            continue
        limits = budgets.limits(case.nodeid) if budgets is not None else Limits()
        ours, theirs = Figures.of(case), Figures.of(reference)
        comparison = judge_baseline(
            ours,
            theirs,
            margin=margin if limits.margin is None else limits.margin,
            floor_j=floor_j if limits.floor is None else limits.floor,
            interleaved=False,
            allow_mismatch=allow_mismatch,
            origin="stored",
        )
        judged[case.nodeid] = comparison
        found = estimate(ours, theirs, interleaved=False)
        if found is not None and comparison.verdict.method == found.method:
            estimates[case.nodeid] = found
    judged |= _stepped_down(judged, estimates)
    told = tuple(dict.fromkeys(each for found in unlike.values() for each in found))
    return _with(run, judged), _summary(name, told, run, references, collected)


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
    """How the test came to its end; None where it did not.

    A case is only compared with a stored run when its test has run through, so one that failed
    and carries such a comparison was failed by that gate, at its end.
    """
    if case.outcome == "failed" and any(each.origin == "stored" for each in case.comparisons):
        return "passed"
    return _ENDS.get(case.outcome)


def _refused(reference: Case, why: str) -> Comparison:
    verdict = Verdict(kind="inconclusive", reason=f"not comparable: {why}", n=0)
    return Comparison(origin="stored", nodeid=reference.nodeid, verdict=verdict)


def _stepped_down(
    judged: Mapping[str, Comparison], estimates: Mapping[str, Estimate]
) -> dict[str, Comparison]:
    """The comparisons whose verdict doesn't stand among so many: the weaker claim instead."""
    if len(estimates) < 2:
        return {}
    above = [
        found.chance_above(math.log1p(judged[nodeid].margin or 0.0))
        for nodeid, found in estimates.items()
    ]
    below = [found.chance_below(0.0) for found in estimates.values()]
    changed = {}
    for nodeid, is_above, is_below in zip(estimates, holm(above), holm(below), strict=True):
        comparison = judged[nodeid]
        verdict = comparison.verdict
        many = f"not beyond chance among {len(estimates)} cases (Holm)"
        if verdict.kind == "regressed" and not is_above:
            verdict = msgspec.structs.replace(
                verdict, kind="inconclusive", reason=f"{verdict.reason}, {many}"
            )
        elif verdict.kind == "improved" and not is_below:
            verdict = msgspec.structs.replace(
                verdict, kind="within", reason=f"{verdict.reason}, {many}"
            )
        verdict = msgspec.structs.replace(verdict, method="welch, holm")
        changed[nodeid] = msgspec.structs.replace(comparison, verdict=verdict)
    return changed


def _with(run: Run, judged: Mapping[str, Comparison]) -> Run:
    cases = []
    for case in run.cases:
        others = [each for each in case.comparisons if each.origin != "stored"]
        ours = [judged[case.nodeid]] if case.nodeid in judged else []
        if others == case.comparisons and not ours:
            cases.append(case)
            continue
        cases.append(with_comparisons(case, [*others, *ours]))
    return msgspec.structs.replace(run, cases=cases)


def _summary(
    name: str,
    unlike: tuple[str, ...],
    run: Run,
    references: Mapping[str, Case],
    collected: Collection[str] | None,
) -> StoredSummary:
    ran = dict.fromkeys(case.nodeid for case in run.cases)
    tests = set(ran) | set(collected or ())
    files = {_file(nodeid) for nodeid in tests}
    absent = [nodeid for nodeid in references if nodeid not in ran]
    stale = [
        nodeid
        for nodeid in absent
        if nodeid not in tests and (collected is None or _file(nodeid) in files)
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


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0]
