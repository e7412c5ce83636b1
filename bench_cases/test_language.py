"""The paper's open question, whether compression is a strategy for language models, too: the same
experiment on decoders that are pretrained on source code and trained further on prose."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_energybench.experiment import Experiment
    from pytest_energybench.session.fixture import Energy


def test_language(experiment: Experiment, energy: Energy, method: str) -> None:
    experiment.run(energy, method)
