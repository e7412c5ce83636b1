"""Factorized layers: singular values of a weight, and a dense layer as two thinner ones.

A convolution's weight is read as a matrix (out, in x height x width). Truncated to rank r it is the
kernel convolution to r channels followed by a 1x1 convolution, two dense layers, so that less
arithmetic is really done: r (m + n) weights instead of m n.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import TypeGuard, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from pytest_energybench.experiment.compression.bits import truncate
from pytest_energybench.experiment.compression.targets import shared
from pytest_energybench.experiment.training.errors import SettingError
from pytest_energybench.experiment.training.evaluate import logits_of

Layer = nn.Conv2d | nn.Linear


@dataclass(frozen=True, slots=True)
class Spectrum:
    """The singular value decomposition of a layer's weight; one serves every rank.

    `left` (out, k), `values` (k,) falling, `right` (k, in, height, width), or (k, in) of a linear
    layer; k is the smaller side of the matrix.
    """

    left: Tensor
    values: Tensor
    right: Tensor

    @classmethod
    def of(cls, layer: Layer) -> Spectrum:
        """Decompose the float32 weight of `layer`."""
        weight = layer.weight.detach()
        left, values, right = singular(weight.reshape(len(weight), -1))
        return cls(left, values, right.reshape(-1, *weight.shape[1:]))

    @property
    def most(self) -> int:
        """The largest rank that takes fewer weights than the dense layer; 0 if none does."""
        rows, columns = len(self.left), self.right[0].numel()
        return (rows * columns - 1) // (rows + columns)

    def weight(self, rank: int, zeroed: int = 0) -> Tensor:
        """The weight truncated to `rank`, in the layer's shape: what the two layers do together.

        With their `zeroed` low-order bits zero.
        """
        inner, outer = (truncate(factor, zeroed) for factor in self.factors(0, rank))
        return (outer.flatten(1) @ inner.flatten(1)).reshape(-1, *inner.shape[1:])

    def factors(self, first: int, last: int) -> tuple[Tensor, Tensor]:
        """The two layers' weights for components `first` to `last`, the latter excluded.

        Each gets the root of the singular values: then both have gradients of one size.
        """
        root = self.values[first:last].sqrt()
        inner = self.right[first:last] * root.view(-1, *[1] * (self.right.dim() - 1))
        outer = self.left[:, first:last] * root
        return inner, outer.reshape(*outer.shape, *[1] * (self.right.dim() - 2))


def singular(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """`torch.linalg.svd(matrix, full_matrices=False)` of a float32 matrix, several times quicker.

    From the eigenvectors of its product with itself, which is no larger than the smaller side. That
    squares the singular values, and in float64 they have room for it: sums of components come out
    as near to the matrix as those of torch's own float32. A direction in which the matrix is zero,
    up to 1e-8 of its norm, has no vector on the longer side but zeros, or next to them.
    """
    rows, columns = matrix.shape
    wide = matrix.double() if rows <= columns else matrix.double().t()
    squares, vectors = torch.linalg.eigh(wide @ wide.t())
    values, short = squares.flip(0).clamp(min=0).sqrt(), vectors.flip(1)
    long = (short.t() @ wide) / values.where(values > 0, 1)[:, None]
    left, right = (short, long) if rows <= columns else (long.t(), short.t())
    return left.float().contiguous(), values.float(), right.float().contiguous()


class Factorized(nn.Module):
    """A layer of limited rank: from the inputs to `rank` channels, from those to the outputs.

    A depthwise or grouped convolution can't go through channels that all its groups share: its two
    weights are stored, and multiplied in every pass.
    """

    def __init__(self, layer: Layer, inner: Tensor, outer: Tensor) -> None:
        """Stand in for `layer`, with weights as `Spectrum.factors` gives them."""
        super().__init__()
        rank = len(inner)
        bias = layer.bias is not None
        self.groups = layer.groups if isinstance(layer, nn.Conv2d) else 1
        if isinstance(layer, nn.Conv2d):
            self.inner: Layer = nn.Conv2d(
                layer.in_channels // layer.groups,
                rank,
                _pair(layer.kernel_size),
                _pair(layer.stride),
                layer.padding if isinstance(layer.padding, str) else _pair(layer.padding),
                _pair(layer.dilation),
                bias=False,
                padding_mode=layer.padding_mode,
            )
            self.outer: Layer = nn.Conv2d(rank, layer.out_channels, 1, bias=bias)
        else:
            self.inner = nn.Linear(layer.in_features, rank, bias=False)
            self.outer = nn.Linear(rank, layer.out_features, bias=bias)
        self._set(inner, outer, trains=layer.weight.requires_grad)
        if layer.bias is not None:
            self.outer.bias = nn.Parameter(layer.bias.detach().clone(), layer.bias.requires_grad)

    def forward(self, images: Tensor) -> Tensor:
        """What the dense layer would do with the product of both weights."""
        if self.groups == 1:
            result: Tensor = self.outer(self.inner(images))
            return result
        inner = cast(nn.Conv2d, self.inner)
        if inner.padding_mode != "zeros":
            images = functional.pad(
                images, inner._reversed_padding_repeated_twice, inner.padding_mode
            )
        padding = inner.padding if inner.padding_mode == "zeros" else 0
        return functional.conv2d(
            images,
            self.weight,
            self.outer.bias,
            _pair(inner.stride),
            padding if isinstance(padding, str | int) else _pair(padding),
            _pair(inner.dilation),
            self.groups,
        )

    @property
    def weight(self) -> Tensor:
        """The product of both weights, for models that read the weight of their layer."""
        product = self.outer.weight.flatten(1) @ self.inner.weight.flatten(1)
        return product.reshape(-1, *self.inner.weight.shape[1:])

    @property
    def bias(self) -> Tensor | None:
        """That of the layer it stands in for."""
        return self.outer.bias

    @property
    def rank(self) -> int:
        """The number of channels between the two layers."""
        return len(self.inner.weight)

    @property
    def weights(self) -> int:
        """The number of weights of both layers, biases left out."""
        return self.inner.weight.numel() + self.outer.weight.numel()

    def extend(self, spectrum: Spectrum, rank: int) -> None:
        """Add the next components of `spectrum`, up to `rank`; what is trained stays."""
        inner, outer = spectrum.factors(self.rank, rank)
        self._set(
            torch.cat([self.inner.weight.detach(), inner]),
            torch.cat([self.outer.weight.detach(), outer], dim=1),
            trains=self.inner.weight.requires_grad,
        )
        if isinstance(self.inner, nn.Conv2d) and isinstance(self.outer, nn.Conv2d):
            self.inner.out_channels = self.outer.in_channels = rank
        elif isinstance(self.inner, nn.Linear) and isinstance(self.outer, nn.Linear):
            self.inner.out_features = self.outer.in_features = rank

    def _set(self, inner: Tensor, outer: Tensor, *, trains: bool) -> None:
        for layer, weight in ((self.inner, inner), (self.outer, outer)):
            order = torch.channels_last if weight.dim() == 4 else torch.contiguous_format
            layer.weight = nn.Parameter(weight.clone(memory_format=order), trains)


def factorizable(model: nn.Module, examples: Tensor, chosen: str = "wide") -> dict[str, Layer]:
    """The layers that low-rank factorization may take, by path, in the order they run.

    `wide`: convolutions but not depthwise or grouped ones, and linear layers that are applied to
    every pixel, which are 1x1 convolutions in another spelling (ConvNeXt's pointwise ones), or to
    every token, but for the head that gives the logits of each.
    `paper`: all convolutions, depthwise ones included, and no linear layer, which is the set that
    the paper's mean ranks fit. `examples`, (batch, 3, size, size) or tokens, are run to see which.

    Neither takes a layer that computes in a way of its own, which two of torch's would not, nor one
    whose weight another module has, too: two thinner ones for each would be more to store, not
    less. Raises SettingError where no layer is left.
    """
    found: dict[str, Layer] = {}
    gave: dict[str, object] = {}
    tied = shared(model)

    def look(path: str, layer: nn.Module, inputs: tuple[Tensor, ...], output: object) -> None:
        if not _computes_as_torch(layer) or layer.weight in tied:
            return
        of_paper = chosen == "paper"
        convolves = isinstance(layer, nn.Conv2d) and (of_paper or layer.groups == 1)
        applied = isinstance(layer, nn.Linear) and not of_paper and inputs[0].dim() > 2
        if convolves or applied:
            found[path] = layer
            gave[path] = output

    handles = [
        layer.register_forward_hook(partial(look, path)) for path, layer in model.named_modules()
    ]
    try:
        model.eval()
        with torch.no_grad():
            logits = logits_of(model(examples))
    finally:
        for handle in handles:
            handle.remove()
    taken = {path: layer for path, layer in found.items() if gave[path] is not logits}
    if not taken:
        kinds = (
            "2d convolution" if chosen == "paper" else "2d convolution or pointwise linear layer"
        )
        raise SettingError(
            f"{type(model).__name__} has no {kinds} that low-rank factorization could take:"
            " leave lowrank out of the methods"
        )
    return taken


def _computes_as_torch(layer: nn.Module) -> TypeGuard[Layer]:
    """Whether it is a convolution or linear layer and not a kind of it that computes otherwise."""
    if isinstance(layer, nn.Conv2d):
        ways = (type(layer).forward, type(layer)._conv_forward)
        return ways == (nn.Conv2d.forward, nn.Conv2d._conv_forward)
    return isinstance(layer, nn.Linear) and type(layer).forward == nn.Linear.forward


def replace_module(model: nn.Module, path: str, module: nn.Module) -> None:
    """Put `module` where that at `path` is, and at each other place that it has in `model`."""
    before = model.get_submodule(path)
    for parent in tuple(model.modules()):
        for name, child in tuple(parent._modules.items()):
            if child is before:
                setattr(parent, name, module)


def total_weights(layers: Iterable[nn.Module]) -> int:
    """Weights of dense and factorized layers, biases left out."""
    return sum(
        layer.weights if isinstance(layer, Factorized) else cast(Layer, layer).weight.numel()
        for layer in layers
    )


def _pair(values: tuple[int, ...]) -> tuple[int, int]:
    first, second = values
    return first, second
