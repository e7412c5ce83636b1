"""What the pages of results share: cells of ratios with their bounds, and the facts of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import inf, isclose

from msgspec.structs import replace

from pytest_energybench.experiment.paper.matrix import Matrix, Range, spoiled
from pytest_energybench.experiment.paper.tables import markdown_table
from pytest_energybench.experiment.paper.trials import Figure, energy_j, with_search
from pytest_energybench.experiment.rules import BASELINE
from pytest_energybench.gates.quantities import MINUS, UNKNOWN, share
from pytest_energybench.report.conditions import commit
from pytest_energybench.report.text import listed, plural
from pytest_energybench.results.model import Case, Comparison, MeterInfo, Round, Run, Window

ENERGY_WORDS = {
    "estimated": "**Energy is estimated from CPU time: every energy ratio here is a time ratio.**",
    "partly estimated": "**A part of the energy is estimated from CPU time.**",
    "measured": "Energy is read from counters.",
}

WITH_SEARCH = with_search(energy_j)

ARITHMETIC = {
    "device": "device",
    "threads": "threads",
    "float32 products": "float32_matmul_precision",
}
"""Word -> the setting of a run that says it."""

KEPT = ("kept", "better")

Rule = Callable[[Case, Case], list[Comparison]]
"""Judges a case against its reference."""


def lines(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a table and an empty one."""
    yield from markdown_table(header, list(rows))
    yield ""


def setting_rows(run: Run, facts: Mapping[str, Mapping[str, str]]) -> Iterator[list[str]]:
    """A row for each fact, of the settings that say it.

    Args:
        facts: fact -> word -> the name of the setting.
    """
    for fact, names in facts.items():
        known = [
            f"{name} {run.settings[setting]}"
            for name, setting in names.items()
            if setting in run.settings
        ]
        yield [fact, ", ".join(known) or UNKNOWN]


def machine_rows(run: Run) -> Iterator[list[str]]:
    """On what it ran, what metered it, at which commits, and what it says of itself."""
    memory = f"{run.machine.memory_bytes / 2**30:.0f} GiB"
    yield ["machine", f"{run.machine.cpu}, {plural(run.machine.cores, 'core')}, {memory}"]
    meters = [f"{each.domain} {each.source} ({_sure(each)})" for each in run.meters]
    yield ["meters", listed(meters) or UNKNOWN]
    yield ["commit", commit(run) or UNKNOWN]
    wrong = plural(len(run.errors) + len(run.failures), "note")
    yield ["the run's own notes", wrong if run.errors or run.failures else "none"]


def all_seeds(matrix: Matrix) -> list[int]:
    """All seeds of its cases, in order."""
    found = {seed for case in matrix.cases.values() for seed in case.seeds}
    return sorted(found)


def disturbed(matrix: Matrix, model: str, method: str, figure: Figure = energy_j) -> str | None:
    """Why the trainings of a method and of the baseline decide nothing about their energy, or
    about it with the searches; None where they do."""
    found = [matrix.cases.get((model, of)) for of in (method, BASELINE)]
    cases = [case for case in found if case is not None]
    rounds = [each for case in cases for each in case.rounds]
    searching = [case for case in cases if case.search is not None]
    beside = [each for case in searching for each in case.windows if each.place == "beside"]
    return disturbance([*rounds, *(beside if figure is WITH_SEARCH else ())])


def disturbance(parts: Sequence[Round | Window]) -> str | None:
    """What was wrong with how many of the parts."""
    wrong = [why for why in (spoiled(part.flags) for part in parts) if why is not None]
    return f"{wrong[0]} in {len(wrong)} of {len(parts)}" if wrong else None


def with_reason(found: Range | None, why: str | None) -> str:
    """A ratio with its bounds, and why it decides nothing where it doesn't."""
    if found is None:
        return UNKNOWN
    text = f"{found.value:.2f}{_between(found, '.2f')}"
    return f"{text}, {why}" if why else text


def signed(found: Range | None) -> str:
    """A change with its bounds."""
    if found is None:
        return UNKNOWN
    return f"{found.value:+.2f}{_between(found, '+.2f')}".replace("-", MINUS)


def _between(found: Range, spec: str) -> str:
    """The bounds behind a figure. Seeds that agree to the last digit show no spread, be it that a
    few of them can't: then that is said instead."""
    if found.bounds is None:
        return ""
    low, high = found.bounds
    if isclose(low, high, rel_tol=1e-9):
        return f" (all {found.n} the same)"
    return f" ({low:{spec}} to {high:{spec}})"


def judged(case: Case, reference: Case, rule: Rule) -> list[str]:
    """What a rule says over the seeds, and in how many the figures alone keep it."""
    whole = rule(case, reference)
    lost = [each.quantity for each in whole if each.finding == "lost"]
    kept = all(each.finding in KEPT for each in whole)
    word = "kept" if kept else f"lost ({listed(lost)})" if lost else "undecided"
    ours, theirs = _by_seed(case), _by_seed(reference)
    pairs = [(ours[seed], theirs[seed]) for seed in ours if seed in theirs]
    passed = [all(each.finding in KEPT for each in rule(*pair)) for pair in pairs]
    return [word, f"{sum(passed)} of {len(passed)}"]


def _by_seed(case: Case) -> dict[int | None, Case]:
    """The case as it would be with each of its rounds alone."""
    return {
        each.seed: replace(case, rounds=[each], metrics=each.metrics, series=[])
        for each in case.rounds
    }


def paid(matrix: Matrix, model: str, method: str) -> str:
    """After how many trainings a search is."""
    after = matrix.pays_after(model, method)
    return UNKNOWN if after is None else "never" if after == inf else f"{after:.1f}"


def sorted_out(
    cells: Sequence[tuple[str, str]], found: Mapping[tuple[str, str], Range | None]
) -> tuple[list[str], list[str], list[str]]:
    """The cells that an interval shows below 1, above it, or neither."""
    sides: tuple[list[str], list[str], list[str]] = ([], [], [])
    for cell in cells:
        of = found.get(cell)
        bounds = None if of is None else of.bounds
        side = 2 if bounds is None else 0 if bounds[1] < 1 else 1 if bounds[0] > 1 else 2
        sides[side].append(" ".join(cell))
    return sides


def _sure(meter: MeterInfo) -> str:
    error = "error not stated" if meter.error is None else f"±{share(meter.error)}"
    version = meter.estimate_version
    return error if version is None else f"{error}, version {version} of the estimates"
