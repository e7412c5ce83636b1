"""The warm start of a real ResNet18 on small digits, ended early."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from pytest_energybench.experiment.training import kernel_choice
from pytest_energybench.experiment.training import pretraining as warmstart
from pytest_energybench.experiment.training.datasets.data import Data, TensorSplit
from pytest_energybench.experiment.training.datasets.named_sets import digits
from pytest_energybench.experiment.training.evaluate import evaluate
from pytest_energybench.experiment.training.initial_weights import starting_model
from pytest_energybench.experiment.training.kernel_choice import Ways
from pytest_energybench.experiment.training.model_names import OwnModel, own_models
from pytest_energybench.experiment.training.pretraining import Recipe
from tests.experiment.training.nets import CPU
from tests.experiment.training.told import Told

LOOK = re.compile(r"accuracy ~?(\d\.\d+) of")


@pytest.fixture(scope="module")
def data() -> Data:
    """The digits, of which a hundred are enough to ask for one in five."""
    whole = digits(32, CPU)
    return replace(whole, validation=TensorSplit(*next(whole.validation.ordered(100))))


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """With torch's own kernels, which need no timing, to an accuracy that is reached within a few
    steps, but not by chance."""
    monkeypatch.setattr(kernel_choice, "quickest", lambda _: Ways())
    monkeypatch.setattr(warmstart, "RECIPES", {"resnet18": Recipe(target=0.2)})
    monkeypatch.setattr(warmstart, "CHECK_EVERY", 2)


def test_made_once_then_read_and_made_again_alike_when_damaged(tmp_path: Path, data: Data) -> None:
    told = Told()
    first = starting_model("resnet18", data, "warm", 0, CPU, tmp_path, told)
    assert told.words[0].startswith("step 2 of at most 600, accuracy 0.")
    assert told.words[0].endswith(" of 0.2")
    assert evaluate(first.model, data.validation, 60).accuracy >= 0.2
    (file,) = tmp_path.iterdir()
    written = file.stat().st_mtime_ns

    looks = len(told.words)
    second = starting_model("resnet18", data, "warm", 0, CPU, tmp_path, told)
    assert len(told.words) == looks
    assert file.stat().st_mtime_ns == written
    assert second.notes == ()
    file.write_bytes(file.read_bytes()[:-1])
    third = starting_model("resnet18", data, "warm", 0, CPU, tmp_path)
    assert any("damaged and made again" in note for note in third.notes)
    for other in (second, third):
        for key, value in first.model.state_dict().items():
            assert torch.equal(value, other.model.state_dict()[key]), key


def test_seed_and_data_have_weights_of_their_own(
    tmp_path: Path, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warmstart, "MOST_STEPS", 1)
    monkeypatch.setattr(warmstart, "CHECK_EVERY", 1)
    start = starting_model("resnet18", data, "warm", 0, CPU, tmp_path)
    starting_model("resnet18", data, "warm", 1, CPU, tmp_path)
    starting_model("resnet18", replace(data, fingerprint="other"), "warm", 0, CPU, tmp_path)
    assert len(list(tmp_path.iterdir())) == 3
    assert any("after 1 steps, short of 0.2" in note for note in start.notes)


def test_another_model_of_a_user_s_has_weights_of_its_own_under_the_same_name(
    tmp_path: Path, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warmstart, "MOST_STEPS", 1)
    monkeypatch.setattr(warmstart, "CHECK_EVERY", 1)
    for files, (width, activation) in enumerate([(4, nn.ReLU), (8, nn.ReLU), (8, nn.Tanh)], 1):

        def build(classes: int, _: int, layers: tuple[Any, ...] = (width, activation)) -> nn.Module:
            features = 3 * 32 * 32
            return nn.Sequential(
                nn.Flatten(),
                nn.Linear(features, layers[0]),
                layers[1](),
                nn.Linear(layers[0], classes),
            )

        monkeypatch.setitem(own_models, "mynet", OwnModel(build, heads=()))
        for _ in range(2):
            starting_model("mynet", data, "warm", 0, CPU, tmp_path)
        assert len(list(tmp_path.iterdir())) == files


def test_images_are_moved_each_its_own_way_and_lose_nothing() -> None:
    images = torch.arange(4 * 3 * 8 * 8).view(4, 3, 8, 8).float()
    moved = warmstart._shifted(images, 2, torch.Generator().manual_seed(1))
    assert moved.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(moved.flatten(1).sort().values, images.flatten(1).sort().values)
    ways = [
        next(
            (down, across)
            for down in range(-2, 3)
            for across in range(-2, 3)
            if torch.equal(before.roll((down, across), (1, 2)), after)
        )
        for before, after in zip(images, moved, strict=True)
    ]
    assert len(set(ways)) > 1
    assert warmstart._shifted(images, 0, torch.Generator()) is images


@pytest.mark.slow
def test_looks_that_end_early_change_no_weight(
    tmp_path: Path, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither when SGD takes over, nor when looks come closer, nor when it ends."""
    recipe = Recipe(handover=0.4, target=0.6)
    monkeypatch.setattr(warmstart, "RECIPES", {"resnet18": recipe})
    monkeypatch.setattr(warmstart, "EVALUATION_BATCH", 10)
    monkeypatch.setattr(warmstart, "MOST_STEPS", 40)
    early, late = Told(), Told()
    ended = starting_model("resnet18", data, "warm", 0, CPU, tmp_path / "ended", early)
    monkeypatch.setattr(warmstart, "_looked", lambda model, split, _: evaluate(model, split, 10))
    whole = starting_model("resnet18", data, "warm", 0, CPU, tmp_path / "whole", late)
    for key, value in whole.model.state_dict().items():
        assert torch.equal(value, ended.model.state_dict()[key]), key
    awaited, about = recipe.handover, 0
    for one, other in zip(early.words, late.words, strict=True):
        accuracy = float(LOOK.search(other)[1])  # type: ignore[index]
        if "accuracy ~" in one:
            assert accuracy < awaited
            about += 1
        else:
            assert one == other
        if accuracy >= recipe.handover:
            awaited = recipe.target - warmstart.NEAR
    assert about


class _Always(nn.Module):
    """Answers class 0."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.eye(2)[torch.zeros(len(images), dtype=torch.long)]


@pytest.mark.parametrize(("awaited", "correct", "seen"), [(0.5, 100, 200), (0.51, 0, 100)])
def test_a_look_ends_once_too_many_images_are_wrong(
    awaited: float, correct: int, seen: int
) -> None:
    labels = torch.cat([torch.ones(100), torch.zeros(100)]).long()
    validation = TensorSplit(torch.zeros(200, 1, 1, 1), labels)
    score = warmstart._looked(_Always(), validation, awaited)
    assert (score.correct, score.total) == (correct, seen)


@pytest.mark.slow
def test_resnet18_ends_at_the_first_look_at_ninety(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How far above ninety depends on the CPU's kernels: a few steps of SGD can be worth .07."""
    monkeypatch.undo()
    data = digits(64, CPU)
    told = Told()
    start = starting_model("resnet18", data, "warm", 0, CPU, tmp_path, told)
    seen = [float(looked[1]) for word in told.words if (looked := LOOK.search(word))]
    assert seen[-1] >= 0.90 >= max(seen[:-1])  # .8997 is told as .900
    assert evaluate(start.model, data.validation, 60).accuracy == pytest.approx(seen[-1], abs=0.02)
    assert start.notes == ()
