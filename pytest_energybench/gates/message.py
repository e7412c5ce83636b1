"""A comparison as people read it when a gate fails: three lines at most."""

from __future__ import annotations

from pytest_energybench.gates.quantity import format_change, format_points
from pytest_energybench.results.model import Comparison


def passes(comparison: Comparison) -> bool:
    """Whether an assertion on this comparison holds: it was shown to be within its limit.

    `inconclusive` does not pass: an assertion says that something is so.
    """
    return comparison.verdict.kind in ("improved", "within")


def failure_message(comparison: Comparison) -> str:
    """Three lines at most: the figures with limit and provenance, the other case, the interval."""
    lines = [comparison.verdict.reason]
    if comparison.nodeid is not None:
        lines.append(f"{comparison.origin}: {comparison.nodeid}")
    lines.append(certainty(comparison))
    return "\n".join(" ".join(line.split()) for line in lines if line)


def certainty(comparison: Comparison) -> str:
    """How sure the verdict is: interval, method and n in one line; empty where it says nothing."""
    verdict = comparison.verdict
    if verdict.interval is not None:
        lower, upper = verdict.interval
        if comparison.quantity == "accuracy":
            return f"one-sided 95 % bounds {format_points(lower)} and {format_points(upper)}"
        return (
            f"one-sided 95 % bounds {format_change(lower)} and {format_change(upper)} "
            f"({verdict.method}, n = {verdict.n})"
        )
    if comparison.origin == "budget" or comparison.quantity == "accuracy":
        return ""
    if verdict.kind in ("error", "inconclusive"):
        return ""
    return "one round: a threshold, no interval"
