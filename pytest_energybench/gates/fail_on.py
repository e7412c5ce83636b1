"""Which findings against a stored run fail a session: `--energy-fail-on=regressed,missing`."""

from __future__ import annotations

from collections.abc import Collection
from typing import get_args

from pytest_energybench.gates.stored import StoredSummary
from pytest_energybench.results.model import Run, VerdictKind

KINDS: tuple[str, ...] = (*get_args(VerdictKind), "missing", "stale", "not-comparable")
"""What can be named: verdicts of stored comparisons; cases missing from the stored run; entries
of the stored run that are no tests any more; runs that are not alike."""


class FailOnError(ValueError):
    """A list of kinds that names something else; the message is one line."""


def parse_fail_on(text: str) -> frozenset[str]:
    """Kinds from a comma list; empty text names none.

    Raises:
        FailOnError: a name is none of `KINDS`.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in KINDS:
            raise FailOnError(f"{name!r} is nothing to fail on: one of {', '.join(KINDS)}")
    return frozenset(names)


def failures(run: Run, summary: StoredSummary, kinds: Collection[str]) -> list[str]:
    """Why the session fails, a line each; empty where it doesn't.

    Args:
        run: judged by `compare_stored`.
        kinds: from `parse_fail_on`.
    """
    lines = [
        f"{case.nodeid}: {comparison.verdict.kind}: {comparison.verdict.reason}"
        for case in run.cases
        if case.outcome != "xfailed"
        for comparison in case.comparisons
        if comparison.origin == "stored" and comparison.verdict.kind in kinds
    ]
    if "missing" in kinds:
        lines += [f"{nodeid}: missing from {summary.name}" for nodeid in summary.missing]
    if "stale" in kinds:
        lines += [f"{nodeid}: in {summary.name}, and no test any more" for nodeid in summary.stale]
    if "not-comparable" in kinds:
        lines += [f"not comparable with {summary.name}: {each}" for each in summary.differences]
    return lines
