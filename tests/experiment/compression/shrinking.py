"""Taking channels out of a model in one go, as the method does level by level."""

from __future__ import annotations

from torch import nn

from pytest_energybench.experiment.compression.channel.groups import (
    channel_groups,
    inputs_per_channel,
    remove,
)
from pytest_energybench.experiment.compression.channel.importance import (
    importances,
    least,
    reconstruct,
)
from pytest_energybench.experiment.compression.channel.statistics import collect
from pytest_energybench.experiment.training.datasets.data import Split


def shrink(model: nn.Module, split: Split, share: float, *, repaired: bool = True) -> None:
    """Take `share` of all channels out of `model` in place."""
    groups = channel_groups(model, next(split.ordered(2))[0])
    statistics = collect(model, split, 50, inputs_per_channel(groups))
    going = tuple(least(groups, importances(model, groups, statistics), share))
    if repaired:
        reconstruct(model, groups, going, statistics)
    remove(model, groups, going)
