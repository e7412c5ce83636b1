"""Which channels of which layers belong together, and taking them out.

Torch-Pruning follows the model's connections once (Fang et al. 2023, "DepGraph"). The result is
kept as indices, so removing channels from a copy of the model only slices its tensors: following
the connections of DenseNet121 takes longer than evaluating it.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

MULTIPLE = 8
"""Channels per layer remain a multiple of it, as vector units need, and at least as many."""


ENTERING_AUXILIARY = (
    "Mixed_6e.branch1x1",
    "Mixed_6e.branch7x7_3",
    "Mixed_6e.branch7x7dbl_5",
    "Mixed_6e.branch_pool",
)
"""The last layers before the auxiliary head of torchvision's InceptionV3."""


@dataclass(frozen=True, slots=True)
class Member:
    """A layer, or a bare parameter, that loses channels with its group.

    `path` names it in the model. Where channel `roots[i]` of the group goes, its channel
    `channels[i]` goes, of those that `handler` removes, along dimension `dim`; they are channels
    that it hears where `entering`, else those that it has.
    """

    path: str
    handler: Callable[..., Any]
    dim: int
    channels: Tensor
    roots: Tensor
    entering: bool


@dataclass(frozen=True, slots=True)
class Group:
    """`channels` that can only be removed together: one of the group is one of each member.

    What is left of them is a multiple of `multiple`, and at least as many.
    """

    channels: int
    members: tuple[Member, ...]
    multiple: int = MULTIPLE

    def heard_by(self) -> dict[str, Tensor]:
        """The layers that the channels enter, by path: (channels,), which of the layer's channels
        each is."""
        heard: dict[str, Tensor] = {}
        for member in self.members:
            if member.entering:
                places = torch.empty(self.channels, dtype=torch.long)
                places[member.roots] = member.channels // self.inputs_per_channel(member.path)
                heard[member.path] = places
        return heard

    def inputs_per_channel(self, path: str) -> int:
        """How many inputs of the layer at `path` are one channel: after flattening, several."""
        return max(
            len(member.channels) // self.channels
            for member in self.members
            if member.entering and member.path == path
        )


def channel_groups(model: nn.Module, examples: Tensor) -> tuple[Group, ...]:
    """All groups of `model`, but those that hold a classifier's outputs.

    `examples` (batch, 3, size, size) is only run to follow the connections.
    """
    import torch_pruning  # type: ignore[import-untyped]

    names: dict[object, str] = {module: path for path, module in model.named_modules()}
    names.update((parameter, path) for path, parameter in model.named_parameters())
    with warnings.catch_warnings():
        # ConvNeXt's layer scale is a bare parameter; that its last dimension of more than one
        # goes with the channels, which the warning asks about, is right.
        warnings.simplefilter("ignore")
        graph = torch_pruning.DependencyGraph().build_dependency(model.eval(), examples)
    return tuple(
        Group(len(group[0].idxs), tuple(_members(group, graph, names)))
        for group in graph.get_all_groups(
            ignored_layers=[*_classifiers(model), *_seen_in_training_only(model)]
        )
    )


def inputs_per_channel(groups: Sequence[Group]) -> dict[str, int]:
    """`Group.inputs_per_channel` of every layer that hears one of `groups`, by path."""
    return {path: group.inputs_per_channel(path) for group in groups for path in group.heard_by()}


def remove(model: nn.Module, groups: Sequence[Group], going: Sequence[Tensor]) -> None:
    """Take the channels `going`, by group, out of `model` in place.

    `groups` may be those of another model of the same shape.
    """
    cuts: dict[tuple[str, Callable[..., Any], int], list[Tensor]] = defaultdict(list)
    for group, gone in zip(groups, going, strict=True):
        for member in group.members:
            which = member.channels[torch.isin(member.roots, gone)]
            # A layer after a concatenation is in several groups. All its channels go at once, or
            # the first to go would move the others.
            cuts[member.path, member.handler, member.dim].append(which)
    for (path, handler, dim), channels in cuts.items():
        _cut(model, path, handler, dim, sorted(set(torch.cat(channels).tolist())))


def _members(group: Any, graph: Any, names: dict[object, str]) -> Iterator[Member]:
    """What of Torch-Pruning's `group` has weights; the rest, such as activations, has no name."""
    for item in group:
        module = item.dep.target.module
        path = names.get(module)
        bare = isinstance(module, nn.Parameter)
        if path is None or not (bare or any(True for _ in module.parameters(recurse=False))):
            continue
        yield Member(
            path=path,
            handler=item.dep.handler,
            dim=item.dep.target.pruning_dim,
            channels=torch.tensor(item.idxs),
            roots=torch.tensor(item.root_idxs),
            entering=isinstance(module, nn.Conv2d | nn.Linear)
            and graph.is_in_channel_pruning_fn(item.dep.handler),
        )


def _cut(
    model: nn.Module, path: str, handler: Callable[..., Any], dim: int, channels: list[int]
) -> None:
    """Let Torch-Pruning's `handler` remove `channels` from what is at `path` in `model`."""
    if not channels:
        return
    handler.__self__.pruning_dim = dim  # type: ignore[attr-defined]
    above, _, name = path.rpartition(".")
    parent = model.get_submodule(above)
    target = getattr(parent, name)
    changed = handler(target, channels)
    if isinstance(target, nn.Parameter):
        setattr(parent, name, changed)


def _classifiers(model: nn.Module) -> list[nn.Module]:
    """The last linear layer, and that of InceptionV3's auxiliary head if there is one."""
    heads = [module for module in model.modules() if isinstance(module, nn.Linear)][-1:]
    auxiliary = [module for path, module in model.named_modules() if path == "AuxLogits.fc"]
    return [*heads, *auxiliary]


def _seen_in_training_only(model: nn.Module) -> list[nn.Module]:
    """What enters InceptionV3's auxiliary head, which runs in training alone: the connections are
    followed as in evaluation, so nothing would tell that head of a channel that went."""
    if getattr(model, "AuxLogits", None) is None:
        return []
    return [model.get_submodule(f"{path}.conv") for path in ENTERING_AUXILIARY]
