"""Refits layers so that the remaining channels reproduce the output of the removed ones.

The input from removed channels is predicted, position by position, from the remaining ones, by
least squares over real images. The prediction is folded into the weights (He, Zhang and Sun 2017,
Section 3.1, with the channels known). It uses no labels and no training.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from pytest_energybench.experiment.compression.channel.groups import Group, inputs_per_channel
from pytest_energybench.experiment.compression.channel.statistics import Statistics, by_channel

RIDGE = 1e-2
"""Added to the mean square of a channel, as a share of the layer's mean. Without it, weights that
cancel each other leave a model that the first steps of training shake."""


def reconstruct(
    model: nn.Module,
    groups: Sequence[Group],
    going: Sequence[Tensor],
    statistics: Mapping[str, Statistics],
) -> None:
    """Refit all layers that read channels of `groups` to the removal of `going`.

    `model` still has all its channels, and `statistics` are those it has with them.
    """
    lost: dict[str, list[Tensor]] = defaultdict(list)
    per_channel = inputs_per_channel(groups)
    for group, roots in zip(groups, going, strict=True):
        for path, channels in group.heard_by().items():
            if statistics[path].moments is not None:
                lost[path].append(channels[roots])
    for path, parts in lost.items():
        # All that a layer after a concatenation loses at once: no lost channel can make up.
        channels = torch.cat(parts)
        if len(channels):
            layer = model.get_submodule(path)
            assert isinstance(layer, nn.Conv2d | nn.Linear)
            weight = by_channel(layer, per_channel[path])
            _fold(weight, channels, statistics[path])
            with torch.no_grad():
                layer.weight.copy_(weight.view(layer.weight.shape))


def damped(moments: Tensor) -> Tensor:
    """`moments` (n, n) that can be inverted even if channels are zero or redundant."""
    ridge = RIDGE * moments.diagonal().mean()
    # A layer that hears nothing at all would leave zeros.
    ridge = ridge.clamp_min(torch.finfo(torch.float32).tiny)
    return moments + ridge * torch.eye(len(moments), dtype=moments.dtype, device=moments.device)


def _fold(weight: Tensor, lost: Tensor, statistics: Statistics) -> None:
    """Add to the `weight` (outputs, channels, weights a channel) of the channels that stay what
    they can say of the `lost` ones."""
    assert statistics.moments is not None
    moments = damped(statistics.moments.double())
    staying = torch.ones(len(moments), dtype=torch.bool, device=moments.device)
    staying[lost.to(moments.device)] = False
    among, across = moments[staying][:, staying], moments[staying][:, ~staying]
    says = torch.cholesky_solve(across, torch.linalg.cholesky(among)).to(weight.dtype)
    weight[:, staying] += torch.einsum("ogk,sg->osk", weight[:, ~staying], says)
