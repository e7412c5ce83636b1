"""Pruning against torch's own, masks through training, and the control with mixed precision."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from pytest_energybench.experiment.compression import registry
from pytest_energybench.experiment.compression.bits import truncate
from pytest_energybench.experiment.compression.plan import (
    BitGrid,
    CompressionPlan,
    ResultError,
    Task,
)
from pytest_energybench.experiment.compression.pruning import Levels
from pytest_energybench.experiment.compression.registry import method
from pytest_energybench.experiment.compression.run import prepare, reloaded
from pytest_energybench.experiment.compression.search import Search
from pytest_energybench.experiment.compression.steganographic import all_on_grid
from pytest_energybench.experiment.compression.targets import compressed_weights
from pytest_energybench.experiment.compression.tolerance import Tolerance
from pytest_energybench.experiment.training.evaluate import evaluate
from pytest_energybench.experiment.training.settings import TrainSettings
from tests.experiment.training.nets import CPU, small_data, small_net, trained_weights

DATA = small_data()
SETTINGS = TrainSettings(batch_size=16, max_epochs=4, evaluation_batch=50)
TASK = Task(DATA, Tolerance(0.01), 50)


@pytest.fixture(scope="module")
def trained() -> dict[str, torch.Tensor]:
    return trained_weights(SETTINGS, epochs=40)


def torch_masks(model: nn.Module, rate: float) -> dict[str, torch.Tensor]:
    """What `torch.nn.utils.prune` removes from a copy of the model."""
    net = small_net()
    net.load_state_dict(model.state_dict())
    net = net.to(memory_format=torch.contiguous_format)  # torch's pruning takes no other
    layers = [net.get_submodule(name.removesuffix(".weight")) for name in compressed_weights(net)]
    prune.global_unstructured(
        [(layer, "weight") for layer in layers],
        pruning_method=prune.L1Unstructured,
        amount=rate,
    )
    return dict(
        zip(
            compressed_weights(model),
            [layer.get_buffer("weight_mask") for layer in layers],
            strict=True,
        )
    )


@pytest.mark.parametrize("level", [0, 1, 28, 77, 99])
def test_every_level_is_torch_s_global_pruning(model: nn.Module, level: int) -> None:
    masks = Levels(compressed_weights(model)).masks(level)
    expected = torch_masks(model, level / 100)
    assert all(torch.equal(masks[name], expected[name]) for name in expected)


@pytest.mark.parametrize("level", [1, 50, 99])
def test_equal_magnitudes_are_counted_out(level: int) -> None:
    weights = {"a": torch.tensor([[1.0, -1.0], [2.0, 1.0]]).repeat(25, 1), "b": torch.ones(50, 2)}
    masks = Levels(weights).masks(level)
    removed = sum(int((mask == 0).sum()) for mask in masks.values())
    assert removed == round(level / 100 * 200)
    if level == 50:
        # The 75 first ones of "a" go and 25 of "b"; the twos stay.
        assert masks["a"].sum() == 25
        assert masks["b"].sum() == 75


def test_the_found_rate_passes_and_one_more_per_cent_fails(model: nn.Module) -> None:
    reference = evaluate(model, DATA.validation, 50).accuracy
    original = {name: weight.detach().clone() for name, weight in compressed_weights(model).items()}
    levels = {rate: torch_masks(model, rate / 100) for rate in range(1, 100)}
    plan = method("pruning")(CompressionPlan(model), TASK)
    (found,) = plan.searches
    assert found.evaluations <= 8
    rate = plan.verified()["compression_rate"]
    assert rate == pytest.approx(found.found / 100, abs=1e-3)

    def accuracy(rate: int) -> float:
        with torch.no_grad():
            for name, weight in compressed_weights(model).items():
                weight.copy_(original[name] * levels[rate][name])
        return evaluate(model, DATA.validation, 50).accuracy

    for name, weight in compressed_weights(model).items():
        assert torch.equal(weight, original[name] * levels[found.found][name])
    limit = reference - 0.01 - 1e-9
    assert accuracy(found.found) >= limit > accuracy(found.found + 1)


def test_the_scan_finds_the_first_rate_that_fails_and_a_search_one_of_them(
    model: nn.Module,
) -> None:
    state = {name: value.clone() for name, value in model.state_dict().items()}
    task = replace(TASK, tolerance=Tolerance(0.33), whole_curve=True)
    found = {}
    for strategy in ("bisection", "exhaustive"):
        model.load_state_dict(state)
        plan = method("pruning")(CompressionPlan(model), replace(task, strategy=strategy))
        (found[strategy],) = plan.searches
    bisected, scanned = found["bisection"], found["exhaustive"]
    known = {probe.level: probe.accuracy for probe in (*scanned.curve, *bisected.curve)}
    line = known[0] - 0.33 - 1e-9
    assert known[scanned.found] >= line > known[scanned.found + 1]
    assert known[bisected.found] >= line > known[bisected.found + 1]
    # A net this small wobbles by ten points, so its curve may cross the line once more.
    assert scanned.found <= bisected.found
    assert bisected.evaluations < scanned.evaluations


@pytest.mark.parametrize("name", ["pruning", "steganographic+pruning", "amp+pruning"])
@pytest.mark.usefixtures("narrow")
def test_zeros_are_still_there_after_training(model: nn.Module, name: str) -> None:
    plan = method(name)(CompressionPlan(model), TASK)
    before = {name: weight.detach().clone() for name, weight in compressed_weights(model).items()}
    prepared = prepare(plan, SETTINGS, CPU, "test")
    prepared.train(DATA)
    facts = prepared.plan.verified()
    weights = compressed_weights(model)
    zeros = {name: int((weight == 0).sum()) for name, weight in weights.items()}
    total = sum(weight.numel() for weight in weights.values())
    masked = sum(int((mask == 0).sum()) for mask in plan.masks.values())
    assert 0 < masked == sum(zeros.values())
    assert facts["pruned_rate_prunable"] == masked / total
    left = next(iter(weights.values())).element_size() / 4 if name == "amp+pruning" else 1.0
    if plan.grid is not None:
        left = 1 - plan.grid.zeroed / 32
    assert facts["compression_rate"] == pytest.approx(1 - (1 - masked / total) * left)
    assert facts["pruned_rate_all"] == masked / sum(p.numel() for p in model.parameters())
    rates = [zeros[name] / weight.numel() for name, weight in weights.items()]
    assert (facts["layer_rate_min"], facts["layer_rate_max"]) == (min(rates), max(rates))
    assert not any(torch.equal(before[name], weight.float()) for name, weight in weights.items())
    assert evaluate(reloaded(model)[0], DATA.test, 50) == evaluate(model, DATA.test, 50)
    if plan.grid is not None:
        assert all_on_grid(model, plan.grid.zeroed)


def test_a_weight_that_came_back_is_refused(model: nn.Module) -> None:
    plan = method("pruning")(CompressionPlan(model), TASK)
    name, mask = next(iter(plan.masks.items()))
    with torch.no_grad():
        model.get_parameter(name)[tuple((mask == 0).nonzero()[0])] = 1e-9
    with pytest.raises(ResultError, match=f"removed weight of {name}"):
        plan.verified()


def test_a_weight_off_the_grid_is_refused(model: nn.Module) -> None:
    plan = method("steganographic")(CompressionPlan(model), TASK)
    with pytest.raises(ResultError, match="left the grid"):
        plan.verified()


@pytest.mark.parametrize("room", [True, False], ids=["room for 16 bits", "no room"])
def test_in_a_combination_the_capacity_is_that_of_the_pruned_model(
    room: bool, model: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every rate but 0 is scored as it will be trained: where there is room, without 16 bits. The
    capacity's own reference is the pruned model with all of them."""
    monkeypatch.setattr(registry, "_fits", lambda *_: room)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    plans = []
    for name in ("steganographic+pruning", "pruning+steganographic"):
        model.load_state_dict(state)
        plans.append(method(name)(CompressionPlan(model), replace(TASK, tolerance=Tolerance(0.2))))
        pruned, capacity = plans[-1].searches
        assert (pruned.parameter, capacity.parameter) == ("pruned weights, %", "zeroed bits")
        at_found = next(probe for probe in pruned.curve if probe.level == pruned.found)
        with_all_bits = evaluate(model, DATA.validation, 50)
        with torch.no_grad():
            for weight in compressed_weights(model).values():
                weight.copy_(truncate(weight, 16 if room else 0))
        assert pruned.found > 0
        assert at_found.correct == evaluate(model, DATA.validation, 50).correct
        assert capacity.curve[0].correct == with_all_bits.correct
    assert plans[0].facts == plans[1].facts


