"""The paper's experiment: every model with every method, trained under one set of rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_energybench.experiment import Experiment
    from pytest_energybench.session.fixture import Energy


def test_paper(experiment: Experiment, energy: Energy, method: str) -> None:
    experiment.run(energy, method)
