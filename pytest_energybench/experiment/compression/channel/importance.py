"""The order in which channels are removed: predicted rise of the loss per time saved.

The rise is predicted for a layer that was refitted to the remaining channels (`reconstruct`). This
is optimal brain surgery (Hassibi and Stork 1993) with channels in place of single weights. Channels
are removed in bundles, and the rest are judged anew after each: of two redundant channels one may
go, not both.

Refitting predicts the input from removed channels, position by position, from the remaining ones,
by least squares over real images, and folds that into the weights (He, Zhang and Sun 2017, Section
3.1, with the channels known). It uses no labels and no training.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from pytest_energybench.experiment.compression.channel.groups import Group, inputs_per_channel
from pytest_energybench.experiment.compression.channel.statistics import Statistics, by_channel

BUNDLES = 16
"""A bundle has at most one part in `BUNDLES` of a group's channels, and at least the group's
multiple."""

DEPENDENT = 0.3
"""Two channels with a partial correlation above this do not go in one bundle. Lower it to remove
fewer channels at once. Measurements: docs/design-notes.md, Constants of channel removal."""

RIDGE = 1e-2
"""Added to the mean square of a channel, as a share of the layer's mean. Without it, weights that
cancel each other leave a model that the first steps of training shake."""


def importances(
    model: nn.Module, groups: Sequence[Group], statistics: Mapping[str, Statistics]
) -> tuple[Tensor, ...]:
    """The importance of every channel of every group, (channels,) each: the lowest go first.

    The worth is the predicted rise of the loss over the multiply-adds that an image saves, both
    when it goes, and infinite for as many as a group must keep; only comparable within one call.
    """
    return tuple(
        _rises(model, group, statistics) / _multiply_adds(model, group, statistics)
        for group in groups
    )


def least(groups: Sequence[Group], worth: Sequence[Tensor], share: float) -> Iterator[Tensor]:
    """For every group the channels that go when `share` of all go, by their `worth`.

    What is left of a group is brought to the nearest multiple that it may have.
    """
    every = torch.cat(tuple(worth))
    count = int(share * len(every))
    limit = float(every.kthvalue(count).values) if count else -math.inf
    for group, each in zip(groups, worth, strict=True):
        left = int((each > limit).sum())
        nearest = (left + group.multiple // 2) // group.multiple * group.multiple
        left = min(len(each), max(group.multiple, nearest))
        yield each.argsort(stable=True)[: len(each) - left]


def _rises(model: nn.Module, group: Group, statistics: Mapping[str, Statistics]) -> Tensor:
    """(channels,) the predicted rise of the loss when each goes, never less than one before it."""
    rises = torch.full((group.channels,), math.inf)
    heard_by = [
        (path, channels)
        for path, channels in group.heard_by().items()
        if statistics[path].moments is not None
    ]
    if not heard_by:
        return rises
    consumers = _Consumers(
        torch.stack([_inverse(statistics[path], channels) for path, channels in heard_by]),
        torch.stack(
            [
                _matters(
                    by_channel(model.get_submodule(path), group.inputs_per_channel(path)),  # type: ignore[arg-type]
                    statistics[path],
                    channels,
                )
                for path, channels in heard_by
            ]
        ),
    )
    staying = torch.arange(group.channels)
    bundle, highest = max(group.multiple, group.channels // BUNDLES), 0.0
    while len(staying) > group.multiple:
        going = consumers.next(min(bundle, len(staying) - group.multiple), group.multiple)
        stay = torch.ones(len(staying), dtype=torch.bool)
        stay[going.cpu()] = False
        highest = max(highest, consumers.remove(going, stay.nonzero().flatten()) / len(going))
        rises[staying[~stay]] = highest
        staying = staying[stay]
    return rises


def _inverse(statistics: Statistics, channels: Tensor) -> Tensor:
    """(n, n) that of the moments of those `channels` (n,) of a layer."""
    assert statistics.moments is not None
    inverse: Tensor = torch.linalg.inv(damped(statistics.moments[channels][:, channels]))
    return inverse


def _matters(weight: Tensor, statistics: Statistics, channels: Tensor) -> Tensor:
    """(n, n) W' S W of those `channels` (n,): `weight` (outputs, channels, weights a channel) and
    the sensitivities of the outputs. The errors at different positions of a kernel are taken as
    independent."""
    weight = weight[:, channels]
    weighed = weight * statistics.sensitivity[:, None, None]
    matters: Tensor = torch.tensordot(weighed, weight, dims=([0, 2], [0, 2]))
    return matters


class _Consumers:
    """The layers that a group's channels enter, as far as they do.

    `inverse` (layers, channels, channels) are those of the moments of what enters, and `matters`,
    of the same shape, tells how much each pair of channels matters to the loss: it rises by half of
    `matters` at a channel over `inverse` there, when it goes and the others make up for it.
    """

    def __init__(self, inverse: Tensor, matters: Tensor) -> None:
        self._inverse = inverse
        self._matters = matters

    def next(self, most: int, fewest: int) -> Tensor:
        """From `fewest` up to `most` channels with the smallest rise of the loss.

        A channel waits if it is redundant with one that goes now, unless no layer reads it. The
        partial correlation tells what two channels share with no third one.
        """
        scale = self._inverse.diagonal(dim1=1, dim2=2)
        rise = (self._matters.diagonal(dim1=1, dim2=2) / scale).sum(0) / 2
        least = rise.topk(min(2 * most, len(rise)), largest=False)
        among = least.indices
        root = scale[:, among].sqrt()
        partial = self._inverse[:, among][:, :, among] / root[:, :, None] / root[:, None, :]
        waits = (partial.abs().amax(0) > DEPENDENT).tril(-1).any(1) & (least.values > 0)
        count = min(most, max(fewest, int((~waits).sum())))
        return torch.cat([among[~waits], among[waits]])[:count]

    def remove(self, going: Tensor, staying: Tensor) -> float:
        """Remove channels and refit to those `staying`; gives the rise of the loss."""
        staying = staying.to(going.device)
        across, rows = self._inverse[:, going], self._matters[:, going]
        joint = torch.linalg.inv(across[:, :, going])
        between = rows[:, :, going]
        made_up = joint @ across[:, :, staying]
        crossing = rows[:, :, staying]
        self._inverse = _square(self._inverse, staying).baddbmm_(
            across[:, :, staying].mT, made_up, alpha=-1
        )
        self._matters = (
            _square(self._matters, staying)
            .baddbmm_(crossing.mT, made_up, alpha=-1)
            .baddbmm_(made_up.mT, crossing - between @ made_up, alpha=-1)
        )
        return float((joint * between).sum()) / 2


def _square(matrices: Tensor, of: Tensor) -> Tensor:
    """Rows and columns `of` each matrix."""
    return matrices[:, of][:, :, of]


def _multiply_adds(model: nn.Module, group: Group, statistics: Mapping[str, Statistics]) -> float:
    """Those of an image that one channel of the group takes, on both sides, in the whole model."""
    total = 0.0
    for member in group.members:
        layer = model.get_submodule(member.path) if member.path in statistics else None
        if isinstance(layer, nn.Conv2d | nn.Linear):
            weights = layer.weight.numel() / layer.weight.shape[1 if member.entering else 0]
            total += weights * statistics[member.path].positions * len(member.channels)
    return total / group.channels


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
