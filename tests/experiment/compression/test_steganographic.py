"""Capacity, training on the grid and the ablation, on a small net with real layers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from pytest_energybench.experiment.compression.bits import truncate
from pytest_energybench.experiment.compression.plan import (
    BitGrid,
    CompressionPlan,
    ResultError,
    Task,
)
from pytest_energybench.experiment.compression.registry import method
from pytest_energybench.experiment.compression.run import prepare, reloaded, warm_up
from pytest_energybench.experiment.compression.steganographic import all_on_grid
from pytest_energybench.experiment.compression.targets import compressed_weights, size
from pytest_energybench.experiment.compression.tolerance import Tolerance
from pytest_energybench.experiment.training.evaluate import evaluate
from pytest_energybench.experiment.training.settings import TrainSettings
from tests.experiment.training.nets import CPU, small_data, small_net, trained_weights

DATA = small_data()
SETTINGS = TrainSettings(batch_size=16, max_epochs=12, evaluation_batch=50)
TASK = Task(DATA, Tolerance(0.01), 50)
WEIGHTS = ["0.weight", "4.weight", "9.weight"]


@pytest.fixture(scope="module")
def trained() -> dict[str, torch.Tensor]:
    return trained_weights(SETTINGS, epochs=4)


def accuracy_at(model: nn.Module, zeroed: int) -> float:
    """Independent of the method: zero the bits of a copy's weights and evaluate it."""
    copy = small_net()
    copy.load_state_dict(model.state_dict())
    with torch.no_grad():
        for name in WEIGHTS:
            weight = copy.get_parameter(name)
            weight.copy_(truncate(weight, zeroed))
    return evaluate(copy, DATA.validation, 50).accuracy


def test_only_weights_of_convolutions_and_linear_layers_are_compressed() -> None:
    assert list(compressed_weights(small_net())) == WEIGHTS
    assert list(compressed_weights(nn.Linear(2, 2))) == ["weight"]


def test_the_capacity_passes_and_one_more_bit_fails(model: nn.Module) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    plan = method("steganographic")(CompressionPlan(model), TASK)
    zeroed = plan.facts["zeroed_bits"]
    assert isinstance(zeroed, int)
    limit = accuracy_at(model, 0) - 0.01 - 1e-9
    assert accuracy_at(model, zeroed) >= limit > accuracy_at(model, zeroed + 1)
    assert plan.facts["bits_kept"] == 32 - zeroed
    assert plan.facts["theoretical_rate"] == zeroed / 32
    (found,) = plan.searches
    assert found.evaluations <= 6
    assert found.images <= 100 * found.evaluations
    for probe in found.curve:
        exact = accuracy_at(model, probe.level)
        assert probe.accuracy == exact if probe.whole else exact <= probe.accuracy < limit
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_the_exhaustive_search_finds_the_same(model: nn.Module) -> None:
    bisected = method("steganographic")(CompressionPlan(model), TASK)
    scanned = method("steganographic")(CompressionPlan(model), replace(TASK, strategy="exhaustive"))
    assert scanned.facts["zeroed_bits"] == bisected.facts["zeroed_bits"]
    assert scanned.searches[0].evaluations == bisected.searches[0].reference_evaluations


@pytest.mark.parametrize("zeroed", [4, 16, 20, 23, 25])
@pytest.mark.usefixtures("narrow")
def test_trained_weights_are_on_the_grid_and_survive_saving(model: nn.Module, zeroed: int) -> None:
    prepared = prepare(CompressionPlan(model, BitGrid(zeroed)), SETTINGS, CPU, "test")
    before = model.get_parameter("4.weight").detach().clone()
    training = prepared.train(DATA)
    assert all_on_grid(model, zeroed)
    assert not torch.equal(model.get_parameter("4.weight"), before)
    assert not all_on_grid(small_net(), zeroed)
    loaded, file_bytes = reloaded(model)
    assert evaluate(loaded, DATA.test, 50) == evaluate(model, DATA.test, 50)
    assert file_bytes > size(model).bytes_stored
    assert training.epochs >= 4


def test_a_model_that_comes_back_with_other_weights_is_refused(model: nn.Module) -> None:
    def rounds(_: nn.Module, state: dict[str, torch.Tensor], *__: object) -> None:
        state["4.weight"] = state["4.weight"].bfloat16().float()

    model.register_load_state_dict_pre_hook(rounds)
    with pytest.raises(ResultError, match=r"4\.weight is not what it was"):
        reloaded(model)


@pytest.mark.usefixtures("narrow")
def test_on_the_grid_it_learns_as_in_float32_and_re_zeroing_does_not(model: nn.Module) -> None:
    losses = {}
    for name, grid in {
        "float32": None,
        "nearest": BitGrid(20),
        "naive": BitGrid(20, rounding="truncate", masters=False),
    }.items():
        net = small_net()
        net.load_state_dict(model.state_dict())
        settings = replace(SETTINGS, max_epochs=8, patience=8)
        losses[name] = (
            prepare(CompressionPlan(net, grid), settings, CPU, name)
            .train(DATA)
            .best.validation.loss
        )
    assert losses["nearest"] < losses["float32"] + 0.1
    assert losses["naive"] > losses["nearest"] + 0.1


@pytest.mark.usefixtures("narrow")
def test_the_naive_ablation_stays_on_the_grid_too(model: nn.Module) -> None:
    plan = method("naive-truncation")(CompressionPlan(model), TASK)
    assert plan.grid is not None
    assert (plan.grid.rounding, plan.grid.masters) == ("truncate", False)
    prepared = prepare(plan, replace(SETTINGS, max_epochs=1), CPU, "test")
    prepared.train(DATA)
    assert all_on_grid(model, plan.grid.zeroed)


def test_a_baseline_keeps_all_bits(model: nn.Module) -> None:
    plan = method("baseline")(CompressionPlan(model), TASK)
    prepared = prepare(plan, replace(SETTINGS, max_epochs=1), CPU, "test")
    prepared.train(DATA)
    assert plan == CompressionPlan(model)
    assert not all_on_grid(model, 1)
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_the_warm_up_leaves_no_trace(model: nn.Module) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(9)
    state = torch.get_rng_state()
    warm_up(CompressionPlan(model, BitGrid(20)), DATA, SETTINGS, CPU)
    assert torch.equal(torch.get_rng_state(), state)
    for name, value in model.state_dict().items():
        assert torch.equal(before[name], value), name


def test_more_than_the_mantissa_is_said() -> None:
    model = small_net()
    plan = method("steganographic")(CompressionPlan(model), replace(TASK, tolerance=Tolerance(1.0)))
    assert plan.facts["zeroed_bits"] == 31
    assert any("8 of the exponent" in note for note in plan.notes)
