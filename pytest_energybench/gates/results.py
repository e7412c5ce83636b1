"""What a rule and a case came to, and how people read it when a gate fails: three lines at most."""

from __future__ import annotations

from collections.abc import Collection

from msgspec.structs import replace

from pytest_energybench.gates.quantities import in_points, percent
from pytest_energybench.results.model import (
    MORE_THAN,
    NOT_JUDGED,
    NOT_MEASURED,
    Case,
    Comparison,
    Result,
)

DEFAULT_FAILS = frozenset({"more", "not-measured", "not-comparable", "not-judged"})
"""What of a comparison with a stored run fails unless the user says otherwise."""


SEVERITY = ("pass", "unknown", "fail")
"""Kinds of a rule's result from best to worst; the worst is the case's."""


def key_of(reason: str) -> str:
    """A result's reason as `--energy-fail-on` names it: `more`, `not-measured`, ..."""
    return "more" if reason.startswith(MORE_THAN) else reason.replace(" ", "-")


def conclude(reason: str, text: str, fails: Collection[str] | None = None) -> Result:
    """The result of a rule.

    Args:
        reason: why it doesn't hold; empty where it does.
        text: the sentence with the figures.
        fails: reasons that fail, as `key_of` writes them; None where all do, since an assertion or
            a budget says that something is so. What is more and is not to fail passes, what is not
            known and is not to fail stays unknown.
    """
    if not reason:
        return Result(kind="pass", text=text)
    key = key_of(reason)
    if fails is None or key in fails:
        return Result(kind="fail", reason=reason, text=text)
    return Result(kind="pass" if key == "more" else "unknown", reason=reason, text=text)


def passes(comparison: Comparison) -> bool:
    """Whether the rule behind a comparison holds, or none is."""
    return comparison.judged is None or comparison.judged.kind == "pass"


def condoned(comparison: Comparison) -> Comparison:
    """A comparison whose failure the test caught: it passes, and the reason stays."""
    if comparison.judged is None or comparison.judged.kind != "fail":
        return comparison
    passed = replace(comparison.judged, kind="pass")
    return replace(comparison, judged=passed)


def failure_message(comparison: Comparison) -> str:
    """Three lines at most: the figures with limit and provenance, the other case, the interval."""
    lines = [comparison.judged.text if comparison.judged else ""]
    if comparison.nodeid is not None:
        lines.append(f"reference: {comparison.nodeid}")
    lines.append(certainty(comparison))
    return "\n".join(" ".join(line.split()) for line in lines if line)


def certainty(comparison: Comparison) -> str:
    """How sure a finding is: interval, method and n in one line; empty where it says nothing."""
    if comparison.interval is not None:
        lower, upper = comparison.interval
        if comparison.quantity == "accuracy":
            return f"one-sided 95 % bounds {in_points(lower)} and {in_points(upper)}"
        return (
            f"one-sided 95 % bounds {percent(lower)} and {percent(upper)} "
            f"({comparison.method}, n = {comparison.n})"
        )
    if comparison.reference == "budget" or comparison.finding not in ("lower", "higher", "same"):
        return ""
    return "one round: a threshold, no interval"


def with_comparisons(case: Case, comparisons: list[Comparison]) -> Case:
    """The case with these comparisons and the result that follows from them."""
    case = replace(case, comparisons=comparisons)
    return replace(case, result=_result(case))


def judged(case: Case) -> Case:
    """The case with the result that follows from its comparisons as they stand."""
    return with_comparisons(case, case.comparisons)


def missed(case: Case) -> list[Comparison]:
    """The rules of a case that do not hold, as far as they were judged with its test: a stored run
    is compared with afterwards, and fails no test."""
    return [each for each in case.comparisons if each.reference != "stored" and not passes(each)]


def broke_off(case: Case) -> bool:
    """Whether a test failed, or skipped itself, by something else than a gate, so that it did not
    come to its end."""
    return case.outcome in ("failed", "error", "skipped") and not missed(case)


def _result(case: Case) -> Result:
    """The worst of what a case's rules came to; a test that failed otherwise fails, too."""
    found = [each.judged for each in case.comparisons if each.judged is not None]
    if case.errors:
        found.append(Result(kind="unknown", reason=NOT_MEASURED, text=case.errors[0]))
    worst = max(found, key=_severity, default=Result(kind="pass", reason=NOT_JUDGED))
    if case.outcome == "xfailed":
        return replace(worst, kind="xfail")
    if case.outcome in ("failed", "error") and worst.kind != "fail":
        if case.errors:
            return replace(worst, kind="fail")
        return Result(kind="fail", reason=NOT_JUDGED, text=f"the test ended as {case.outcome}")
    if case.outcome == "skipped" and worst.kind == "pass":
        return Result(kind="unknown", reason=NOT_JUDGED, text="the test was skipped")
    return worst


def _severity(result: Result) -> tuple[int, bool]:
    """What is not known here is as bad as can be."""
    place = SEVERITY.index(result.kind) if result.kind in SEVERITY else len(SEVERITY)
    return place, bool(result.reason)