def test_a_combination_loses_in_all_what_one_method_may(model: nn.Module) -> None:
    task = replace(TASK, tolerance=Tolerance(0.1))
    start = evaluate(model, DATA.validation, 50)
    alone = method("pruning")(CompressionPlan(copy.deepcopy(model)), task).searches[0]
    pruned, capacity = method("steganographic+pruning")(CompressionPlan(model), task).searches

    def lost(search: Search) -> float:
        at_found = next(probe for probe in search.curve if probe.level == search.found)
        return start.accuracy - at_found.accuracy

    assert lost(pruned) <= 0.05 + 1e-9
    assert lost(capacity) <= 0.1 + 1e-9
    assert 0 < pruned.found <= alone.found


def test_mixed_precision_alone_changes_the_type_and_no_bit(
    model: nn.Module, narrow: torch.dtype
) -> None:
    before = {name: weight.detach().clone() for name, weight in compressed_weights(model).items()}
    plan = method("amp")(CompressionPlan(model), TASK)
    assert plan.searches == ()
    assert plan.verified()["compression_rate"] == 0
    prepared = prepare(plan, SETTINGS, CPU, "test")
    assert prepared.plan.verified()["compression_rate"] == 1 - narrow.itemsize / 4
    for name, weight in compressed_weights(model).items():
        assert weight.dtype == narrow
        assert torch.equal(weight, before[name].to(narrow))
    training = prepared.train(DATA)
    assert training.best.validation.accuracy > 0.5


def test_few_bits_and_mixed_precision_together_run_narrow(
    model: nn.Module, narrow: torch.dtype
) -> None:
    prepare(CompressionPlan(model, BitGrid(4), mixed_precision=True), SETTINGS, CPU, "test")
    assert next(iter(compressed_weights(model).values())).dtype == narrow
