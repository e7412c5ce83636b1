"""A run as the paper sees it: models x methods, and the figures of one cell.

A figure that a case did not record is None, never zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from pytest_energybench.experiment.paper.reference import reference
from pytest_energybench.experiment.rules import BASELINE, MATRIX_METHODS
from pytest_energybench.report import figures
from pytest_energybench.results.model import Case, Run

_PARAMS = {"model", "method"}

EnergyKind = Literal["measured", "partly estimated", "estimated"]
"""How far a run's joules come from hardware; sampled power counts as measured here."""

Figure = Callable[[Case], float | None]
"""One figure of a case."""


NARROW_BITS = 16
"""From so many zeroed bits on a weight fits a 16-bit type."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """The cases of the paper's experiment in a run.

    Attributes:
        cases: (model, method) -> case; a cell that did not run is missing.
        models: as in the paper, then others; only those that ran.
        methods: the baseline first, then mixed precision, the paper's, then others.
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
            ran = case.outcome not in ("skipped", "error") and accuracy(case) is not None
            if set(case.params) == _PARAMS and ran:
                cases.setdefault((str(case.params["model"]), str(case.params["method"])), case)
        known = [each.name for each in reference().models]
        return cls(
            run,
            cases,
            models=_ordered({model for model, _ in cases}, known),
            methods=_ordered({method for _, method in cases}, MATRIX_METHODS),
        )

    def value(self, model: str, method: str, figure: Figure) -> float | None:
        """A figure of one cell."""
        case = self.cases.get((model, method))
        return None if case is None else figure(case)

    def ratio(self, model: str, method: str, figure: Figure) -> float | None:
        """A figure relative to that of the model's baseline in the same run."""
        value = self.value(model, method, figure)
        base = self.value(model, BASELINE, figure)
        return value / base if value is not None and base else None

    def change(self, model: str, method: str, figure: Figure) -> float | None:
        """A figure less that of the model's baseline in the same run."""
        value = self.value(model, method, figure)
        base = self.value(model, BASELINE, figure)
        return None if value is None or base is None else value - base

    @property
    def energy_kind(self) -> EnergyKind:
        """Where the joules come from; where all are estimated, energy ratios are time ratios."""
        metered = [case for case in self.cases.values() if case.provenance]
        if metered and all(figures.wholly_estimated(case) for case in metered):
            return "estimated"
        if any(figures.estimated_domains(case) for case in metered):
            return "partly estimated"
        return "measured"


def lacked_narrow_type(case: Case) -> bool:
    """Whether it trained in float32 though its bits fit a 16-bit type: the device has none."""
    bits = metric("zeroed_bits")(case)
    return case.metrics.get("number_type") == "float32" and (bits or 0) >= NARROW_BITS


def _ordered(names: set[str], first: tuple[str, ...] | list[str]) -> tuple[str, ...]:
    places = {name: place for place, name in enumerate(first)}
    return tuple(sorted(names, key=lambda name: (places.get(name, len(places)), name)))


def metric(name: str) -> Figure:
    """The figure that a case recorded under this name."""

    def recorded(case: Case) -> float | None:
        return figures.finite(case.metrics.get(name))

    return recorded


accuracy: Figure = metric(figures.METRIC_ACCURACY)
"""Share of right answers on test, after training."""

epochs: Figure = metric("epochs")


def energy_j(case: Case) -> float | None:
    """IT energy of the training in joules."""
    return figures.joules(case)


def facility_j(case: Case) -> float | None:
    """Energy of the training at the data centre in joules, PUE x IT energy (Section 2.3)."""
    return figures.finite(case.facility_j)


def duration_s(case: Case) -> float | None:
    """Duration of the training in seconds."""
    return case.duration_s or None


def compression(case: Case) -> float | None:
    """The method's own headline rate, 0 to 1; the baseline and mixed precision remove nothing."""
    if case.params.get("method") in (BASELINE, "amp"):
        return 0.0
    rate = metric("compression_rate")(case)
    return metric("theoretical_rate")(case) if rate is None else rate


def per_epoch(figure: Figure) -> Figure:
    """The figure divided by the case's epochs."""

    def divided(case: Case) -> float | None:
        value, count = figure(case), epochs(case)
        return value / count if value is not None and count else None

    return divided
