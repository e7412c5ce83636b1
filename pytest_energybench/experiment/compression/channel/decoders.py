"""The channels of a decoder that go together: those between the linear layers of an MLP, and whole
heads of attention.

What passes from layer to layer stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import nn

from pytest_energybench.experiment.compression.channel.groups import MULTIPLE, Group, Member
from pytest_energybench.experiment.training.errors import SettingError


@dataclass(frozen=True, slots=True)
class Block:
    """The linear layers of a part of a decoder, by their names in `transformers`: those that have
    its channels, and the one that hears them.

    `head` names the attribute with the length of an attention's head, of which a channel is one;
    `keys` the layer that has so many numbers for each of them, `per_head` times that length. What
    several heads share goes with all of them, so that their channel is one, too.
    """

    having: tuple[str, ...]
    hearing: str
    head: str | None = None
    keys: str = ""
    per_head: int = 1

    def found_in(self, module: nn.Module) -> dict[str, nn.Linear]:
        """The layers by name where `module` is such a part, else none."""
        children = dict(module.named_children())
        names = (*self.having, self.hearing)
        if any(type(children.get(name)) is not nn.Linear for name in names):
            return {}
        if self.head is not None and not isinstance(getattr(module, self.head, None), int):
            return {}
        return {name: cast(nn.Linear, children[name]) for name in names}

    def channels(self, module: nn.Module, layers: dict[str, nn.Linear]) -> int:
        """How many channels the part has that `layers` are of."""
        if self.head is None:
            return layers[self.hearing].in_features
        length: int = getattr(module, self.head) * self.per_head
        return layers[self.keys].out_features // length


BLOCKS = (
    Block(("gate_proj", "up_proj"), "down_proj"),
    Block(("dense_h_to_4h",), "dense_4h_to_h"),
    Block(("q_proj", "k_proj", "v_proj"), "o_proj", head="head_dim", keys="k_proj"),
    Block(("query_key_value",), "dense", head="head_size", keys="query_key_value", per_head=3),
)
"""Those of Llama and of GPT-NeoX: their MLPs, and their attention."""


def decoder_groups(model: nn.Module) -> tuple[Group, ...]:
    """A group for each MLP and each attention of a decoder of `transformers`; raises SettingError
    without any."""
    found = tuple(group for path, module in model.named_modules() for group in _of(path, module))
    if not found:
        known = " or ".join(", ".join((*block.having, block.hearing)) for block in BLOCKS)
        raise SettingError(
            f"channel knows linear layers {known}, and {type(model).__name__} has none:"
            " leave it out of the methods"
        )
    return found


def heads(model: nn.Module) -> int:
    """The heads of attention of a decoder, of those that share keys one; 0 of another model."""
    return sum(
        block.channels(module, layers)
        for module in model.modules()
        for block in BLOCKS
        if block.head is not None and (layers := block.found_in(module))
    )


def _of(path: str, module: nn.Module) -> Iterator[Group]:
    """The group of the part of a decoder that `module` at `path` is; nothing where it is something
    else."""
    for block in BLOCKS:
        if layers := block.found_in(module):
            channels = block.channels(module, layers)
            members = tuple(
                _member(f"{path}.{name}", layer, channels, entering=name == block.hearing)
                for name, layer in layers.items()
            )
            yield Group(channels, members, multiple=MULTIPLE if block.head is None else 1)


def _member(path: str, layer: nn.Linear, channels: int, *, entering: bool) -> Member:
    from torch_pruning.pruner import function  # type: ignore[import-untyped]

    cut = function.prune_linear_in_channels if entering else function.prune_linear_out_channels
    own = torch.arange(layer.in_features if entering else layer.out_features)
    return Member(path, cut, int(entering), own, own * channels // len(own), entering)
