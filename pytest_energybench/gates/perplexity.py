"""Perplexity: how much less sure of a text a language model may be than its group's reference."""

from __future__ import annotations

import math
from statistics import fmean

from msgspec.structs import replace

from pytest_energybench.gates.figures import known_as
from pytest_energybench.gates.quantities import number, percent
from pytest_energybench.gates.results import conclude
from pytest_energybench.gates.statistics import NO_PAIRS, make_no_pairs, mean_bounds, paired_by_seed
from pytest_energybench.results.answers import BLOCK_LOSS, by_block
from pytest_energybench.results.model import (
    MORE_THAN,
    NOT_COMPARABLE,
    NOT_MEASURED,
    TOO_NOISY,
    Case,
    Comparison,
    Finding,
    Scalar,
)

_ROUNDING = 1e-9


def judge_group_perplexity(case: Case, reference: Case, max_rise: float) -> Comparison:
    """The perplexity may rise by `max_rise` (relative; 0.01 is 1 %) above the reference's.

    Two pairs of rounds or more: one-sided 95 % t bounds of the mean log ratio; several rounds of
    both that are no pairs decide nothing. Else the point rule; bounds over blocks of the text,
    whose tokens are not independent, are then told beside it.
    """
    name = known_as(reference, case)
    made = Comparison(
        reference="group",
        name=name,
        nodeid=reference.nodeid,
        quantity="perplexity",
        finding="undecided",
        margin=max_rise,
    )
    ours, theirs = _logs(case), _logs(reference)
    for logs, whose in ((ours, "the case's"), (theirs, f"{name}'s")):
        if not logs or not all(map(math.isfinite, logs)):
            return replace(made, judged=conclude(NOT_MEASURED, f"{whose} perplexity is not known"))
    pairs = paired_by_seed(_seeds(case), ours, _seeds(reference), theirs)
    our_mean, their_mean = fmean(ours), fmean(theirs)
    lower = upper = change = our_mean - their_mean
    n, method, bounds = 1, "threshold", _block_bounds(case, reference)
    finding: Finding = "undecided"
    rule, reason = "is not shown to keep within {} of", TOO_NOISY
    if len(pairs) > 1:
        our_mean, their_mean = map(fmean, zip(*pairs, strict=True))
        ratios = [a - b for a, b in pairs]
        change = fmean(ratios)
        lower, upper = bounds = mean_bounds(ratios)
        n, method = len(pairs), "paired"
    elif make_no_pairs(pairs, ours, theirs):
        lower, upper, bounds, reason = -math.inf, math.inf, None, NOT_COMPARABLE
        n, method = len(pairs), "paired"
    limit = math.log1p(max_rise)
    if lower > limit + _ROUNDING:
        finding, rule, reason = "lost", "rises by more than {} above", MORE_THAN + name
    elif upper <= limit + _ROUNDING:
        finding, rule, reason = "kept", "keeps within {} of", ""
    ratio = math.expm1(change)
    text = (
        f"perplexity {number(math.exp(our_mean), 4)}"
        f" {rule.format(percent(max_rise, signed=False))} {name}'s"
        f" {number(math.exp(their_mean), 4)}: {percent(ratio)}"
    )
    if reason == NOT_COMPARABLE:
        text += NO_PAIRS
    return replace(
        made,
        finding=finding,
        limit=math.exp(their_mean) * (1 + max_rise),
        estimate=ratio,
        interval=None if bounds is None else (math.expm1(bounds[0]), math.expm1(bounds[1])),
        method=method,
        n=n,
        judged=conclude(reason, text),
    )


def _logs(case: Case) -> list[float]:
    """The logarithm of each round's perplexity; empty unless every round has one."""
    found = [_log(each.metrics.get("perplexity")) for each in case.rounds]
    known = [each for each in found if each is not None]
    return known if len(known) == len(case.rounds) else []


def _log(value: Scalar) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 1:
        return None
    return math.log(value)


def _seeds(case: Case) -> tuple[int | None, ...]:
    return tuple(each.seed for each in case.rounds)


def _block_bounds(case: Case, reference: Case) -> tuple[float, float] | None:
    """Of the difference of mean losses, over the blocks of the text that both were told on."""
    ours, theirs = by_block(case, BLOCK_LOSS), by_block(reference, BLOCK_LOSS)
    if len(ours) != len(theirs) or len(ours) < 2:
        return None
    return mean_bounds([a - b for a, b in zip(ours, theirs, strict=True)])
