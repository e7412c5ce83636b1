"""Taking channels out of a model in one go, as the method does level by level."""

from __future__ import annotations

from torch import nn

from pytest_energybench.compression.channel_groups import channel_groups, inputs_per_channel, remove
from pytest_energybench.compression.channel_order import least, worths
from pytest_energybench.compression.channel_repair import make_up
from pytest_energybench.compression.channel_statistics import collect
from pytest_energybench.training.data import Split


def shrink(model: nn.Module, split: Split, share: float, *, repaired: bool = True) -> None:
    """Take `share` of all channels out of `model` in place."""
    groups = channel_groups(model, next(split.ordered(2))[0])
    statistics = collect(model, split, 50, inputs_per_channel(groups))
    going = tuple(least(worths(model, groups, statistics), share))
    if repaired:
        make_up(model, groups, going, statistics)
    remove(model, groups, going)
