"""What a rule came to, and how people read it when a gate fails: three lines at most."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from pytest_energybench.gates.quantities import in_points, percent
from pytest_energybench.results.model import MORE_THAN, Comparison, Result

DEFAULT_FAILS = frozenset({"more", "not-measured", "not-comparable"})
"""What of a comparison with a stored run fails unless the user says otherwise."""


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
    passed = msgspec.structs.replace(comparison.judged, kind="pass")
    return msgspec.structs.replace(comparison, judged=passed)


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
