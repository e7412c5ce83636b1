"""In which order channels go: what the loss would rise by, for the time that a channel takes.

A channel is judged by what is left of it once the layers that hear it make up for it with the
channels that stay (`channel_repair`), which is optimal brain surgery (Hassibi and Stork 1993) done
with the channels of a layer in place of single weights. Channels go one bundle after the other, and
each time those that stay are judged anew: of two that say the same either may go, not both.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from pytest_energybench.compression.channel_groups import MULTIPLE, Group
from pytest_energybench.compression.channel_repair import damped
from pytest_energybench.compression.channel_statistics import Statistics, by_channel

BUNDLES = 16
"""A group's channels go in bundles of at most this part of them, and of at least MULTIPLE."""

DEPENDENT = 0.3
"""Partial correlation from which two channels do not go in one bundle. Measured on ResNet50: with
64 % of its channels gone the validation loss was 0.33 without this rule, and 0.27 with it."""


def worths(
    model: nn.Module, groups: Sequence[Group], statistics: Mapping[str, Statistics]
) -> tuple[Tensor, ...]:
    """What every channel of every group is worth, (channels,) each: the higher, the later it goes.

    The worth is the predicted rise of the loss over the multiply-adds that an image saves, both
    when it goes, and infinite for the last MULTIPLE of a group; only comparable within one call.
    """
    return tuple(
        _rises(model, group, statistics) / _multiply_adds(model, group, statistics)
        for group in groups
    )


def least(worth: Sequence[Tensor], share: float) -> Iterator[Tensor]:
    """For every group the channels that go when `share` of all go.

    What is left of a group is brought to the nearest multiple of MULTIPLE, and is never less.
    """
    every = torch.cat(tuple(worth))
    count = int(share * len(every))
    limit = float(every.kthvalue(count).values) if count else -math.inf
    for each in worth:
        left = int((each > limit).sum())
        left = min(len(each), max(MULTIPLE, (left + MULTIPLE // 2) // MULTIPLE * MULTIPLE))
        yield each.argsort(stable=True)[: len(each) - left]


def _rises(model: nn.Module, group: Group, statistics: Mapping[str, Statistics]) -> Tensor:
    """(channels,) the predicted rise of the loss when each goes, never less than one before it."""
    rises = torch.full((group.channels,), math.inf)
    hearers = [
        _Hearer(
            by_channel(model.get_submodule(path), group.inputs_per_channel(path)),  # type: ignore[arg-type]
            statistics[path],
            channels,
        )
        for path, channels in group.heard_by().items()
        if statistics[path].moments is not None
    ]
    staying = torch.arange(group.channels)
    bundle, highest = max(MULTIPLE, group.channels // BUNDLES), 0.0
    while hearers and len(staying) > MULTIPLE:
        going = _next(hearers, min(bundle, len(staying) - MULTIPLE)).cpu()
        together = sum(hearer.remove(going) for hearer in hearers) / len(going)
        highest = max(highest, together)
        rises[staying[going]] = highest
        staying = _without(staying, going)
    return rises


def _next(hearers: Sequence[_Hearer], most: int) -> Tensor:
    """Up to `most` channels that the loss rises least by, MULTIPLE of them in any case.

    One that another of them speaks for waits, unless nobody hears it.
    """
    rise = torch.stack([hearer.rises() for hearer in hearers]).sum(0)
    least = rise.topk(min(2 * most, len(rise)), largest=False)
    depend = torch.stack([hearer.dependence(least.indices) for hearer in hearers]).amax(0)
    waits = (depend > DEPENDENT).tril(-1).any(1) & (least.values > 0)
    count = min(most, max(MULTIPLE, int((~waits).sum())))
    return torch.cat([least.indices[~waits], least.indices[waits]])[:count]


class _Hearer:
    """A layer that a group's channels enter, as far as they do.

    With the moments C of what enters and the weights W, `inverse` is that of C, and `matters` is
    W' S W with the sensitivities S of the outputs: the loss rises by half of `matters` at a channel
    over `inverse` there, when it goes and the others make up for it. The errors at different
    positions of a kernel are taken as independent.
    """

    def __init__(self, weight: Tensor, statistics: Statistics, channels: Tensor) -> None:
        assert statistics.moments is not None
        moments = statistics.moments[channels][:, channels]
        self._inverse: Tensor = torch.linalg.inv(damped(moments))
        weight = weight[:, channels]
        weighed = weight * statistics.sensitivity[:, None, None]
        self._matters: Tensor = torch.tensordot(weighed, weight, dims=([0, 2], [0, 2]))

    def rises(self) -> Tensor:
        """(channels,) if each goes alone."""
        alone: Tensor = self._matters.diagonal() / self._inverse.diagonal() / 2
        return alone

    def dependence(self, among: Tensor) -> Tensor:
        """(n, n) how much each of `among` (n,) says of each other that no third one does, 0 to 1:
        the partial correlation."""
        inverse = self._inverse[among][:, among]
        scale = inverse.diagonal().sqrt()
        return (inverse / scale / scale[:, None]).abs()

    def remove(self, going: Tensor) -> float:
        """Take channels out and let the others make up for them; what the loss rises by."""
        going = going.to(self._inverse.device)
        joint = torch.linalg.inv(self._inverse[going][:, going])
        between = self._matters[going][:, going]
        rise = float((joint * between).sum()) / 2
        made_up = joint @ self._inverse[going]
        crossing = self._matters[:, going] @ made_up
        matters = self._matters - crossing - crossing.T + made_up.T @ between @ made_up
        inverse = self._inverse - self._inverse[:, going] @ made_up
        self._matters, self._inverse = (
            _without(_without(square, going).T, going).T for square in (matters, inverse)
        )
        return rise


def _without(tensor: Tensor, rows: Tensor) -> Tensor:
    staying = torch.ones(len(tensor), dtype=torch.bool, device=tensor.device)
    staying[rows.to(tensor.device)] = False
    return tensor[staying]


def _multiply_adds(model: nn.Module, group: Group, statistics: Mapping[str, Statistics]) -> float:
    """Those of an image that one channel of the group takes, on both sides, in the whole model."""
    total = 0.0
    for member in group.members:
        layer = model.get_submodule(member.path) if member.path in statistics else None
        if isinstance(layer, nn.Conv2d | nn.Linear):
            weights = layer.weight.numel() / layer.weight.shape[1 if member.entering else 0]
            total += weights * statistics[member.path].positions * len(member.channels)
    return total / group.channels
