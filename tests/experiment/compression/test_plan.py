"""What a task gives to every method."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pytest_energybench.experiment.compression.plan import CompressionPlan, Task
from pytest_energybench.experiment.compression.registry import method
from pytest_energybench.experiment.compression.tolerance import Tolerance
from pytest_energybench.experiment.training.settings import TrainSettings
from tests.experiment.training.nets import small_data, trained_weights
from tests.experiment.training.told import Told

DATA = small_data()


@pytest.fixture(scope="module")
def trained() -> dict[str, torch.Tensor]:
    return trained_weights(TrainSettings(batch_size=16, evaluation_batch=50), 4)


@pytest.mark.parametrize("name", ["steganographic", "pruning", "lowrank", "channel"])
def test_every_search_says_how_far_it_is(name: str, model: nn.Module) -> None:
    told = Told()
    method(name)(CompressionPlan(model), Task(DATA, Tolerance(0.1), 50, progress=told))
    assert told.words[0].startswith("1 of ~")
    assert all(words.endswith(" evaluations") for words in told.words)


def test_a_search_layer_by_layer_says_which_layer_it_is_at(model: nn.Module) -> None:
    told = Told()
    task = Task(DATA, Tolerance(0.1), 50, strategy="per-layer", progress=told)
    method("lowrank")(CompressionPlan(model), task)
    assert told.words[0].startswith("layer 1 of 2, 1 of ~")
    assert told.words[-1].startswith("layer 2 of 2, ")
