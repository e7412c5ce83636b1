"""What enters each layer and how much its outputs matter, against what autograd says."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pytest_energybench.experiment.compression.channel import statistics as channel_statistics
from pytest_energybench.experiment.compression.channel.statistics import BATCHES, collect
from pytest_energybench.experiment.training.datasets.data import TensorSplit
from tests.experiment.training.nets import small_data, small_net

DATA = small_data()
IMAGES = BATCHES * 10


def test_moments_are_the_mean_products_of_what_enters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_statistics, "ROWS", 10_000)
    model = small_net().eval()
    statistics = collect(model, DATA.train, 10, {"9": 4})
    images, _ = next(DATA.train.ordered(IMAGES))
    with torch.no_grad():
        entering = model[:4](images).movedim(1, -1).flatten(0, -2)
        flat = model[:9](images)
    assert torch.allclose(statistics["4"].moments, entering.T @ entering / len(entering), atol=1e-5)
    pixels = flat.view(IMAGES, -1, 4).mT.flatten(0, 1)
    assert torch.allclose(statistics["9"].moments, pixels.T @ pixels / len(pixels), atol=1e-5)


def test_of_many_positions_some_are_looked_at_from_every_column() -> None:
    columns = torch.arange(16.0).expand(80, 3, 16, 16).contiguous()
    model = nn.Sequential(nn.Conv2d(3, 6, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    split = TensorSplit(columns, torch.zeros(80, dtype=torch.long))
    moments = collect(model, split, 10, {})["0"].moments
    assert moments is not None
    mean_square = float(torch.arange(16.0).square().mean())
    assert moments.flatten().tolist() == pytest.approx([mean_square] * 9, rel=0.2)


def test_sensitivity_is_the_squared_gradient_of_an_image_s_own_loss() -> None:
    model = small_net().eval()
    statistics = collect(model, DATA.train, 10, {"9": 4})
    squared = torch.zeros(10)
    for image, label in zip(*next(DATA.train.ordered(IMAGES)), strict=True):
        logits = model(image[None]).detach().requires_grad_()
        nn.functional.cross_entropy(logits, label[None]).backward()  # type: ignore[no-untyped-call]
        squared += logits.grad[0].square()
    assert torch.allclose(statistics["9"].sensitivity, squared / IMAGES, rtol=1e-4)
    assert statistics["9"].positions == 1
    assert statistics["0"].positions > statistics["4"].positions > 1


def test_the_model_is_left_as_it_was() -> None:
    model = small_net()
    model[0].bias.requires_grad_(False)
    model[4].weight.grad = torch.ones_like(model[4].weight)
    collect(model, DATA.train, 10, {"9": 4})
    assert [n for n, p in model.named_parameters() if not p.requires_grad] == ["0.bias"]
    assert [n for n, p in model.named_parameters() if p.grad is not None] == ["4.weight"]
    assert bool((model[4].weight.grad == 1).all())
    assert not any(module._forward_hooks for module in model.modules())


def test_a_layer_that_does_not_mix_its_channels_has_no_moments() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3, groups=3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 10)
    )
    statistics = collect(model, DATA.train, 20, {})
    assert statistics["0"].moments is None
    assert statistics["3"].moments is not None


def test_hooks_go_where_the_model_fails() -> None:
    model = small_net()
    model[9] = nn.Linear(3, 10)
    with pytest.raises(RuntimeError):
        collect(model, DATA.train, 20, {})
    assert not any(module._forward_pre_hooks for module in model.modules())
    assert all(parameter.requires_grad for parameter in model.parameters())
