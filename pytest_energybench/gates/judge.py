"""A whole run judged again: after a merge, or with other budgets."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from pytest_energybench.gates.accuracy import Score, judge_accuracy
from pytest_energybench.gates.budgets import Budgets, judge_budgets
from pytest_energybench.gates.energy import judge_baseline
from pytest_energybench.gates.figures import Figures
from pytest_energybench.results.model import SEVERITY, Case, Comparison, Run, Verdict


def judge_run(run: Run, *, budgets: Budgets | None = None, allow_mismatch: bool = False) -> Run:
    """Each case against its group's baseline and its budgets, on the figures as they stand.

    A comparison with another case of the run is made again, with the margin or drop it was made
    with and by the method it was made by. What was judged inside a test, against a limit or a
    callable of its own, stays, and so do comparisons with stored runs (`compare_stored`).

    Args:
        budgets: judged in addition; comparisons with the same limit aren't doubled.
        allow_mismatch: judge figures of unlike provenance.
    """
    cases = {case.nodeid: case for case in run.cases}
    judged = []
    for case in run.cases:
        comparisons = [_again(case, each, cases, allow_mismatch) for each in case.comparisons]
        if budgets is not None:
            fresh = judge_budgets(case, budgets.limits(case.nodeid))
            comparisons = [
                *(each for each in comparisons if not _same_limit(each, fresh)),
                *fresh,
            ]
        if comparisons != case.comparisons:
            case = with_comparisons(case, comparisons)
        judged.append(case)
    return msgspec.structs.replace(run, cases=judged)


def with_comparisons(case: Case, comparisons: list[Comparison]) -> Case:
    """The case with these comparisons and the verdict that follows from them.

    It is the worst of them, and `error` where the case's own energy went wrong (a lost domain).
    """
    verdicts = [each.verdict for each in comparisons]
    if case.errors:
        verdicts.append(Verdict(kind="error", reason=case.errors[0], n=len(case.rounds)))
    verdict = max(verdicts, key=lambda each: SEVERITY.index(each.kind), default=None)
    return msgspec.structs.replace(case, comparisons=comparisons, verdict=verdict)


def _again(
    case: Case, made: Comparison, cases: Mapping[str, Case], allow_mismatch: bool
) -> Comparison:
    baseline = cases.get(made.nodeid) if made.nodeid is not None else None
    if made.origin != "baseline" or baseline is None or baseline is case:
        return made
    if made.quantity == "accuracy" and made.limit is not None:
        ours, theirs = Score.recorded(case.metrics), Score.recorded(baseline.metrics)
        return judge_accuracy(ours, theirs, made.limit, nodeid=baseline.nodeid)
    if made.quantity == "energy" and made.margin is not None:
        return judge_baseline(
            Figures.of(case),
            Figures.of(baseline),
            margin=made.margin,
            interleaved=made.verdict.method == "paired",
            allow_mismatch=allow_mismatch,
        )
    return made


def _same_limit(comparison: Comparison, fresh: list[Comparison]) -> bool:
    return comparison.origin == "budget" and any(
        comparison.quantity == each.quantity and comparison.limit == each.limit for each in fresh
    )
