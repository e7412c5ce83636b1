"""Scores of weights that a model does not have, and the model as it was afterwards."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pytest_energybench.compression.bits import idle_bits
from pytest_energybench.compression.factorized import Spectrum
from pytest_energybench.compression.plan import Plan, Task
from pytest_energybench.compression.probing import score_changed
from pytest_energybench.compression.registry import method
from pytest_energybench.compression.search import Search, search
from pytest_energybench.compression.targets import compressed_weights
from pytest_energybench.training.evaluate import evaluate
from pytest_energybench.training.settings import TrainSettings
from tests.training.nets import CPU, small_data, trained_weights

DATA = small_data()
TASK = Task(DATA, CPU, 0.5, 50)


@pytest.fixture(scope="module")
def trained() -> dict[str, Tensor]:
    return trained_weights(TrainSettings(batch_size=16, evaluation_batch=50), 8)


def test_a_change_is_scored_and_undone(model: nn.Module) -> None:
    own = {name: weight.clone() for name, weight in model.state_dict().items()}
    weights = {"0.weight": compressed_weights(model)["0.weight"]}
    silent = score_changed(model, weights, lambda _, weight: weight * 0, TASK)
    assert silent.correct < evaluate(model, DATA.validation, 50).correct
    assert all(torch.equal(own[name], weight) for name, weight in model.state_dict().items())


def test_it_is_undone_where_the_change_fails(model: nn.Module) -> None:
    own = {name: weight.clone() for name, weight in model.state_dict().items()}

    def failing(name: str, weight: Tensor) -> Tensor:
        if name == "4.weight":
            raise RuntimeError(name)
        return weight * 0

    with pytest.raises(RuntimeError, match=r"4\.weight"):
        score_changed(model, compressed_weights(model), failing, replace(TASK, zeroed_after=16))
    assert all(torch.equal(own[name], weight) for name, weight in model.state_dict().items())


def test_bits_that_a_later_method_zeroes_are_gone_before_the_change(model: nn.Module) -> None:
    seen: list[int] = []
    model.register_forward_pre_hook(
        lambda *_: seen.extend(idle_bits(each) for each in compressed_weights(model).values())
    )

    def halve(_: str, weight: Tensor) -> Tensor:
        seen.append(idle_bits(weight))
        return weight / 2

    first = {"0.weight": compressed_weights(model)["0.weight"]}
    score_changed(model, first, halve, replace(TASK, zeroed_after=20))
    assert min(seen) >= 20


@pytest.mark.parametrize("name", ["channel", "pruning"])
def test_before_a_capacity_every_level_but_the_reference_is_scored_with_the_bits_gone(
    name: str, model: nn.Module
) -> None:
    idle: list[int] = []

    def look(module: nn.Module, _: object) -> None:
        if torch.is_inference_mode_enabled():  # an evaluation, not a pass for statistics
            idle.append(min(idle_bits(each) for each in compressed_weights(module).values()))

    model.register_forward_pre_hook(look)
    method(name)(Plan(model), replace(TASK, zeroed_after=20))
    batches = 2
    assert max(idle[:batches]) < 20
    assert len(idle) > batches
    assert min(idle[batches:]) >= 20


def test_before_a_capacity_ranks_are_scored_with_the_bits_of_both_layers_gone(
    model: nn.Module,
) -> None:
    convolution = model.get_submodule("4")
    assert isinstance(convolution, nn.Conv2d)
    spectrum = Spectrum.of(convolution)
    products = [spectrum.weight(rank, zeroed=20) for rank in range(1, spectrum.most + 1)]
    factorized: list[Tensor] = []

    def look(module: nn.Module, _: object) -> None:
        weight = module.get_parameter("4.weight")
        if torch.is_inference_mode_enabled() and idle_bits(weight) < 20:
            factorized.append(weight.detach().clone())

    model.register_forward_pre_hook(look)
    method("lowrank")(Plan(model), replace(TASK, zeroed_after=20))
    batches = 2
    assert len(factorized) > batches
    for weight in factorized[batches:]:
        assert any(torch.equal(weight, product) for product in products)


@pytest.mark.parametrize("name", ["channel", "pruning", "lowrank", "steganographic"])
def test_the_seconds_of_a_search_begin_before_its_first_level(
    name: str, model: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*given: Any, **more: Any) -> Search:
        time.sleep(0.5)
        return search(*given, **more)

    monkeypatch.setattr(f"pytest_energybench.compression.{name}.search", late)
    assert method(name)(Plan(model), TASK).searches[0].seconds >= 0.5


def test_the_paper_s_search_for_ranks_knows_of_no_bits(model: nn.Module) -> None:
    plain = evaluate(model, DATA.validation, 50)
    task = replace(TASK, strategy="per-layer", zeroed_after=24)
    searched = method("lowrank")(Plan(model), task).searches[0]
    assert searched.curve[0].correct == plain.correct
