"""Which channels go first: those that nobody hears, then those that others can speak for."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from pytest_energybench.experiment.compression.channel.groups import (
    MULTIPLE,
    Group,
    channel_groups,
    inputs_per_channel,
)
from pytest_energybench.experiment.compression.channel.importance import importances, least
from pytest_energybench.experiment.compression.channel.statistics import Statistics, collect
from tests.experiment.compression.shrinking import shrink
from tests.experiment.training.nets import small_data, small_net

DATA = small_data()
IMAGES, _ = next(DATA.train.ordered(100))


def worth_of_first_layer(model: nn.Module, **given: Statistics) -> torch.Tensor:
    groups = channel_groups(model, IMAGES[:2])
    statistics = collect(model, DATA.train, 50, inputs_per_channel(groups))
    found = importances(model, groups, {**statistics, **given})
    first = next(i for i, g in enumerate(groups) if any(m.path == "0" for m in g.members))
    return found[first]


def test_channels_that_nobody_hears_go_first_and_nothing_changes() -> None:
    model = small_net().eval()
    with torch.no_grad():
        model[4].weight[:, 8:] = 0
    kept = model[0].weight[:8].detach().clone()
    before = model(IMAGES).detach()
    shrink(model, DATA.train, 0.15)
    assert torch.equal(model[0].weight, kept)
    assert torch.allclose(model(IMAGES), before, atol=1e-4)


def test_of_two_that_say_the_same_one_goes_early_and_the_other_late() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 32, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)
    )
    says = torch.eye(24)[[*range(24), *range(8)]]  # The last eight say what the first eight say.
    heard = Statistics(moments=says @ says.T, sensitivity=torch.ones(10), positions=1)
    worth = worth_of_first_layer(model, **{"3": heard})
    order = worth.argsort().tolist()
    assert all(len({twin, twin + 24} & set(order[:8])) == 1 for twin in range(8))
    assert worth[order[8]] > 5 * worth[order[7]]


def test_the_last_of_a_group_are_beyond_price() -> None:
    worth = worth_of_first_layer(small_net())
    assert int(worth.isinf().sum()) == MULTIPLE
    assert bool((worth[~worth.isinf()] >= 0).all())


def test_a_channel_that_takes_more_time_goes_earlier() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1),  # at full size
        nn.ReLU(),
        nn.MaxPool2d(4),
        nn.Conv2d(32, 32, 3, padding=1),  # at a sixteenth
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 10),
    )
    groups = channel_groups(model, IMAGES[:2])
    statistics = collect(model, DATA.train, 50, {})
    by_time = importances(model, groups, statistics)
    same = {path: replace(each, positions=1) for path, each in statistics.items()}
    by_weights = importances(model, groups, same)
    first = next(i for i, g in enumerate(groups) if any(m.path == "0" for m in g.members))

    def share_of_first(worth: tuple[torch.Tensor, ...]) -> float:
        gone = [len(each) for each in least(groups, worth, 0.3)]
        return gone[first] / sum(gone)

    assert share_of_first(by_time) >= share_of_first(by_weights)
    ratios = [float((a / b).nanmedian()) for a, b in zip(by_time, by_weights, strict=True)]
    assert ratios[first] < min(ratio for i, ratio in enumerate(ratios) if i != first)


def test_least_leaves_multiples_and_takes_the_cheapest() -> None:
    groups = (Group(32, ()), Group(32, ()))
    worth = (torch.arange(32.0), torch.arange(100.0, 132.0))
    gone = [each.tolist() for each in least(groups, worth, 0.25)]
    assert gone == [list(range(16)), []]
    assert [len(each) for each in least(groups, worth, 0.0)] == [0, 0]
    assert [len(each) for each in least(groups, worth, 0.9)] == [24, 24]
    single = tuple(replace(group, multiple=1) for group in groups)
    assert [len(each) for each in least(single, worth, 0.9)] == [31, 25]
