"""A run as the paper sees it: models x methods, and the figures of one cell over its seeds.

A figure that a case did not record is None, never zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import Final, Literal

from pytest_energybench.base.flags import BROKEN_OFF, LAST_BROKE_OFF, spoils
from pytest_energybench.experiment.paper.reference import reference
from pytest_energybench.experiment.paper.trials import (
    Figure,
    Trial,
    accuracy,
    energy_j,
    metric,
    trials,
)
from pytest_energybench.experiment.rules import BASELINE, CONTROLS, MATRIX_METHODS
from pytest_energybench.experiment.views import pairs_by_seed
from pytest_energybench.gates.results import broke_off
from pytest_energybench.gates.statistics import mean_bounds
from pytest_energybench.report import figures
from pytest_energybench.results.model import Case, Run

_PARAMS = {"model", "method"}

EnergyKind = Literal["measured", "partly estimated", "estimated"]
"""How far a run's joules come from hardware; sampled power counts as measured here."""

_METHODS = tuple(dict.fromkeys((*CONTROLS, *MATRIX_METHODS)))

NARROW_BITS = 16
"""From so many zeroed bits on a weight fits a 16-bit type."""

IN_TURN: Final = "joules over the baseline's"
"""Name of the curve of a case that ran in turn with the baseline: a point for each pair of rounds
whose figures are known."""


@dataclass(frozen=True, slots=True)
class Range:
    """A figure over independent seeds: estimate and one-sided 95 % bounds (None of one seed)."""

    value: float
    bounds: tuple[float, float] | None
    n: int

    @classmethod
    def of(cls, samples: Sequence[float], back: Callable[[float], float] = float) -> Range | None:
        """The mean of `samples` with t bounds, each through `back` (rising); None of none."""
        if not samples:
            return None
        bounds = mean_bounds(samples) if len(samples) > 1 else None
        ends = None if bounds is None else (back(bounds[0]), back(bounds[1]))
        return cls(back(fmean(samples)), ends, len(samples))


