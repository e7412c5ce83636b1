"""The channels of a decoder that go together: those between the linear layers of an MLP.

What passes from layer to layer stays, and so do the heads of attention.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import torch
from torch import nn

from pytest_energybench.experiment.compression.channel.groups import Group, Member
from pytest_energybench.experiment.training.errors import SettingError

MLPS = ((("gate_proj", "up_proj"), "down_proj"), (("dense_h_to_4h",), "dense_4h_to_h"))
"""Names of an MLP's linear layers in `transformers`, Llama's and NeoX's: those that have the
channels, and the one that hears them."""


def mlp_groups(model: nn.Module) -> tuple[Group, ...]:
    """A group for each MLP of a decoder of `transformers`; raises SettingError without any."""
    found = tuple(group for path, module in model.named_modules() for group in _of(path, module))
    if not found:
        known = " or ".join(", ".join((*having, hearing)) for having, hearing in MLPS)
        raise SettingError(
            f"channel knows MLPs of linear layers {known}, and {type(model).__name__} has none:"
            " leave it out of the methods"
        )
    return found


def _of(path: str, module: nn.Module) -> Iterator[Group]:
    """The group of the MLP `module` at `path`; nothing where it is something else."""
    children = dict(module.named_children())
    for having, hearing in MLPS:
        if all(type(children.get(name)) is nn.Linear for name in (*having, hearing)):
            between = torch.arange(cast(nn.Linear, children[hearing]).in_features)
            members = [_member(f"{path}.{name}", between, entering=False) for name in having]
            members.append(_member(f"{path}.{hearing}", between, entering=True))
            yield Group(len(between), tuple(members))


def _member(path: str, channels: torch.Tensor, *, entering: bool) -> Member:
    from torch_pruning.pruner import function  # type: ignore[import-untyped]

    cut = function.prune_linear_in_channels if entering else function.prune_linear_out_channels
    return Member(path, cut, int(entering), channels, channels, entering)
