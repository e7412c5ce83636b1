"""What enters each layer, and how much its outputs matter, from one pass over real images.

`importance` predicts from it the cost of removing any set of channels, and the weights that
compensate for them, without running the model again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice

import torch
from torch import Tensor, nn

from pytest_energybench.experiment.training.datasets.data import Split
from pytest_energybench.experiment.training.distributed import current
from pytest_energybench.experiment.training.evaluate import logits_and_loss

BATCHES = 8
"""Batches of training images that the statistics are taken from. More of them change the result by
no more than chance: docs/design-notes.md, Constants of channel removal."""

ROWS = 16
"""Positions sampled for each channel that enters a layer. More of them double the time of the pass
and change no more than another choice of images does."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of one layer with `channels` entering and `outputs` leaving.

    `moments` (channels, channels): the mean, over images and positions, of one entering channel
    times another; None if a layer does not mix its channels (depthwise convolutions).
    `sensitivity` (outputs,): the squared gradient of an image's loss by an output, summed over
    positions, the mean over images. `positions` is how many outputs a channel has for an image.
    """

    moments: Tensor | None
    sensitivity: Tensor
    positions: int


def by_channel(layer: nn.Conv2d | nn.Linear, inputs_per_channel: int = 1) -> Tensor:
    """A copy of a layer's weight as (outputs, entering channels, weights a channel).

    A linear layer after a flattened image has `inputs_per_channel` inputs, one after the other.
    """
    weight = layer.weight.detach()
    if isinstance(layer, nn.Linear):
        return weight.clone().view(layer.out_features, -1, inputs_per_channel)
    return weight.clone(memory_format=torch.contiguous_format).flatten(2)


def collect(
    model: nn.Module, split: Split, batch_size: int, inputs_per_channel: Mapping[str, int]
) -> dict[str, Statistics]:
    """The statistics of every convolution and linear layer that runs in evaluation, by path.

    From the first BATCHES batches of `split`. `inputs_per_channel` names the linear layers where
    that is not one. The model's own gradients stay as they are; of several ranks all get the same.
    """
    layers = {
        path: layer
        for path, layer in model.named_modules()
        if isinstance(layer, nn.Conv2d | nn.Linear)
    }
    sums = {path: _Sums(layer, inputs_per_channel.get(path, 1)) for path, layer in layers.items()}
    handles = [
        handle
        for path, layer in layers.items()
        for handle in (
            layer.register_forward_pre_hook(sums[path].enters),
            layer.register_forward_hook(sums[path].leaves),
        )
    ]
    # Tokens have no gradient, what they are embedded as has one.
    handles += [
        module.register_forward_hook(lambda _, __, output: output.requires_grad_())
        for module in model.modules()
        if isinstance(module, nn.Embedding)
    ]
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    try:
        model.eval()
        # The weights' own gradients would take a third of the time and are not looked at.
        model.requires_grad_(False)
        for images, labels in islice(split.ordered(batch_size), BATCHES):
            entering = images.detach().requires_grad_(images.is_floating_point())
            _, loss = logits_and_loss(model, entering, labels)
            loss.backward()  # type: ignore[no-untyped-call]
    finally:
        for parameter in trained:
            parameter.requires_grad_()
        for handle in handles:
            handle.remove()
    ran = {path: each.statistics() for path, each in sums.items() if each.images}
    current().equalise(
        tensor
        for each in ran.values()
        for tensor in (each.moments, each.sensitivity)
        if tensor is not None
    )
    return ran


class _Sums:
    """Adds up what passes one layer."""

    def __init__(self, layer: nn.Conv2d | nn.Linear, inputs_per_channel: int) -> None:
        self._mixes = isinstance(layer, nn.Linear) or layer.groups == 1
        self._inputs_per_channel = inputs_per_channel
        self._moments = layer.weight.new_zeros(())
        self._rows = self._batches = 0
        self._sensitivity = layer.weight.new_zeros(())
        self._positions = 0
        self.images = 0

    @torch.no_grad()
    def enters(self, layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if not self._mixes:
            return
        entering = inputs[0].detach()
        if isinstance(layer, nn.Conv2d):
            entering = entering.movedim(1, -1)
        elif self._inputs_per_channel > 1:
            rows = entering.flatten(0, -2)
            entering = rows.view(len(rows), -1, self._inputs_per_channel).mT
        entering = self._some(entering.flatten(0, -2))
        self._batches += 1
        self._moments = self._moments + entering.T @ entering
        self._rows += len(entering)

    def _some(self, rows: Tensor) -> Tensor:
        """(n, channels) not all of `rows`, where there are enough of them.

        An odd step, and another first one in each batch, so that it is not always the same column
        of an image.
        """
        step = len(rows) * BATCHES // (ROWS * rows.shape[1]) | 1
        return rows[self._batches % step :: step]

    def leaves(self, layer: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> Tensor:
        # A hook on the tensor, not on the module: it holds when a ReLU changes the output in place.
        if not torch.is_grad_enabled():  # where the model asks for no gradients, nothing is cut
            return output
        if not output.requires_grad:  # the first layer behind that: a copy may change in place
            output = output.detach().requires_grad_().clone()
        at = 1 if isinstance(layer, nn.Conv2d) else -1
        self.images += len(output)
        self._positions = output[0].numel() // output.shape[at]
        output.register_hook(partial(self._matters, at))  # type: ignore[no-untyped-call]
        return output

    @torch.no_grad()
    def _matters(self, at: int, gradient: Tensor) -> None:
        # The gradient is that of the mean over a batch.
        squared = (gradient * len(gradient)).square().movedim(at, -1)
        self._sensitivity = self._sensitivity + squared.flatten(0, -2).sum(0)

    def statistics(self) -> Statistics:
        return Statistics(
            moments=self._moments / self._rows if self._mixes else None,
            sensitivity=self._sensitivity / self.images,
            positions=self._positions,
        )
