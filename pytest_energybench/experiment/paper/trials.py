"""The trainings of a case, one a round, and the figures of one training.

A figure that a case did not record is None, never zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import fmean

from pytest_energybench.experiment.rules import BASELINE
from pytest_energybench.report import figures
from pytest_energybench.results.model import Case, Scalar, Window


@dataclass(frozen=True, slots=True)
class Trial:
    """One training with what was spent to find how far its method can go.

    Attributes:
        seed: of its random numbers; None where it is not known.
        total_j: IT energy of the training in joules.
        search_j: IT energy of its searches in joules, 0 where the method has none.
        search_s: their seconds.
    """

    method: str
    seed: int | None
    total_j: float | None
    duration_s: float | None
    metrics: Mapping[str, Scalar]
    search_j: float | None
    search_s: float | None


Figure = Callable[[Trial], float | None]
"""One figure of one training."""


def trials(case: Case) -> tuple[Trial, ...]:
    """The trainings of a case, in the order they ran."""
    method = str(case.params.get("method", ""))
    if len(case.rounds) < 2:
        seed = case.rounds[0].seed if case.rounds else None
        spent = _searched(case, None)
        duration = case.duration_s or None
        return (Trial(method, seed, figures.joules(case), duration, case.metrics, *spent),)
    return tuple(
        Trial(
            method,
            each.seed,
            figures.finite(each.total_j),
            each.duration_s or None,
            each.metrics,
            *_searched(case, number),
        )
        for number, each in enumerate(case.rounds)
    )


def _searched(case: Case, number: int | None) -> tuple[float | None, float | None]:
    """Joules and seconds of the searches of a round, or of a case with one.

    A round without a search of its own was trained at what an earlier one found: it has the mean
    of what the case's searches took.
    """
    if case.search is None:
        return 0.0, 0.0
    beside = [window for window in case.windows if window.place == "beside"]
    if not beside:
        parts = (case.search, *case.search.earlier)
        return figures.finite(case.search.total_j), sum(each.duration_s for each in parts)
    by_round: dict[int, list[Window]] = {}
    for window in beside:
        by_round.setdefault(window.round, []).append(window)
    chosen = [by_round[number]] if number in by_round else list(by_round.values())
    joules = [[figures.finite(window.total_j) for window in each] for each in chosen]
    known = [[j for j in each if j is not None] for each in joules]
    seconds = fmean(sum(window.duration_s for window in each) for each in chosen)
    if known != joules:
        return None, seconds
    return fmean(sum(each) for each in known), seconds


def metric(name: str) -> Figure:
    """The figure that a training recorded under this name."""
    return lambda trial: figures.finite(trial.metrics.get(name))


accuracy: Figure = metric(figures.METRIC_ACCURACY)
"""Share of right answers on test, after training."""

epochs: Figure = metric("epochs")


def energy_j(trial: Trial) -> float | None:
    """IT energy of the training in joules."""
    return trial.total_j


def duration_s(trial: Trial) -> float | None:
    """Duration of the training in seconds."""
    return trial.duration_s


def with_search(figure: Figure) -> Figure:
    """`energy_j` or `duration_s` of a training and of the searches before it."""
    searched: Figure = (lambda t: t.search_s) if figure is duration_s else (lambda t: t.search_j)

    def both(trial: Trial) -> float | None:
        training, search = figure(trial), searched(trial)
        return None if training is None or search is None else training + search

    return both


def compression(trial: Trial) -> float | None:
    """The method's own headline rate, 0 to 1, as in the paper's tables."""
    if trial.method == BASELINE:
        return 0.0
    rate = metric("compression_rate")(trial)
    return metric("theoretical_rate")(trial) if rate is None else rate


def per_epoch(figure: Figure) -> Figure:
    """The figure divided by the training's epochs."""

    def divided(trial: Trial) -> float | None:
        value, count = figure(trial), epochs(trial)
        return value / count if value is not None and count else None

    return divided
