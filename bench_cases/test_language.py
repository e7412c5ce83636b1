"""The paper's open question, whether compression is a strategy for language models, too: the same
experiment on decoders that are pretrained on source code and trained further on prose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_energybench.experiment.paper.matrix import IN_TURN

if TYPE_CHECKING:
    from pytest_energybench.experiment import Experiment
    from pytest_energybench.session.fixture import Energy

ROUNDS = 3


def test_language(experiment: Experiment, energy: Energy, method: str) -> None:
    experiment.run(energy, method)


def test_inference(
    experiment: Experiment, energy: Energy, method: str, phase: str, batch: int
) -> None:
    """Joules per token of the trained models, in turn with the baseline's. The paper claims nothing
    of inference, so nothing is asserted."""
    from bench_cases.inference import ratios, tokens_of, work

    data = experiment.data.test
    energy.record(seed=experiment.train_settings.seed + energy.round)
    dense = work(experiment.trained(energy, "baseline"), data, phase, batch)
    if method == "baseline":
        energy(dense, rounds=ROUNDS, warmup=1)
    else:
        compressed = work(experiment.trained(energy, method), data, phase, batch)
        compared = energy.compare(compressed, dense, rounds=ROUNDS)
        energy.record_series(IN_TURN, ratios(compared), x="pair")
    energy.per(token=tokens_of(data, phase, batch))