@dataclass(frozen=True)
class Matrix:
    """The cases of the paper's experiment in a run.

    Trainings with one seed are one sample: only other seeds show how far chance goes. So are those
    whose seeds are not known.

    Attributes:
        cases: (model, method) -> case; a cell that did not run is missing.
        models: as in the paper, then others; only those that ran.
        methods: the baseline first, then the controls, the paper's, then others.
    """

    run: Run
    cases: Mapping[tuple[str, str], Case]
    models: tuple[str, ...]
    methods: tuple[str, ...]

    @classmethod
    def of(cls, run: Run) -> Matrix:
        """The cases whose parameters are exactly a model and a method, and that have figures.

        A case records its accuracy when its training has ended and the model was checked for being
        what its method says. Without one its joules are those of a training that broke off.
        """
        cases: dict[tuple[str, str], Case] = {}
        for case in run.cases:
            ran = case.outcome not in ("skipped", "error") and "accuracy" in case.metrics
            if set(case.params) == _PARAMS and ran:
                cases.setdefault((str(case.params["model"]), str(case.params["method"])), case)
        known = [each.name for each in reference().models]
        return cls(
            run,
            cases,
            models=_ordered({model for model, _ in cases}, known),
            methods=_ordered({method for _, method in cases}, _METHODS),
        )

    @cached_property
    def _trials(self) -> dict[tuple[str, str], tuple[Trial, ...]]:
        return {place: trials(case) for place, case in self.cases.items()}

    def samples(self, model: str, method: str, figure: Figure) -> dict[int | None, float]:
        """A figure of one cell by seed; empty unless all its trainings have it."""
        found: dict[int | None, list[float]] = {}
        for trial in self._trials.get((model, method), ()):
            value = figure(trial)
            if value is None:
                return {}
            found.setdefault(trial.seed, []).append(value)
        return {seed: fmean(values) for seed, values in found.items()}

    def pairs(
        self, model: str, method: str, figure: Figure, other: str = BASELINE
    ) -> list[tuple[float, float]]:
        """The figure of a method and that of the `other` one, for each seed that both have."""
        ours = self.samples(model, method, figure)
        theirs = self.samples(model, other, figure)
        return list(pairs_by_seed(ours, theirs).values())

    def over(self, model: str, method: str, figure: Figure) -> Range | None:
        """A figure of one cell over its seeds."""
        return Range.of(list(self.samples(model, method, figure).values()))

    def value(self, model: str, method: str, figure: Figure) -> float | None:
        """The mean of a figure over the seeds."""
        found = self.over(model, method, figure)
        return None if found is None else found.value

    def logs(
        self, model: str, method: str, figure: Figure, other: str = BASELINE
    ) -> tuple[float, ...]:
        """ln(the method's figure / the `other` one's) of each pair; none unless above 0."""
        pairs = self.pairs(model, method, figure, other)
        if any(min(pair) <= 0 for pair in pairs):
            return ()
        return tuple(math.log(ours / theirs) for ours, theirs in pairs)

    def relative(self, model: str, method: str, figure: Figure) -> Range | None:
        """A figure over that of the model's baseline: geometric mean over the seeds."""
        return Range.of(self.logs(model, method, figure), math.exp)

    def ratio(self, model: str, method: str, figure: Figure) -> float | None:
        """`relative` without its bounds."""
        found = self.relative(model, method, figure)
        return None if found is None else found.value

    def stored(self, model: str, method: str) -> Range | None:
        """Share of the bytes of the baseline's compressed weights that are not stored, 0 to 1: one
        denominator for all methods."""
        found = self.relative(model, method, metric("weight_bytes"))
        if found is None:
            return None
        ends = None if found.bounds is None else (1 - found.bounds[1], 1 - found.bounds[0])
        return Range(1 - found.value, ends, found.n)

    def differences(self, model: str, method: str, figure: Figure) -> tuple[float, ...]:
        """A figure less that of the model's baseline, of each pair."""
        return tuple(ours - theirs for ours, theirs in self.pairs(model, method, figure))

    def change(self, model: str, method: str, figure: Figure) -> float | None:
        """The mean of `differences`."""
        found = self.differences(model, method, figure)
        return fmean(found) if found else None

    def pays_after(self, model: str, method: str) -> float | None:
        """Trainings after which a method's searches have saved what they took; `inf` where training
        saves nothing, None where the seeds don't show which, or a figure is not known."""
        change, ratio = self.change(model, method, energy_j), self.relative(model, method, energy_j)
        search = self.value(model, method, lambda trial: trial.search_j)
        if change is None or ratio is None or search is None:
            return None
        is_open = ratio.bounds is not None and ratio.bounds[0] <= 1 <= ratio.bounds[1]
        if search and is_open:
            return None
        return search / -change if change < 0 else math.inf

    def broken(self, model: str, method: str) -> list[int]:
        """Seeds whose training broke off, in a cell that has the figures of others: those with
        which another method of the model was trained, and it was not."""
        case = self.cases.get((model, method))
        if case is None or not lost_a_round(case):
            return []
        same_model = [each for (of, _), each in self.cases.items() if of == model]
        return sorted({seed for each in same_model for seed in each.seeds} - {*case.seeds})

    def spoiled(self, model: str, method: str) -> str | None:
        """Why rounds of a cell decide nothing about energy: `machine busy`, `too short` or None."""
        case = self.cases.get((model, method))
        rounds = () if case is None else case.rounds
        return spoiled(flag for each in rounds for flag in each.flags)

    @property
    def energy_kind(self) -> EnergyKind:
        """Where the joules come from; where all are estimated, energy ratios are time ratios."""
        metered = [case for case in self.cases.values() if case.provenance]
        if metered and all(figures.follows_time(case) for case in metered):
            return "estimated"
        if any(figures.estimated_domains(case) for case in metered):
            return "partly estimated"
        return "measured"

    @property
    def seeds(self) -> tuple[int, int]:
        """The fewest and the most seeds that a case has accuracies of."""
        numbers = [len(self.samples(*place, accuracy)) for place in self.cases] or [0]
        return min(numbers), max(numbers)


def lost_a_round(case: Case) -> bool:
    """Whether an attempt of it broke off: then its rounds are not all that were begun."""
    return broke_off(case) or not {BROKEN_OFF, LAST_BROKE_OFF}.isdisjoint(case.flags)


def spoiled(flags: Iterable[str]) -> str | None:
    """The first reason among flags of rounds or windows why these decide nothing about energy."""
    return next((why for why in map(spoils, flags) if why is not None), None)


def lacked_narrow_type(case: Case) -> bool:
    """Whether it trained in float32 though its bits fit a 16-bit type: the device has none."""
    bits = [metric("zeroed_bits")(trial) or 0 for trial in trials(case)]
    return case.metrics.get("number_type") == "float32" and max(bits) >= NARROW_BITS


def _ordered(names: set[str], first: tuple[str, ...] | list[str]) -> tuple[str, ...]:
    places = {name: place for place, name in enumerate(first)}
    return tuple(sorted(names, key=lambda name: (places.get(name, len(places)), name)))


def in_turn(case: Case) -> Range | None:
    """The geometric mean over the seeds; None where a pair of rounds has no figure.

    The pairs of a seed are of one trained model: they are one sample, their mean.
    """
    by_seed: dict[int | None, list[float]] = {}
    found = 0
    for seed, ratio in _pairs(case):
        by_seed.setdefault(seed, []).append(math.log(ratio))
        found += 1
    if found < len(case.rounds):
        return None
    return Range.of([fmean(logs) for logs in by_seed.values()], math.exp)


def _pairs(case: Case) -> Iterator[tuple[int | None, float]]:
    """Seed and ratio of each pair; a curve begins at the first round of its seed."""
    for curve in case.series:
        if curve.name == IN_TURN and curve.round < len(case.rounds):
            for _, ratio in curve.points:
                yield case.rounds[curve.round].seed, ratio
