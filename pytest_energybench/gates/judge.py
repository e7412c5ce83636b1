"""A whole run judged again: after a merge, by other budgets, each case against its reference."""

from __future__ import annotations

from msgspec.structs import replace

from pytest_energybench.gates.accuracy import judge_group_accuracy
from pytest_energybench.gates.budgets import Budgets, judge_budgets
from pytest_energybench.gates.comparisons import judge_group
from pytest_energybench.gates.perplexity import judge_group_perplexity
from pytest_energybench.gates.results import broke_off, condoned, judged, missed, with_comparisons
from pytest_energybench.results.model import Case, Comparison, Run


def judge_run(run: Run, *, budgets: Budgets | None = None, allow_mismatch: bool = False) -> Run:
    """Each case against its group's reference and its budgets, on the figures as they stand.

    A comparison with another case of the run is made again, with the margin or drop it was made
    with and by the method it was made by. What was judged inside a test, against a limit or a
    callable of its own, stays, and so do comparisons with stored runs (`compare_stored`). What a
    test that broke off had used by then says nothing of a budget.

    Args:
        budgets: judged in addition; comparisons with the same limit aren't doubled.
        allow_mismatch: judge figures of unlike provenance.
    """
    cases = {case.nodeid: case for case in run.cases}
    judged = []
    for case in run.cases:
        comparisons = []
        for made in case.comparisons:
            reference = cases.get(made.nodeid or "", case)
            if made.reference != "group" or reference is case:
                comparisons.append(made)
            elif made.judged is not None:  # what was only shown is added anew below
                again = _again(case, reference, made, allow_mismatch)
                caught = made.judged.kind == "pass" and made.judged.reason
                comparisons.append(condoned(again) if caught else again)
        made_anew = with_comparisons(case, comparisons)
        judged.append(made_anew if budgets is None else with_budgets(made_anew, budgets))
    return with_changes(replace(run, cases=judged), allow_mismatch=allow_mismatch)


def with_budgets(case: Case, budgets: Budgets) -> Case:
    """The case held against a budgets file in addition; comparisons with the same limit aren't
    doubled."""
    if broke_off(case):
        return case
    fresh = judge_budgets(case, budgets.limits(case.nodeid))
    others = [each for each in case.comparisons if not _same_limit(each, fresh)]
    return with_comparisons(case, [*others, *fresh])


def with_changes(run: Run, *, allow_mismatch: bool = False) -> Run:
    """The run with every case of a group held against the group's reference, asked for or not.

    What nobody asked for is shown and not judged. A figure that can't be compared is left out.
    """
    rounds = run.settings.get("rounds")
    interleaved = isinstance(rounds, int) and rounds > 1
    references = {case.group or "": case for case in run.cases if case.baseline}
    cases = []
    for case in run.cases:
        reference = references.get(case.group) if case.group is not None else None
        if reference is None or reference is case or broke_off(case) or broke_off(reference):
            cases.append(case)
            continue
        there = {each.quantity for each in case.comparisons if each.nodeid == reference.nodeid}
        added = []
        if "energy" not in there:
            added.append(
                judge_group(
                    case,
                    reference,
                    margin=0.0,
                    interleaved=interleaved,
                    allow_mismatch=allow_mismatch,
                )
            )
        if "accuracy" not in there and case.metrics and reference.metrics:
            added.append(judge_group_accuracy(case, reference, 0.0))
        shown = [_shown(each) for each in added if each.estimate is not None]
        cases.append(replace(case, comparisons=[*case.comparisons, *shown]))
    return replace(run, cases=cases)


def _shown(comparison: Comparison) -> Comparison:
    """A comparison that no rule asked for. How far an accuracy may drop nobody said, so that only
    its bounds say anything."""
    finding, bounds = comparison.finding, comparison.interval
    if comparison.quantity == "accuracy" and finding != "better":
        finding = "lost" if bounds is not None and bounds[1] < 0 else "undecided"
    return replace(comparison, finding=finding, limit=None, margin=None, judged=None)


def settled(case: Case) -> Case:
    """A case that was put together of several runs' rounds and judged anew, with the outcome that
    follows: a failure stays an expected one as long as nothing but energy is missed."""
    if case.outcome != "passed":
        return case
    failing = missed(case)
    expected = bool(case.expected) and all(each.quantity == "energy" for each in failing)
    outcome = "passed" if not failing else "xfailed" if expected else "failed"
    return judged(
        replace(case, outcome=outcome, expected=case.expected if outcome == "xfailed" else "")
    )


def _again(case: Case, reference: Case, made: Comparison, allow_mismatch: bool) -> Comparison:
    if made.margin is not None and made.quantity == "accuracy":
        return judge_group_accuracy(case, reference, made.margin)
    if made.margin is not None and made.quantity == "perplexity":
        return judge_group_perplexity(case, reference, made.margin)
    if made.margin is not None and made.quantity == "energy":
        return judge_group(
            case,
            reference,
            margin=made.margin,
            interleaved=made.method == "paired",
            allow_mismatch=allow_mismatch,
        )
    return made


def _same_limit(comparison: Comparison, fresh: list[Comparison]) -> bool:
    return comparison.reference == "budget" and any(
        _limited(comparison) == _limited(each) for each in fresh
    )


def _limited(comparison: Comparison) -> tuple[str, str, str, float | None]:
    return comparison.quantity, comparison.unit, comparison.window, comparison.limit
