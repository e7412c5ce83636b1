"""What a training records beside its figures."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pytest_energybench.experiment.records import record_level


class Recorded:
    """What was told to the fixture."""

    def __init__(self) -> None:
        self.flags: list[str] = []
        self.metrics: dict[str, float] = {}

    def flag(self, text: str) -> None:
        self.flags.append(text)

    def record(self, **metrics: float) -> None:
        self.metrics.update(metrics)


def training(*accuracies: float, trainings: int = 1) -> Any:
    """One that took 10 J an epoch."""
    history = [
        SimpleNamespace(validation=SimpleNamespace(accuracy=each), joules=10.0 * number)
        for number, each in enumerate(accuracies, 1)
    ]
    best = SimpleNamespace(validation=SimpleNamespace(accuracy=max(accuracies)))
    return SimpleNamespace(history=history, best=best, trainings=trainings)


@pytest.mark.parametrize(
    ("made", "metrics"),
    [
        (training(0.8, 0.9, 0.95), {"joules_to_level": 20.0}),
        (training(0.9, 0.8, 0.95), {"joules_to_level": 10.0}),
        (training(0.8, 0.9, 0.95, trainings=2), {}),  # what crossed was changed afterwards
        (training(0.7, 0.8), {}),
    ],
)
def test_the_level_is_that_of_the_baseline_less_the_drop(
    made: Any, metrics: dict[str, float]
) -> None:
    energy: Any = Recorded()
    record_level(energy, made, SimpleNamespace(accuracy=0.91), 0.01)  # type: ignore[arg-type]
    assert energy.metrics == metrics
    assert bool(energy.flags) == (max(e.validation.accuracy for e in made.history) < 0.9)
