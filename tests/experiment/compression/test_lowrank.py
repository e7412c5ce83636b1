"""Low-rank factorization: factors against the truncated weight, ranks, searches, adjustment."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from pytest_energybench.experiment.compression import evaluation
from pytest_energybench.experiment.compression.evaluation import Examination
from pytest_energybench.experiment.compression.factorized import (
    Factorized,
    Spectrum,
    factorizable,
    singular,
)
from pytest_energybench.experiment.compression.layer_losses import predicted_losses
from pytest_energybench.experiment.compression.layerwise import Prefix
from pytest_energybench.experiment.compression.lowrank import Adjustment, LowRank, ranks_within
from pytest_energybench.experiment.compression.plan import (
    AccuracyTarget,
    CompressionPlan,
    ResultError,
    Task,
)
from pytest_energybench.experiment.compression.registry import method
from pytest_energybench.experiment.compression.run import prepare, reloaded
from pytest_energybench.experiment.compression.steganographic import all_on_grid
from pytest_energybench.experiment.compression.tolerance import Tolerance
from pytest_energybench.experiment.training.datasets.data import TensorSplit
from pytest_energybench.experiment.training.evaluate import Score, evaluate
from pytest_energybench.experiment.training.settings import TrainSettings
from tests.experiment.training.nets import CPU, small_data, small_net, trained_weights
from tests.experiment.training.told import Told

DATA = small_data()
SETTINGS = TrainSettings(batch_size=16, max_epochs=3, evaluation_batch=50)
# A net this small loses more than a point with the first singular value.
TASK = Task(DATA, Tolerance(0.15), 50)
IMAGES = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def trained() -> dict[str, torch.Tensor]:
    return trained_weights(SETTINGS, epochs=30)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv2d(6, 10, 3, stride=2, padding=1), (2, 6, 9, 9)),
        (nn.Conv2d(6, 10, (1, 5), padding=(0, 2), bias=False), (2, 6, 9, 9)),
        (nn.Conv2d(6, 10, 3, dilation=2, padding="same"), (2, 6, 9, 9)),
        (nn.Linear(12, 7), (2, 4, 4, 12)),
    ],
)
def test_two_layers_give_what_the_truncated_weight_gives(
    layer: nn.Conv2d | nn.Linear, shape: tuple[int, ...]
) -> None:
    spectrum = Spectrum.of(layer)
    images = torch.randn(shape)
    whole = len(spectrum.values)
    assert torch.allclose(spectrum.weight(whole), layer.weight, atol=1e-5)
    for rank in (1, 3, whole):
        factorized = Factorized(layer, *spectrum.factors(0, rank))
        truncated = copy.deepcopy(layer)
        truncated.weight = nn.Parameter(spectrum.weight(rank))
        assert torch.allclose(factorized(images), truncated(images), atol=1e-5)
        assert factorized.rank == rank
        matrix = layer.weight.flatten(1)
        assert factorized.weights == rank * sum(matrix.shape)
        assert (factorized.weights < matrix.numel()) == (rank <= spectrum.most)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(6, 6, 3, padding=1, groups=6),
        nn.Conv2d(6, 12, 3, stride=2, groups=3, bias=False),
        nn.Conv2d(6, 6, 3, padding=1, groups=2, padding_mode="circular"),
    ],
)
def test_a_grouped_layer_of_limited_rank_is_its_truncated_weight(layer: nn.Conv2d) -> None:
    spectrum, images = Spectrum.of(layer), torch.randn(2, 6, 9, 9)
    for rank in (1, 3):
        factorized = Factorized(layer, *spectrum.factors(0, rank))
        truncated = copy.deepcopy(layer)
        truncated.weight = nn.Parameter(spectrum.weight(rank))
        assert torch.allclose(factorized(images), truncated(images), atol=1e-5)
        assert factorized.weights == rank * sum(layer.weight.flatten(1).shape)
    factorized.extend(spectrum, 5)
    assert factorized.rank == 5
    factorized(images).sum().backward()
    assert factorized.inner.weight.grad is not None


def test_the_paper_s_set_is_searched_jointly_with_depthwise_layers_among_it() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.Conv2d(16, 16, 7, padding=3, groups=16),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 10),
    )
    plan = LowRank()(
        CompressionPlan(model), replace(TASK, tolerance=Tolerance(1.0), lowrank_layers="paper")
    )
    facts = plan.verified()
    assert (facts["candidate_layers"], facts["factorized_layers"]) == (2, 2)
    assert (facts["lowrank_layers"], facts["lowrank_search"]) == ("paper", "joint")
    assert (facts["rank_min"], facts["rank_max"]) == (1, 1)


def test_a_depthwise_layer_s_predicted_losses_are_the_gradient_times_the_output_s_error() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(6, 6, 3, padding=1, groups=6)
    model = nn.Sequential(layer, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 10))
    spectrum = Spectrum.of(layer)
    images, labels = torch.randn(10, 6, 8, 8), torch.arange(10)
    split = TensorSplit(images, labels)
    (losses,) = predicted_losses(model, {"0": layer}, {"0": spectrum}, split, 10).values()
    output = layer(images).detach().requires_grad_()
    functional.cross_entropy(model[1:](output), labels).backward()
    cut = copy.deepcopy(layer)
    cut.weight = nn.Parameter(spectrum.weight(2))
    change = ((layer(images) - cut(images)) * output.grad).sum(1)
    assert losses[2] == pytest.approx(float(change.detach().square().sum()), rel=1e-3)


def of_rank(rank: int, rows: int, columns: int) -> torch.Tensor:
    return torch.randn(rows, rank) @ torch.randn(rank, columns) / rank**0.5


@pytest.mark.parametrize(
    "matrix",
    [
        torch.randn(1, 7),
        torch.randn(40, 40),
        torch.randn(90, 30) * torch.logspace(0, -9, 30),
        torch.randn(30, 90) * 1e-12,
        of_rank(5, 64, 200),
        of_rank(5, 200, 64),
        torch.ones(16, 16),
        torch.zeros(6, 9),
    ],
    ids=["row", "square", "falling", "small", "wide", "tall", "rank 1", "zero"],
)
def test_components_sum_up_to_what_torch_s_own_decomposition_gives(matrix: torch.Tensor) -> None:
    left, values, right = singular(matrix)
    theirs = torch.linalg.svd(matrix, full_matrices=False)
    scale = float(torch.linalg.matrix_norm(matrix))
    assert (left.shape, right.shape) == (theirs[0].shape, theirs[2].shape)
    assert torch.allclose(values, theirs[1], rtol=0, atol=2e-6 * scale)
    assert (values[1:] <= values[:-1]).all()
    exact = matrix.double()
    for rank in range(len(values) + 1):
        ours, own = (
            float(
                torch.linalg.matrix_norm(
                    exact - (u[:, :rank] * s[:rank]).double() @ v[:rank].double()
                )
            )
            for u, s, v in ((left, values, right), theirs)
        )
        assert ours <= own + 1e-6 * scale
    sure = values > 1e-6 * scale
    for vectors in (left[:, sure].t(), right[sure]):
        assert torch.allclose(vectors @ vectors.t(), torch.eye(len(vectors)), atol=1e-5)


def test_extending_is_the_larger_rank_and_keeps_what_is_trained() -> None:
    layer = nn.Conv2d(6, 10, 3, padding=1)
    spectrum = Spectrum.of(layer)
    grown = Factorized(layer, *spectrum.factors(0, 2))
    grown.extend(spectrum, 5)
    whole = Factorized(layer, *spectrum.factors(0, 5))
    images = torch.randn(2, 6, 8, 8)
    assert torch.allclose(grown(images), whole(images), atol=1e-5)
    assert "5, kernel_size=(3, 3)" in repr(grown)
    with torch.no_grad():
        grown.inner.weight.fill_(7.0)
    grown.extend(spectrum, 6)
    assert (grown.inner.weight[:5] == 7.0).all()


def test_depthwise_layers_and_classifiers_stay_dense() -> None:
    class Pixels(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.depthwise = nn.Conv2d(3, 3, 3, groups=3, padding=1)
            self.mixing = nn.Linear(3, 8)
            self.classifier = nn.Linear(8, 10)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            mixed = self.mixing(self.depthwise(images).permute(0, 2, 3, 1))
            result: torch.Tensor = self.classifier(mixed.mean((1, 2)))
            return result

    assert list(factorizable(Pixels(), IMAGES)) == ["mixing"]
    assert list(factorizable(Pixels(), IMAGES, "paper")) == ["depthwise"]
    assert list(factorizable(small_net(), IMAGES)) == ["0", "4"]


def test_predicted_losses_are_the_gradient_times_the_output_s_error(model: nn.Module) -> None:
    layers = factorizable(model, IMAGES)
    spectra = {path: Spectrum.of(layer) for path, layer in layers.items()}
    losses = predicted_losses(model, layers, spectra, DATA.train, 50)
    kept: dict[str, torch.Tensor] = {}
    layer = layers["4"]

    def keep(_: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        output.retain_grad()
        kept["input"], kept["output"] = inputs[0].detach(), output

    for rank in (0, 2, 9):
        expected = 0.0
        truncated = copy.deepcopy(layer)
        with torch.no_grad():
            truncated.weight.copy_(spectra["4"].weight(rank) if rank else layer.weight * 0)
        handle = layer.register_forward_hook(keep)
        for images, labels in DATA.train.ordered(50):
            nn.functional.cross_entropy(model(images), labels).backward()  # type: ignore[no-untyped-call]
            gradient = kept["output"].grad
            assert gradient is not None
            with torch.no_grad():
                error = kept["output"] - truncated(kept["input"])
                expected += float((gradient * error).sum(1).square().sum())
        handle.remove()
        assert float(losses["4"][rank]) == pytest.approx(expected, rel=1e-3)
    for loss in losses.values():
        assert loss[-1] == 0
        assert (loss[1:] <= loss[:-1]).all()


def test_a_budget_takes_the_smallest_ranks_within_it(model: nn.Module) -> None:
    spectra = {path: Spectrum.of(layer) for path, layer in factorizable(model, IMAGES).items()}
    losses = {path: torch.arange(len(s.values), -1.0, -1.0) for path, s in spectra.items()}
    assert (spectra["0"].most, spectra["4"].most) == (10, 26)
    assert ranks_within(3.0, losses, spectra) == {}  # ranks 13 and 29 save nothing
    assert ranks_within(7.0, losses, spectra) == {"0": 9, "4": 25}
    assert ranks_within(1e9, losses, spectra) == {"0": 1, "4": 1}


def test_the_found_ranks_pass_and_the_next_budget_fails(model: nn.Module) -> None:
    dense = evaluate(model, DATA.validation, 50)
    plan = method("lowrank")(CompressionPlan(model), TASK)
    (found,) = plan.searches
    assert found.evaluations <= 8
    at = {probe.level: probe.accuracy for probe in found.curve}
    limit = dense.accuracy - 0.15 - 1e-9
    assert at[found.found] >= limit > at[found.found + 1]
    assembled = evaluate(plan.model, DATA.validation, 50)
    assert assembled.accuracy == pytest.approx(at[found.found], abs=0.011)
    counted = sum(isinstance(module, Factorized) for module in plan.model.modules())
    assert plan.verified()["factorized_layers"] == counted >= 1


def test_alone_every_layer_gets_the_smallest_rank_that_passes(
    model: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = copy.deepcopy(model)
    dense = evaluate(model, DATA.validation, 50)
    passes: list[int] = []

    def counted(*arguments: Any, **options: Any) -> Score:
        score = evaluate(*arguments, **options)
        passes.append(score.total)
        return score

    monkeypatch.setattr(evaluation, "evaluate", counted)
    plan = method("lowrank")(CompressionPlan(model), replace(TASK, strategy="per-layer"))

    def accuracy(path: str, rank: int) -> float:
        net = copy.deepcopy(original)
        layer = factorizable(net, IMAGES)[path]
        weight = Spectrum.of(layer).weight(rank)
        with torch.no_grad():
            layer.weight.copy_(weight)
        return evaluate(net, DATA.validation, 50).accuracy

    limit = dense.accuracy - 0.15 - 1e-9
    for path in ("0", "4"):
        factorized = plan.model.get_submodule(path)
        if isinstance(factorized, Factorized):
            assert accuracy(path, factorized.rank) >= limit
            assert factorized.rank == 1 or accuracy(path, factorized.rank - 1) < limit
        else:
            assert accuracy(path, Spectrum.of(factorizable(original, IMAGES)[path]).most) < limit
    (found,) = plan.searches
    assert found.evaluations < found.reference_evaluations
    assert (found.evaluations, found.images) == (len(passes), sum(passes))


def test_what_is_kept_before_a_block_is_what_enters_it(model: nn.Module) -> None:
    first, second = model[0], model[4]
    ran = []
    convolve = first._conv_forward

    def counted(*arguments: torch.Tensor) -> torch.Tensor:
        ran.append(0)
        result: torch.Tensor = convolve(*arguments)
        return result

    first._conv_forward = counted
    dense = evaluate(model, DATA.validation, 50)
    prefix = Prefix(model, next(DATA.validation.ordered(2))[0])
    examine = Examination(TASK)
    assert examine(model) == dense
    with prefix.before("0", examine, dense) as nothing:
        assert nothing == []
    ran.clear()
    with prefix.before("4", examine, dense) as kept:
        assert [score.correct for score in kept] == [dense.correct] * 2  # keeping, beginning there
        recorded = len(ran)
        with torch.no_grad():
            second.weight.zero_()
        prefix.rewind()
        assert examine(model, most_wrong=10).total == 50  # broken off after a batch
        prefix.rewind()
        changed = examine(model)
        assert len(ran) == recorded
    assert changed.correct < dense.correct
    assert evaluate(model, DATA.validation, 50).correct == changed.correct


@pytest.mark.parametrize("name", ["lowrank", "steganographic+lowrank"])
@pytest.mark.usefixtures("narrow")
def test_trained_the_ranks_are_as_reported_and_saved(model: nn.Module, name: str) -> None:
    before = sum(parameter.numel() for parameter in model.parameters())
    plan = method(name)(CompressionPlan(model), TASK)
    prepared = prepare(plan, SETTINGS, CPU, "test")
    prepared.train(DATA)
    facts = prepared.plan.verified()
    candidates = [model.get_submodule(path) for path in ("0", "4")]
    ranks = [
        len(layer.inner.weight)
        if isinstance(layer, Factorized)
        else min(layer.weight.flatten(1).shape)
        for layer in candidates
    ]
    assert (facts["rank_min"], facts["rank_max"]) == (min(ranks), max(ranks))
    assert facts["rank_mean"] == sum(ranks) / len(ranks)
    now = sum(parameter.numel() for parameter in model.parameters())
    assert facts["model_rate"] == 1 - now / before
    weights = sum(p.numel() for m in candidates for p in m.parameters() if p.dim() > 1)
    assert facts["candidate_rate"] == pytest.approx(1 - weights / (16 * 27 + 32 * 144))
    assert evaluate(reloaded(model)[0], DATA.test, 50) == evaluate(model, DATA.test, 50)
    if plan.grid is not None:
        assert plan.searches[1].curve[0].level == 0
        assert all_on_grid(model, plan.grid.zeroed)


def test_another_rank_than_decided_is_refused(model: nn.Module) -> None:
    plan = method("lowrank")(CompressionPlan(model), TASK)
    layer = plan.model.get_submodule("4")
    assert isinstance(layer, Factorized)
    layer.extend(Spectrum.of(nn.Conv2d(16, 32, 3)), layer.rank + 1)
    with pytest.raises(ResultError, match="were decided"):
        plan.verified()


@pytest.mark.usefixtures("narrow")
def test_a_trained_model_that_lost_too_much_gets_more_rank_and_trains_again(
    model: nn.Module,
) -> None:
    task = replace(TASK, tolerance=Tolerance(0.3), trained_accuracy=2.0)  # never enough
    plan = method("steganographic+lowrank")(CompressionPlan(model), task)
    ranks = {
        path: layer.rank for path, layer in model.named_modules() if isinstance(layer, Factorized)
    }
    spent = iter(range(100))
    prepared = prepare(plan, SETTINGS, CPU, "test")
    told = Told()
    training = prepared.train(DATA, lambda: float(next(spent)), told)
    assert told.words[0].startswith("epoch 1 of at most ")
    assert told.words[-1].startswith("training 4, epoch ")
    assert training.epochs == 4 * SETTINGS.max_epochs
    assert [epoch.number for epoch in training.history] == list(range(1, training.epochs + 1))
    seconds = [epoch.seconds for epoch in training.history]
    assert seconds == sorted(seconds)
    joules = [epoch.joules for epoch in training.history if epoch.joules is not None]
    assert joules == sorted(joules)
    assert training.images == training.epochs * 128
    assert training.best.number > 3 * SETTINGS.max_epochs
    assert training.best == training.history[training.best.number - 1]
    grown = {
        path: layer.rank for path, layer in model.named_modules() if isinstance(layer, Factorized)
    }
    assert sum(grown.values()) > sum(ranks.values())
    prepared.plan.verified()  # the check knows the raised ranks, and the grid holds in all of them


def test_the_most_squeezed_layers_are_raised_until_it_is_enough(model: nn.Module) -> None:
    layers = factorizable(model, IMAGES)
    spectra = {path: Spectrum.of(layer) for path, layer in layers.items()}
    net = nn.ModuleDict(
        {path: Factorized(layer, *spectra[path].factors(0, 4)) for path, layer in layers.items()}
    )
    ranks = {"0": 4, "4": 4}
    adjust = Adjustment(ranks, spectra, AccuracyTarget(0.9))
    assert not adjust(net, Score(90, 100, 0.1), 0)
    assert not adjust(net, Score(50, 100, 0.1), 3)
    assert ranks == {"0": 4, "4": 4}
    assert adjust(net, Score(89, 100, 0.1), 0)
    assert ranks == {"0": 4, "4": 6}  # 4 of 26 is squeezed more than 4 of 10
