"""Nets of strangers: every method trains them and is what it says, or refuses them in a line."""

from __future__ import annotations

import copy
from functools import cache

import pytest
import torch
from torch import nn

from pytest_energybench.experiment.compression.plan import CompressionPlan, Task
from pytest_energybench.experiment.compression.registry import method
from pytest_energybench.experiment.compression.run import Prepared, prepare, reloaded, warm_up
from pytest_energybench.experiment.compression.targets import size
from pytest_energybench.experiment.compression.tolerance import Tolerance
from pytest_energybench.experiment.training.datasets.data import Splits, TensorSplit
from pytest_energybench.experiment.training.errors import SettingError
from pytest_energybench.experiment.training.evaluate import evaluate
from pytest_energybench.experiment.training.hardware import place
from pytest_energybench.experiment.training.optimizers import PlainUpdater
from pytest_energybench.experiment.training.settings import TrainSettings
from pytest_energybench.experiment.training.trainer import train
from tests.experiment.compression.odd_nets import NETS
from tests.experiment.training.nets import CPU

METHODS = (
    "amp",
    "autocast",
    "steganographic",
    "pruning",
    "lowrank",
    "channel",
    "steganographic+lowrank+pruning",
)
SETTINGS = TrainSettings(batch_size=32, max_epochs=1, evaluation_batch=50, learning_rate=0.001)
REFUSED = {
    ("tied", "channel"): "channel finds none in Net",
    ("recurrent", "channel"): "channel finds none in Recurrent",
    ("volumes", "lowrank"): "Volumes has no 2d convolution or pointwise linear layer",
    ("volumes", "steganographic+lowrank+pruning"): "Volumes has no 2d convolution",
}
"""Net and method -> what is said."""


def images(total: int, seed: int) -> TensorSplit:
    """Four classes by the columns that are bright."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.arange(total) % 4
    bright = nn.functional.one_hot(labels, 4).float().repeat(1, 2)[:, None, None]
    return TensorSplit(torch.randn(total, 3, 8, 8, generator=random) * 0.2 + bright, labels)


DATA = Splits(
    train=images(64, 1), validation=images(50, 2), test=images(50, 3), fingerprint="bright"
)


@cache
def learned(name: str) -> nn.Module:
    """The net after some steps, so that it has something to lose."""
    torch.manual_seed(0)
    net = place(NETS[name]())
    rules = TrainSettings(
        optimizer="adamw", learning_rate=0.003, batch_size=16, fixed_epochs=4, evaluation_batch=50
    )
    train(net, DATA, PlainUpdater(net, rules), rules, CPU)
    return net


def trained(net: nn.Module, name: str, strategy: str = "bisection") -> Prepared:
    plan = CompressionPlan(copy.deepcopy(net))
    plan = method(name)(plan, Task(DATA, Tolerance(0.1), 50, strategy=strategy))
    warm_up(plan, DATA, SETTINGS, CPU)
    prepared = prepare(plan, SETTINGS, CPU, name)
    prepared.train(DATA)
    return prepared


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("net", NETS)
def test_each_method_is_what_it_says_on_each_net(net: str, name: str, narrow: torch.dtype) -> None:
    before = learned(net)
    refused = REFUSED.get((net, name))
    if refused is not None:
        with pytest.raises(SettingError, match=refused):
            trained(before, name)
        return
    plan = trained(before, name).plan
    facts = plan.verified()
    stored, dense = size(plan.model), size(before)
    loaded, _ = reloaded(plan.model)
    assert evaluate(loaded, DATA.test, 50).total == 50
    # No rate is more than what the weights that methods compress are fewer, or shorter.
    fewer = 1 - stored.parameters / dense.parameters
    if name == "channel":
        assert facts["channel_rate"] == fewer >= 0
    if name == "lowrank":
        assert facts["model_rate"] == fewer >= 0
        assert (fewer == 0) == (facts["factorized_layers"] == 0)
    if name == "amp":
        shorter = 1 - stored.compressed_bytes / dense.compressed_bytes
        assert facts["stored_rate"] == shorter == 1 - narrow.itemsize / 4


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.usefixtures("narrow")
def test_what_is_frozen_stays_as_it_is_with_every_method(name: str) -> None:
    before = learned("frozen")
    plan = CompressionPlan(copy.deepcopy(before))
    plan = method(name)(plan, Task(DATA, Tolerance(0.1), 50))
    prepared = prepare(plan, SETTINGS, CPU, name)
    model = prepared.plan.model
    frozen = {key: each for key, each in model.named_parameters() if not each.requires_grad}
    start = {key: each.detach().clone() for key, each in frozen.items()}
    assert len(frozen) >= 4
    prepared.train(DATA)
    for key, each in model.named_parameters():
        assert each.requires_grad == (key not in start), key
        if key in start:
            assert torch.equal(each, start[key]), key


@pytest.mark.parametrize("net", ["branching", "used twice", "recurrent", "tied", "attending"])
@pytest.mark.parametrize("strategy", ["per-layer", "exhaustive"])
def test_ranks_layer_by_layer_are_found_in_models_that_are_no_chain(
    net: str, strategy: str
) -> None:
    facts = trained(learned(net), "lowrank", strategy).plan.verified()
    assert facts["lowrank_search"] == strategy
    assert facts["candidate_layers"] >= 1
