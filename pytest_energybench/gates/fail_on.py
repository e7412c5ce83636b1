"""Which results against a stored run fail a session: `--energy-fail-on=more,missing`."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from pytest_energybench.base.flags import BUSY, SHORT
from pytest_energybench.exceptions import EnergyBenchError
from pytest_energybench.gates.results import certainty, key_of
from pytest_energybench.gates.stored import StoredSummary
from pytest_energybench.results.model import (
    NOT_COMPARABLE,
    NOT_JUDGED,
    NOT_MEASURED,
    TOO_NOISY,
    Result,
    Run,
)

NOTHING = "nothing"

KINDS: tuple[str, ...] = (
    "more",
    *map(key_of, (NOT_MEASURED, NOT_COMPARABLE, NOT_JUDGED, TOO_NOISY, SHORT, BUSY)),
    "missing",
    "stale",
)
"""What can be named: reasons of stored comparisons; cases missing from the stored run; entries of
the stored run that are no longer metered."""


class FailOnError(EnergyBenchError, ValueError):
    """A list of kinds that names something else; the message is one line."""


def parse_fail_on(text: str) -> frozenset[str]:
    """Kinds from a comma list; `nothing` names none.

    Raises:
        FailOnError: a name is none of `KINDS`, or there is none.
    """
    if text.strip() == NOTHING:
        return frozenset()
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise FailOnError(f"it is empty: one of {', '.join(KINDS)}, or {NOTHING}")
    for name in names:
        if name not in KINDS:
            raise FailOnError(
                f"{name!r} is nothing to fail on: one of {', '.join(KINDS)}, or {NOTHING}"
            )
    return frozenset(names)


MOST_WARNINGS = 5


def warnings(run: Run) -> list[str]:
    """What a stored run could not decide and doesn't fail the session, a line each, and how many
    more."""
    found = [line for line, _ in _stored(run, "unknown", but=("failed", "error"))]
    rest = len(found) - MOST_WARNINGS
    return [
        *found[:MOST_WARNINGS],
        *([f"and {rest} more that nothing decides"] if rest > 0 else []),
    ]


def failures(run: Run, summary: StoredSummary, kinds: Collection[str]) -> list[str]:
    """Why the session fails, a line each; empty where it doesn't.

    Args:
        run: judged by `compare_stored` with these kinds.
        kinds: from `parse_fail_on`.
    """
    return [
        *(
            line
            for line, judged in _stored(run, "fail", but=("xfailed",))
            if not any(each in judged.text for each in summary.differences)
        ),
        *beside_cases(summary, kinds),
    ]


def beside_cases(summary: StoredSummary, kinds: Collection[str]) -> list[str]:
    """Why the session fails that no case's result says, a line each."""
    lines = []
    if "missing" in kinds:
        lines += [f"{nodeid}: missing from {summary.name}" for nodeid in summary.missing]
    if "stale" in kinds:
        lines += [f"{nodeid}: in {summary.name}, and no longer metered" for nodeid in summary.stale]
    if key_of(NOT_COMPARABLE) in kinds and not summary.allowed:
        lines += [f"not comparable with {summary.name}: {each}" for each in summary.differences]
    return lines


def _stored(run: Run, kind: str, *, but: Collection[str]) -> Iterator[tuple[str, Result]]:
    """A line for each comparison with a stored run that came to this, and what it came to."""
    for case in run.cases:
        for each in case.comparisons:
            judged = each.judged
            if each.reference != "stored" or judged is None or case.outcome in but:
                continue
            if judged.kind == kind:
                words = [judged.text, certainty(each)]
                yield f"{case.nodeid}: {judged.reason}: {'; '.join(filter(None, words))}", judged
