"""Channels that stay speak for those that go."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from pytest_energybench.experiment.compression.channel.groups import channel_groups
from pytest_energybench.experiment.compression.channel.importance import damped, reconstruct
from pytest_energybench.experiment.compression.channel.statistics import collect
from tests.experiment.compression.shrinking import shrink
from tests.experiment.training.nets import small_data, small_net

DATA = small_data()
IMAGES, _ = next(DATA.train.ordered(100))


class Branching(nn.Module):
    """A convolution heard by a second one and, flattened, by the classifier; 16 of its 32 channels
    are mixtures of the others."""

    def __init__(self, second: nn.Module) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 32, 3, padding=1)
        self.second = second
        self.head = nn.Linear(32 * 4, 10)
        with torch.no_grad():
            mixing = torch.rand(16, 16)
            self.first.weight[16:] = torch.einsum("ij,jckl->ickl", mixing, self.first.weight[:16])
            self.first.bias[16:] = mixing @ self.first.bias[:16]

    def forward(self, images: Tensor) -> Tensor:
        pooled = nn.functional.adaptive_avg_pool2d(self.second(self.first(images)), 2)
        return self.head(pooled.flatten(1))


@pytest.mark.parametrize("second", ["conv", "none"])
def test_what_others_can_say_is_not_lost(second: str) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(32, 32, 3, padding=1)
    model = Branching(conv if second == "conv" else nn.Identity()).eval()
    if second == "conv":
        with torch.no_grad():  # Of its own channels half are never heard.
            model.head.weight.view(10, 32, 4)[:, 16:] = 0
    before = model(IMAGES).detach()
    repaired, cut = copy.deepcopy(model), copy.deepcopy(model)
    shrink(repaired, DATA.train, 0.5)
    shrink(cut, DATA.train, 0.5, repaired=False)
    assert repaired.first.out_channels == 16
    with torch.no_grad():
        error, without = ((net(IMAGES) - before).norm() for net in (repaired, cut))
    assert error < 0.2 * without


def test_a_repaired_model_loses_less() -> None:
    model = small_net().eval()
    before = model(IMAGES).detach()
    errors = []
    for repaired in (True, False):
        smaller = copy.deepcopy(model)
        shrink(smaller, DATA.train, 0.4, repaired=repaired)
        errors.append(float((smaller.eval()(IMAGES) - before).norm().detach()))
    assert errors[0] < errors[1]


def test_where_nothing_goes_nothing_changes() -> None:
    model = small_net()
    groups = channel_groups(model, IMAGES[:2])
    statistics = collect(model, DATA.train, 50, {"9": 4})
    weights = {name: weight.clone() for name, weight in model.state_dict().items()}
    reconstruct(model, groups, [torch.empty(0, dtype=torch.long)] * len(groups), statistics)
    assert all(torch.equal(weights[name], value) for name, value in model.state_dict().items())


def test_channels_that_are_silent_leave_something_to_invert() -> None:
    assert bool(torch.linalg.inv(damped(torch.zeros(4, 4))).isfinite().all())
    ones = torch.ones(4, 4)
    assert bool(torch.linalg.cholesky(damped(ones)).isfinite().all())
