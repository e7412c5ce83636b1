"""Which channels of which layers belong together, and taking them out.

Torch-Pruning follows the model's connections once (Fang et al. 2023, "DepGraph"). The result is
kept as indices, so removing channels from a copy of the model only slices its tensors: following
the connections of DenseNet121 takes longer than evaluating it.
"""

from __future__ import annotations

import math
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.instancenorm import _InstanceNorm

from pytest_energybench.experiment.compression.targets import LAYERS, shared
from pytest_energybench.experiment.training.errors import SettingError
from pytest_energybench.experiment.training.evaluate import logits_of

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
    """All groups of `model`, but those that hold a classifier's outputs, and those that reach a
    layer which can't be refitted to fewer channels (`_fixed`).

    `examples` (batch, 3, size, size) is only run to follow the connections. Raises SettingError
    where no group is left.
    """
    import torch_pruning  # type: ignore[import-untyped]

    names: dict[object, str] = {module: path for path, module in model.named_modules()}
    names.update((parameter, path) for path, parameter in model.named_parameters())
    kept = [*_classifiers(model, examples), *_seen_in_training_only(model)]
    with warnings.catch_warnings(), _all_trained(model):
        # ConvNeXt's layer scale is a bare parameter; that its last dimension of more than one
        # goes with the channels, which the warning asks about, is right.
        warnings.simplefilter("ignore")
        graph = torch_pruning.DependencyGraph().build_dependency(
            model.eval(), examples, forward_fn=lambda model, images: logits_of(model(images))
        )
    tied = shared(model)
    found = tuple(
        Group(
            len(group[0].idxs),
            tuple(_members(group, graph, names)),
            math.lcm(MULTIPLE, *_norm_groups(group)),
        )
        for group in graph.get_all_groups(ignored_layers=kept)
        if not any(_fixed(item.dep.target.module, tied) for item in group)
    )
    if not found:
        raise SettingError(
            f"channel finds none in {type(model).__name__} that pass through 2d convolutions,"
            " linear layers and normalisation alone: leave it out of the methods"
        )
    return found


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
    """What of Torch-Pruning's `group` is of the model; operations between have no name."""
    for item in group:
        module = item.dep.target.module
        path = names.get(module)
        if path is None:
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
    if isinstance(target, nn.Parameter):
        setattr(parent, name, handler(target, channels).requires_grad_(target.requires_grad))
        return
    frozen = [key for key, each in target.named_parameters() if not each.requires_grad]
    handler(target, channels)
    for key in frozen:
        target.get_parameter(key).requires_grad_(False)


def _classifiers(model: nn.Module, examples: Tensor) -> list[nn.Module]:
    """The layer that gives the logits, and InceptionV3's auxiliary head's if there is one."""
    auxiliary = [module for path, module in model.named_modules() if path == "AuxLogits.fc"]
    gave: dict[nn.Module, object] = {}
    hooks = [
        module.register_forward_hook(lambda layer, _, output: gave.update({layer: output}))
        for module in model.modules()
        if isinstance(module, LAYERS)
    ]
    try:
        with torch.no_grad():
            logits = logits_of(model.eval()(examples))
    finally:
        for hook in hooks:
            hook.remove()
    return [*auxiliary, *(layer for layer, output in gave.items() if output is logits)]


@contextmanager
def _all_trained(model: nn.Module) -> Iterator[None]:
    """Within, no real parameter is frozen: connections are followed along gradients."""
    frozen = [
        each for each in model.parameters() if not each.requires_grad and each.is_floating_point()
    ]
    try:
        for parameter in frozen:
            parameter.requires_grad_()
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(False)


def _fixed(module: object, tied: set[nn.Parameter]) -> bool:
    """Whether what `module` has or hears must stay as it is: the model's output, a layer whose
    weights another one has, too, one that mixes its channels in a way that no statistics tell of
    (recurrent, attention, grouped but not depthwise, or not of two dimensions), or a normalisation
    that is not cut along its channels."""
    from torch_pruning.ops import _OutputOp  # type: ignore[import-untyped]

    if isinstance(module, nn.Module) and not tied.isdisjoint(module.parameters()):
        return True
    if isinstance(module, nn.Conv2d):
        depthwise = module.groups == module.in_channels == module.out_channels
        return module.groups != 1 and not depthwise
    if isinstance(module, nn.LayerNorm):
        return len(module.normalized_shape) > 1
    if isinstance(module, _InstanceNorm):
        return module.track_running_stats
    return isinstance(module, _OutputOp | _ConvNd | nn.RNNBase | nn.MultiheadAttention)


def _norm_groups(group: Any) -> Iterator[int]:
    """Of each group normalisation in Torch-Pruning's `group`, into how many parts it divides what
    it is given: channels stay a multiple of it."""
    for item in group:
        if isinstance(item.dep.target.module, nn.GroupNorm):
            yield item.dep.target.module.num_groups


def _seen_in_training_only(model: nn.Module) -> list[nn.Module]:
    """What enters InceptionV3's auxiliary head, which runs in training alone: the connections are
    followed as in evaluation, so nothing would tell that head of a channel that went."""
    if getattr(model, "AuxLogits", None) is None:
        return []
    return [model.get_submodule(f"{path}.conv") for path in ENTERING_AUXILIARY]
