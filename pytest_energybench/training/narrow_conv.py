"""Convolutions whose bfloat16 weight gradient is one matrix product, for CPUs.

oneDNN's bfloat16 backward pass by weight is slow where few pixels are left: it can take longer than
in float32, while a matrix product in bfloat16 runs at its full speed. Measured on two cores with
AVX512-BF16 at batch 32, milliseconds (float32 convolution, bfloat16 convolution, bfloat16 product):
512 to 512 channels 3x3 on 2x2 pixels 3.6, 5.0, 1.0; 256 to 256 3x3 on 4x4 1.8, 2.3, 1.1;
2048 to 512 1x1 on 2x2 3.1, 3.7, 0.4. In float32 the convolution is the faster one almost
everywhere, so a model that runs in float32 keeps torch's.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

MOST_PIXELS = 16
"""Output pixels an image may have for kernels larger than 1x1: on more, gathering each pixel's
neighbourhood costs what the product saves (128 to 128 3x3 on 8x8: 1.0 ms, 1.2 ms as a product)."""


class NarrowConv2d(nn.Conv2d):
    """`nn.Conv2d` with another way to the gradient of its weights; results are the same sums."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        # Without gradients there is nothing to change, and the plain call is a little cheaper.
        if not (torch.is_grad_enabled() and weight.requires_grad):
            plain: Tensor = super()._conv_forward(input, weight, bias)
            return plain
        result: Tensor = _Convolution.apply(
            input, weight, bias, _pair(self.stride), _pair(self.padding)
        )
        return result


def convert(model: nn.Module) -> None:
    """Let those convolutions of `model` take the matrix product that it serves; in place."""
    for module in model.modules():
        if type(module) is nn.Conv2d and _suits(module):
            module.__class__ = NarrowConv2d


def revert(model: nn.Module) -> None:
    """Undo `convert`."""
    for module in model.modules():
        if type(module) is NarrowConv2d:
            module.__class__ = nn.Conv2d  # type: ignore[assignment]


def _suits(module: nn.Conv2d) -> bool:
    return (
        module.groups == 1
        and _pair(module.dilation) == (1, 1)
        and not isinstance(module.padding, str)
        and module.padding_mode == "zeros"
        and module.in_channels >= 16
    )


def _pair(value: Any) -> tuple[int, int]:
    first, second = value
    return int(first), int(second)


class _Convolution(torch.autograd.Function):
    """A convolution, its weight gradient by `weight_gradient` where that is the faster way."""

    @staticmethod
    def forward(
        ctx: Any,
        images: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: tuple[int, int],
        padding: tuple[int, int],
    ) -> Tensor:
        ctx.save_for_backward(images, weight)
        ctx.stride, ctx.padding, ctx.biased = stride, padding, bias is not None
        return functional.conv2d(images, weight, bias, stride, padding)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        images, weight = ctx.saved_tensors
        rows, columns = gradient.shape[2:]
        product = tuple(weight.shape[2:]) == (1, 1) or rows * columns <= MOST_PIXELS
        wanted = [ctx.needs_input_grad[0], not product, ctx.biased]
        by_input = by_weight = by_bias = None
        if any(wanted):
            by_input, by_weight, by_bias = torch.ops.aten.convolution_backward(
                gradient,
                images,
                weight,
                [weight.shape[0]] if ctx.biased else None,
                ctx.stride,
                ctx.padding,
                (1, 1),
                False,
                (0, 0),
                1,
                wanted,
            )
        if product:
            by_weight = weight_gradient(gradient, images, weight, ctx.stride, ctx.padding)
        return by_input, by_weight, by_bias, None, None


def weight_gradient(
    gradient: Tensor,
    images: Tensor,
    weight: Tensor,
    stride: tuple[int, int],
    padding: tuple[int, int],
) -> Tensor:
    """The gradient by `weight` (out, in, height, width) of a convolution, as one matrix product.

    `gradient` (batch, out, rows, columns) is that of its result, `images` (batch, in, ...) what it
    was applied to. With channels last every pixel's neighbourhood (height, width, in) is one row of
    a matrix, and the product's rows are the weight's memory as it lies there.
    """
    out, channels, height, width = weight.shape
    batch, _, rows, columns = gradient.shape
    pixels = images.permute(0, 2, 3, 1)
    if any(padding):
        pixels = functional.pad(pixels, (0, 0, padding[1], padding[1], padding[0], padding[0]))
    by_image, by_row, by_column, by_channel = pixels.stride()
    neighbourhoods = pixels.as_strided(
        (batch, rows, columns, height, width, channels),
        (by_image, by_row * stride[0], by_column * stride[1], by_row, by_column, by_channel),
        pixels.storage_offset(),
    ).reshape(batch * rows * columns, height * width * channels)
    wanted = gradient.permute(0, 2, 3, 1).reshape(batch * rows * columns, out)
    product = torch.mm(wanted.t(), neighbourhoods)
    return product.view(out, height, width, channels).permute(0, 3, 1, 2)
