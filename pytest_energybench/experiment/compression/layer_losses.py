"""The predicted loss of truncating each layer to each rank, from one pass.

To first order the loss changes by the output error of the truncated layer times the gradient of the
loss by that output. For a weight that is a sum of components (`Spectrum`), the error of rank r is
the sum of the components from r on, so a pass over real images with both ends of every component
tells all ranks at once: as much arithmetic as running the layer once more forwards and backwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import islice

import torch
from torch import Tensor, nn
from torch.nn import functional

from pytest_energybench.experiment.compression.factorized import Layer, Spectrum
from pytest_energybench.experiment.training.datasets.data import Split
from pytest_energybench.experiment.training.evaluate import logits_and_loss

BATCHES = 3


def predicted_losses(
    model: nn.Module,
    layers: Mapping[str, Layer],
    spectra: Mapping[str, Spectrum],
    split: Split,
    batch_size: int,
) -> dict[str, Tensor]:
    """For every layer a tensor (k + 1,): the predicted loss at rank 0 to k, never rising.

    It is the sum over output positions of (gradient . output error) squared, on the first BATCHES
    batches of `split`; only comparable within one call. A layer through which the model lets no
    gradient pass (`torch.no_grad` around it) is left out: of that nothing is known.
    """
    losses: dict[str, Tensor] = {}

    def look(path: str, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            return output
        if not output.requires_grad:  # of frozen layers: a copy, as leaves can't change in place
            output = output.detach().requires_grad_().clone()
        # A hook on the tensor, not on the module: it holds when a ReLU changes the output in place.
        images = inputs[0].detach()
        output.register_hook(partial(add, path, layer, images))  # type: ignore[no-untyped-call]
        return output

    @torch.no_grad()
    def add(path: str, layer: nn.Module, images: Tensor, gradient: Tensor) -> None:
        loss = _squared_errors(layer, spectra[path], images, gradient)
        losses[path] = losses.get(path, 0.0) + loss

    handles = [layer.register_forward_hook(partial(look, path)) for path, layer in layers.items()]
    try:
        model.eval()
        for images, labels in islice(split.ordered(batch_size), BATCHES):
            _, loss = logits_and_loss(model, images, labels)
            loss.backward()  # type: ignore[no-untyped-call]
    finally:
        for handle in handles:
            handle.remove()
        model.zero_grad(set_to_none=True)
    return {path: _falling(losses[path]) for path in layers if path in losses}


def _squared_errors(layer: nn.Module, spectrum: Spectrum, images: Tensor, by: Tensor) -> Tensor:
    """For ranks 0 to k - 1 the sum over positions of (gradient `by` . output error) squared."""
    if isinstance(layer, nn.Conv2d) and layer.groups > 1:
        changes = _grouped_changes(layer, spectrum, images, by)
    else:
        changes = _changes(layer, spectrum, images, by)
    from_rank = changes.flip(-1).cumsum(-1).flip(-1)
    return from_rank.square().sum(0)


def _changes(layer: nn.Module, spectrum: Spectrum, images: Tensor, by: Tensor) -> Tensor:
    """(positions, k): how each component changes the loss, to first order."""
    if isinstance(layer, nn.Conv2d):
        convolve = partial(
            functional.conv2d, stride=layer.stride, padding=layer.padding, dilation=layer.dilation
        )
        entering = convolve(images, spectrum.right).movedim(1, -1).flatten(0, -2)
        by = by.movedim(1, -1)
    else:
        entering = functional.linear(images, spectrum.right).flatten(0, -2)
    leaving = by.flatten(0, -2) @ spectrum.left
    return entering * leaving * spectrum.values


def _grouped_changes(layer: nn.Conv2d, spectrum: Spectrum, images: Tensor, by: Tensor) -> Tensor:
    """The same of a grouped convolution, component by component: each group has its own input."""
    changes = []
    for left, value, right in zip(spectrum.left.t(), spectrum.values, spectrum.right, strict=True):
        weight = left.view(-1, 1, 1, 1) * right
        part = functional.conv2d(
            images, weight, None, layer.stride, layer.padding, layer.dilation, layer.groups
        )
        changes.append(((part * by).sum(1) * value).flatten())
    return torch.stack(changes, dim=-1)


def _falling(loss: Tensor) -> Tensor:
    """With a zero for the full rank at the end, and no rank predicted worse than a lower one."""
    whole = torch.cat([loss, loss.new_zeros(1)])
    return whole.flip(0).cummax(0).values.flip(0)
