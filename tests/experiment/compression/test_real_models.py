"""Searches and structures on two of the paper's models, warm-started on the digits."""

from __future__ import annotations

import copy
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import nn

from pytest_energybench.experiment.compression.factorized import Factorized, Spectrum
from pytest_energybench.experiment.compression.layerwise import search_each_layer
from pytest_energybench.experiment.compression.plan import CompressionPlan, Task
from pytest_energybench.experiment.compression.registry import method
from pytest_energybench.experiment.compression.run import prepare, reloaded
from pytest_energybench.experiment.compression.search import Search
from pytest_energybench.experiment.compression.tolerance import Tolerance
from pytest_energybench.experiment.training import pretraining as warmstart
from pytest_energybench.experiment.training.datasets.data import Splits
from pytest_energybench.experiment.training.datasets.named_sets import digits
from pytest_energybench.experiment.training.evaluate import evaluate
from pytest_energybench.experiment.training.initial_weights import starting_model
from pytest_energybench.experiment.training.models import build
from pytest_energybench.experiment.training.settings import TrainSettings
from tests.experiment.training.nets import CPU, coloured

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def task() -> Task:
    return Task(digits(64, CPU), Tolerance(0.01), 60)


@pytest.fixture(scope="module")
def starts(task: Task, tmp_path_factory: pytest.TempPathFactory) -> dict[str, nn.Module]:
    """Ended early: a curve crosses its line from .75 as from .90, which AlexNet reaches thrice as
    late."""
    folder = tmp_path_factory.mktemp("weights")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("resnet18", "alexnet"):
            recipe = warmstart.RECIPES.get(name, warmstart.Recipe())
            patch.setitem(warmstart.RECIPES, name, replace(recipe, target=0.75))  # type: ignore[arg-type]
        return {
            name: starting_model(name, task.data, "warm", 0, CPU, folder).model
            for name in ("resnet18", "alexnet")
        }


def crossings(search: Search, limit: float) -> int:
    """How often a curve goes from one side of the line to the other."""
    sides = [probe.accuracy >= limit for probe in search.curve]
    return sum(before != after for before, after in pairwise(sides))


@pytest.mark.parametrize(
    ("model", "name"),
    [("resnet18", "steganographic"), ("resnet18", "pruning"), ("alexnet", "steganographic")],
)
def test_bisection_finds_what_the_scan_finds(
    model: str, name: str, task: Task, starts: dict[str, nn.Module]
) -> None:
    """Where the points that either probed cross the line once."""
    ours = method(name)(CompressionPlan(copy.deepcopy(starts[model])), task).searches[0]
    scan = method(name)(
        CompressionPlan(copy.deepcopy(starts[model])), replace(task, strategy="exhaustive")
    ).searches[0]
    joint = {probe.level: probe for probe in (*ours.curve, *scan.curve)}
    both = replace(ours, curve=tuple(joint[level] for level in sorted(joint)))
    if crossings(both, ours.curve[0].accuracy - 0.01 - 1e-9) == 1:
        assert ours.found == scan.found
    else:
        assert ours.found >= scan.found  # the scan stops at the first dip
    assert ours.evaluations <= (6 if name == "steganographic" else 8)
    if name == "steganographic":
        assert [probe.level for probe in scan.curve] == list(range(32))


@pytest.mark.parametrize("name", ["pruning", "lowrank", "steganographic+channel"])
@pytest.mark.parametrize("model", ["resnet18", "alexnet"])
def test_what_is_found_holds_after_a_step_of_training(
    model: str, name: str, task: Task, starts: dict[str, nn.Module]
) -> None:
    plan = method(name)(CompressionPlan(copy.deepcopy(starts[model])), task)
    for search in plan.searches:
        assert len(search.curve) <= (60 if name == "lowrank" else 8)
        # A level of channels is evaluated a second time with statistics taken anew.
        assert search.evaluations <= len(search.curve) * (2 if "channel" in name else 1)
    settings = TrainSettings(max_epochs=1, images_per_epoch=64)
    prepared = prepare(replace(plan, adjust=None), settings, CPU, "test")
    prepared.train(task.data)
    facts = prepared.plan.verified()
    trained = prepared.plan.model
    assert evaluate(reloaded(trained)[0], task.data.test, 60) == evaluate(
        trained, task.data.test, 60
    )
    rate = facts["compression_rate"]
    assert isinstance(rate, float)
    assert 0 <= rate < 1
    if name == "lowrank":
        ranks = [m.rank for m in trained.modules() if isinstance(m, Factorized)]
        assert facts["factorized_layers"] == len(ranks)
    if name == "pruning":
        masked = sum(int((mask == 0).sum()) for mask in plan.masks.values())
        zeros = sum(int((trained.get_parameter(weight) == 0).sum()) for weight in plan.masks)
        assert zeros >= masked > 0
    assert torch.isfinite(next(trained.parameters())).all()


@pytest.fixture(scope="module")
def inception() -> tuple[nn.Module, Task]:
    """InceptionV3 at the size from which its auxiliary head trains along, and a few images."""
    torch.manual_seed(0)
    few = coloured(8, size=299)
    data = Splits(train=few, validation=few, test=few, fingerprint="coloured-299")
    return build("inception_v3", 10, 299), Task(data, Tolerance(1.0), 8)


def test_an_auxiliary_head_trains_though_channels_before_it_are_gone(
    inception: tuple[nn.Module, Task],
) -> None:
    model, task = inception
    plan = method("channel")(CompressionPlan(copy.deepcopy(model)), task)
    settings = TrainSettings(max_epochs=1, batch_size=4, evaluation_batch=8)
    prepare(plan, settings, CPU, "test").train(task.data)
    assert 0.1 < float(plan.verified()["channel_rate"]) < 1


def test_layers_alone_are_searched_past_a_head_that_does_not_run(
    inception: tuple[nn.Module, Task],
) -> None:
    model, task = inception
    path = "Mixed_7c.branch1x1.conv"
    layer = model.get_submodule(path)
    assert isinstance(layer, nn.Conv2d)
    ranks, _ = search_each_layer(model, {path: layer}, {path: Spectrum.of(layer)}, task)
    assert ranks == {path: 1}
