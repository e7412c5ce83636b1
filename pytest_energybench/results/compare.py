"""Runs side by side, as values that any table can be made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_energybench.results.model import Case, Outcome, Provenance, Run, Verdict


@dataclass(frozen=True, slots=True)
class Cell:
    """One case in one run.

    Attributes:
        total_j: IT energy in joules, the median over the rounds; None where it is not known.
        duration_s: seconds, the median over the rounds.
        accuracy: fraction, where one was recorded.
        rounds: independent rounds behind the figures.
        provenance: domain -> where its joules come from.
        change: relative change of the energy to the first run's (0.02 is +2 %); None in the first
            run, and where either is not known or the first is 0.
        accuracy_change: difference to the first run's accuracy (-0.01 is one point less).
        verdict: what the comparison with the first run came to, where it was judged.
    """

    total_j: float | None
    duration_s: float
    accuracy: float | None
    rounds: int
    outcome: Outcome
    provenance: dict[str, Provenance]
    change: float | None = None
    accuracy_change: float | None = None
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One case in all runs; None where a run doesn't have it."""

    nodeid: str
    name: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Runs side by side: `labels` name the runs, one cell of every row each."""

    labels: tuple[str, ...]
    rows: tuple[Row, ...]


def compare_runs(labels: Sequence[str], runs: Sequence[Run]) -> Table:
    """The first run's cases in its order, then what only later runs have, in theirs.

    Args:
        runs: the first is the reference; the others were judged against it before, so that their
            cases carry comparisons of origin `stored`.
    """
    by_run = [{case.nodeid: case for case in run.cases} for run in runs]
    nodeids = dict.fromkeys(nodeid for cases in by_run for nodeid in cases)
    return Table(tuple(labels), tuple(_row(nodeid, by_run) for nodeid in nodeids))


def _row(nodeid: str, by_run: Sequence[dict[str, Case]]) -> Row:
    cases = [found.get(nodeid) for found in by_run]
    name = next(case.name for case in cases if case is not None)
    reference = cases[0]
    return Row(
        nodeid,
        name,
        tuple(
            None if case is None else _cell(case, None if place == 0 else reference)
            for place, case in enumerate(cases)
        ),
    )


def _cell(case: Case, reference: Case | None) -> Cell:
    accuracy = _accuracy(case)
    stored = [one for one in case.comparisons if one.origin == "stored"]
    change = accuracy_change = None
    if reference is not None:
        if case.total_j is not None and reference.total_j:
            change = case.total_j / reference.total_j - 1
        base = _accuracy(reference)
        if accuracy is not None and base is not None:
            accuracy_change = accuracy - base
    return Cell(
        total_j=case.total_j,
        duration_s=case.duration_s,
        accuracy=accuracy,
        rounds=len(case.rounds),
        outcome=case.outcome,
        provenance=case.provenance,
        change=change,
        accuracy_change=accuracy_change,
        verdict=stored[-1].verdict if stored and reference is not None else None,
    )


def _accuracy(case: Case) -> float | None:
    value = case.metrics.get("accuracy")
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
