"""Scores of weights that a model does not have, and the model as it was afterwards."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pytest_energybench.experiment.compression.bits import idle_bits
from pytest_energybench.experiment.compression.evaluation import Examination, score_changed
from pytest_energybench.experiment.compression.factorized import Spectrum
from pytest_energybench.experiment.compression.plan import CompressionPlan, Task
from pytest_energybench.experiment.compression.registry import method
from pytest_energybench.experiment.compression.search import Search, search
from pytest_energybench.experiment.compression.targets import compressed_weights
from pytest_energybench.experiment.compression.tolerance import Tolerance
from pytest_energybench.experiment.training.datasets.data import TensorSplit
from pytest_energybench.experiment.training.evaluate import evaluate
from pytest_energybench.experiment.training.settings import TrainSettings
from tests.experiment.training.nets import small_data, small_net, trained_weights

DATA = small_data()
TASK = Task(DATA, Tolerance(0.5), 50)


@pytest.fixture(scope="module")
def trained() -> dict[str, Tensor]:
    return trained_weights(TrainSettings(batch_size=16, evaluation_batch=50), 8)


def test_a_change_is_scored_and_undone(model: nn.Module) -> None:
    own = {name: weight.clone() for name, weight in model.state_dict().items()}
    weights = {"0.weight": compressed_weights(model)["0.weight"]}
    silent = score_changed(model, weights, lambda _, weight: weight * 0, TASK, Examination(TASK))
    assert silent.correct < evaluate(model, DATA.validation, 50).correct
    assert all(torch.equal(own[name], weight) for name, weight in model.state_dict().items())


def test_it_is_undone_where_the_change_fails(model: nn.Module) -> None:
    own = {name: weight.clone() for name, weight in model.state_dict().items()}

    def failing(name: str, weight: Tensor) -> Tensor:
        if name == "4.weight":
            raise RuntimeError(name)
        return weight * 0

    task = replace(TASK, zeroed_after=16)
    with pytest.raises(RuntimeError, match=r"4\.weight"):
        score_changed(model, compressed_weights(model), failing, task, Examination(task))
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
    score_changed(model, first, halve, replace(TASK, zeroed_after=20), Examination(TASK))
    assert min(seen) >= 20


class Answers(nn.Module):
    """Takes images whose only pixel is the answer to give; remembers which it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[float] = []

    def forward(self, images: Tensor) -> Tensor:
        sure = images.flatten()
        self.asked += sure.tolist()
        return torch.stack([sure, torch.zeros_like(sure)], dim=1)


def test_the_images_a_model_is_least_sure_of_come_first_and_what_fails_sees_no_more() -> None:
    sure = torch.tensor([3.0, -2.0, 1.0, 5.0, -1.0, 2.0])
    split = TensorSplit(sure.view(-1, 1, 1, 1), torch.zeros(6, dtype=torch.int64))
    task = replace(TASK, data=replace(DATA, validation=split), evaluation_batch=2)
    examine, model = Examination(task), Answers()
    assert examine(model, most_wrong=0).total == 6  # the first answers all
    assert model.asked == sure.tolist()
    model.asked.clear()
    broken_off = examine(model, most_wrong=1)
    assert model.asked == [-2.0, -1.0]
    assert (broken_off.correct, broken_off.total) == (0, 2)
    model.asked.clear()
    whole = examine(model, most_wrong=2)
    assert model.asked == sorted(sure.tolist())
    assert (whole.correct, whole.total) == (4, 6)


@pytest.mark.parametrize("task", [{"strategy": "exhaustive"}, {"whole_curve": True}])
def test_whole_curves_ask_all_images_in_the_split_s_order(
    task: dict[str, Any], model: nn.Module
) -> None:
    plan = method("pruning")(
        CompressionPlan(model), replace(TASK, tolerance=Tolerance(0.2), **task)
    )
    assert all(probe.whole for probe in plan.searches[0].curve)


@pytest.mark.parametrize("strategy", ["bisection", "per-layer"])
@pytest.mark.parametrize("name", ["pruning", "steganographic", "lowrank"])
def test_breaking_off_finds_what_whole_evaluations_find(
    name: str, strategy: str, trained: dict[str, Tensor]
) -> None:
    found = []
    for whole in (False, True):
        net = small_net()
        net.load_state_dict(trained)
        task = replace(
            TASK,
            tolerance=Tolerance(0.2),
            strategy=strategy,
            whole_curve=whole,
            evaluation_batch=20,
        )
        plan = method(name)(CompressionPlan(net), task)
        found.append((plan.searches[0], {key: w.clone() for key, w in net.state_dict().items()}))
    (stopping, ours), (whole_, theirs) = found
    assert stopping.found == whole_.found
    assert stopping.images < whole_.images
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def evaluates(module: nn.Module, inputs: tuple[Tensor]) -> bool:
    """Whether a forward pass is an evaluation: none of a few examples, nor one for statistics."""
    training = any(each.training for each in module.modules())
    return len(inputs[0]) == TASK.evaluation_batch and not training and not torch.is_grad_enabled()


@pytest.mark.parametrize("name", ["channel", "pruning"])
def test_before_a_capacity_every_level_but_the_reference_is_scored_with_the_bits_gone(
    name: str, model: nn.Module
) -> None:
    idle: list[int] = []

    def look(module: nn.Module, inputs: tuple[Tensor]) -> None:
        if evaluates(module, inputs):
            idle.append(min(idle_bits(each) for each in compressed_weights(module).values()))

    model.register_forward_pre_hook(look)
    method(name)(CompressionPlan(model), replace(TASK, zeroed_after=20))
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

    def look(module: nn.Module, inputs: tuple[Tensor]) -> None:
        weight = module.get_parameter("4.weight")
        if evaluates(module, inputs) and idle_bits(weight) < 20:
            factorized.append(weight.detach().clone())

    model.register_forward_pre_hook(look)
    method("lowrank")(CompressionPlan(model), replace(TASK, zeroed_after=20))
    batches = 2
    assert len(factorized) > batches
    for weight in factorized[batches:]:
        assert any(torch.equal(weight, product) for product in products)


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("channel", "channel.method"),
        ("pruning", "pruning"),
        ("lowrank", "lowrank"),
        ("steganographic", "steganographic"),
    ],
)
def test_the_seconds_of_a_search_begin_before_its_first_level(
    name: str, module: str, model: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, ahead = time.monotonic, [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock() + ahead[0])

    def late(*given: Any, **more: Any) -> Search:
        ahead[0] += 1000
        return search(*given, **more)

    monkeypatch.setattr(f"pytest_energybench.experiment.compression.{module}.search", late)
    assert method(name)(CompressionPlan(model), TASK).searches[0].seconds >= 1000


def test_the_paper_s_search_for_ranks_knows_of_no_bits(model: nn.Module) -> None:
    plain = evaluate(model, DATA.validation, 50)
    task = replace(TASK, strategy="per-layer", zeroed_after=24)
    searched = method("lowrank")(CompressionPlan(model), task).searches[0]
    assert searched.curve[0].correct == plain.correct
