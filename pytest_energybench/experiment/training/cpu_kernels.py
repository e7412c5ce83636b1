"""The ways in which a CPU can compute a layer.

torch's own kernels are slow in places, and where depends on the processor, the number type and the
version of oneDNN: a bfloat16 weight gradient can take longer than in float32. So each direction of
a layer's call (its result, the gradient by its input, the gradient by its weight) has several ways,
of which `kernel_choice` takes the quickest. Ways are offered to float32 and to narrow types alike,
so that no method trains with kernels that the baseline lacks. `docs/design-notes.md` has
measurements.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

OWN: Final = "torch's own"
FLOAT32: Final = "float32"
PRODUCT: Final = "matrix product"
TOEPLITZ: Final = "matrix per channel"

MOST_ELEMENTS: Final = 1 << 24
"""Numbers in the largest matrix that a way may build (64 MiB in float32)."""

SMALL_MAP: Final = 64
"""Pixels of the largest result whose neighbourhoods are laid out for a product: there torch's own
convolution was quicker already, and trying more takes time (docs/design-notes.md)."""


class Call(NamedTuple):
    """What the time of a layer's call depends on; a linear layer has no `stride`.

    `images` (batch, in, rows, columns) or (rows, in); `weight` as torch has it. `trains`: gradients
    will be asked for.
    """

    images: tuple[int, ...]
    weight: tuple[int, ...]
    dtype: torch.dtype
    stride: tuple[int, int] = (0, 0)
    padding: tuple[int, int] = (0, 0)
    groups: int = 1
    trains: bool = True

    @property
    def linear(self) -> bool:
        """Whether the layer is a linear one, else a convolution."""
        return len(self.weight) == 2

    @property
    def depthwise(self) -> bool:
        """Whether every channel has a kernel of its own."""
        return not self.linear and self.groups == self.weight[0] == self.images[1]

    @property
    def result(self) -> tuple[int, ...]:
        """The shape of the result."""
        if self.linear:
            return (*self.images[:-1], self.weight[0])
        sides = (
            (side + 2 * pad - kernel) // step + 1
            for side, pad, kernel, step in zip(
                self.images[2:], self.padding, self.weight[2:], self.stride, strict=True
            )
        )
        return (self.images[0], self.weight[0], *sides)


Kernel = Callable[[Call, Tensor, Tensor], Tensor]
"""Forward from (images, weight), by input from (gradient, weight), by weight from (gradient,
images); biases are added outside."""


def forward_own(call: Call, images: Tensor, weight: Tensor) -> Tensor:
    if call.linear:
        return functional.linear(images, weight)
    return functional.conv2d(images, weight, None, call.stride, call.padding, 1, call.groups)


def by_input_own(call: Call, gradient: Tensor, weight: Tensor) -> Tensor:
    if call.linear:
        return gradient.matmul(weight)
    return _backward(call, gradient, gradient.new_empty(1).expand(call.images), weight, 0)


def by_weight_own(call: Call, gradient: Tensor, images: Tensor) -> Tensor:
    if call.linear:
        return _rows(gradient).t() @ _rows(images)
    return _backward(call, gradient, images, images.new_empty(1).expand(call.weight), 1)


def forward_product(call: Call, images: Tensor, weight: Tensor) -> Tensor:
    """One matrix product of every pixel's neighbourhood with the kernels."""
    kernels = weight.permute(0, 2, 3, 1).reshape(len(weight), -1)
    result, pixels = _empty_images(call.result, call.dtype)
    torch.mm(_neighbourhoods(call, images), kernels.t(), out=pixels.flatten(0, 2))
    return result


def by_input_product(call: Call, gradient: Tensor, weight: Tensor) -> Tensor:
    """The gradient convolved with the kernels turned round: `forward_product` of that layer. Where
    kernels lie side by side, one matrix product gives all tiles of the images."""
    if not _in_tiles(call):
        return forward_product(_turned(call), gradient, weight.flip(2, 3).transpose(0, 1))
    out, channels, height, width = call.weight
    batch, _, rows, columns = call.result
    kernels = weight.permute(0, 2, 3, 1).reshape(out, -1)
    tiles = _rows(gradient.permute(0, 2, 3, 1)) @ kernels
    result, pixels = _empty_images(call.images, call.dtype)
    by_tile = pixels.view(batch, rows, height, columns, width, channels).transpose(2, 3)
    by_tile.copy_(tiles.view(batch, rows, columns, height, width, channels))
    return result


def by_weight_product(call: Call, gradient: Tensor, images: Tensor) -> Tensor:
    """One matrix product, whose rows are the weight's memory as it lies there."""
    out, channels, height, width = call.weight
    pixels = _rows(gradient.permute(0, 2, 3, 1))
    product = torch.mm(pixels.t(), _neighbourhoods(call, images))
    return product.view(out, height, width, channels).permute(0, 3, 1, 2)


def _turned(call: Call) -> Call:
    """The layer that computes the gradient by the input of `call`, a layer of stride 1."""
    out, channels, height, width = call.weight
    high, wide = call.padding
    return call._replace(
        images=call.result,
        weight=(channels, out, height, width),
        padding=(height - 1 - high, width - 1 - wide),
    )


def _neighbourhoods(call: Call, images: Tensor) -> Tensor:
    """(pixels of the result, height x width x in): with channels last every pixel's neighbourhood
    is one row of a matrix."""
    _, channels, height, width = call.weight
    batch, _, rows, columns = call.result
    pixels = images.permute(0, 2, 3, 1)
    if any(call.padding):
        high, wide = call.padding
        pixels = functional.pad(pixels, (0, 0, wide, wide, high, high))
    by_image, by_row, by_column, by_channel = pixels.stride()
    return pixels.as_strided(
        (batch, rows, columns, height, width, channels),
        (
            by_image,
            by_row * call.stride[0],
            by_column * call.stride[1],
            by_row,
            by_column,
            by_channel,
        ),
        pixels.storage_offset(),
    ).reshape(batch * rows * columns, height * width * channels)


def forward_toeplitz(call: Call, images: Tensor, weight: Tensor) -> Tensor:
    """A depthwise convolution as one small matrix per channel, from all pixels to all pixels."""
    product = torch.bmm(_by_channel(images), _matrices(call, weight).transpose(1, 2))
    return _as_images(call.result, product)


def by_input_toeplitz(call: Call, gradient: Tensor, weight: Tensor) -> Tensor:
    return _as_images(call.images, torch.bmm(_by_channel(gradient), _matrices(call, weight)))


def by_weight_toeplitz(call: Call, gradient: Tensor, images: Tensor) -> Tensor:
    channels, _, height, width = call.weight
    # Of views in float32 torch would multiply matrix by matrix, each through a copy.
    left = _by_channel(gradient).transpose(1, 2).contiguous()
    pairs = torch.bmm(left, _by_channel(images).contiguous())
    taps = height * width
    exact = torch.promote_types(call.dtype, torch.float32)
    summed = torch.zeros(channels, taps + 1, dtype=exact)
    summed.index_add_(1, _taps(call).flatten(), pairs.flatten(1).to(exact))
    return summed[:, :taps].reshape(call.weight).to(call.dtype)


def _matrices(call: Call, weight: Tensor) -> Tensor:
    """(channel, pixels of the result, pixels of the images): what each pixel adds to each."""
    flat = weight.reshape(len(weight), -1)
    return functional.pad(flat, (0, 1))[:, _taps(call)]


@cache
def _taps(shape: Call) -> Tensor:
    """(pixels of the result, pixels of the images): the number of the kernel's weight between them,
    one past the last if there is none."""
    height, width = shape.weight[2:]
    rows, columns = (
        torch.arange(side)[None, :] + pad - torch.arange(result)[:, None] * step
        for side, pad, result, step in zip(
            shape.images[2:], shape.padding, shape.result[2:], shape.stride, strict=True
        )
    )
    down, across = rows[:, None, :, None], columns[None, :, None, :]
    inside = (down >= 0) & (down < height) & (across >= 0) & (across < width)
    taps = torch.where(inside, down * width + across, height * width)
    return taps.reshape(len(rows) * len(columns), -1)


def _by_channel(images: Tensor) -> Tensor:
    """Images as (channel, image, pixel)."""
    return images.permute(0, 2, 3, 1).flatten(1, 2).permute(2, 0, 1)


def _as_images(shape: tuple[int, ...], by_channel: Tensor) -> Tensor:
    """The images (batch, channel, row, column) of `shape`, channels last, of `_by_channel`."""
    result, pixels = _empty_images(shape, by_channel.dtype)
    pixels.flatten(1, 2).copy_(by_channel.permute(1, 2, 0))
    return result


def _empty_images(shape: tuple[int, ...], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Images (batch, channel, row, column) of `shape`, channels last, and the same memory as
    (batch, row, column, channel).

    They own their memory: torch forbids to change a view in place that comes from a function of
    one's own, and an activation may.
    """
    images = torch.empty(shape, dtype=dtype, memory_format=torch.channels_last)
    return images, images.permute(0, 2, 3, 1)


def _rows(tensor: Tensor) -> Tensor:
    return tensor.reshape(-1, tensor.shape[-1])


def _backward(call: Call, gradient: Tensor, images: Tensor, weight: Tensor, which: int) -> Tensor:
    mask = [which == 0, which == 1, False]
    gradients: tuple[Tensor, ...] = torch.ops.aten.convolution_backward(
        gradient,
        images,
        weight,
        None,
        call.stride,
        call.padding,
        (1, 1),
        False,
        (0, 0),
        call.groups,
        mask,
    )
    return gradients[which]


def _in_float32(own: Kernel) -> Kernel:
    """The same in float32, between two conversions."""

    def converted(call: Call, first: Tensor, second: Tensor) -> Tensor:
        return own(call, first.float(), second.float()).to(call.dtype)

    return converted


def _is_narrow(call: Call) -> bool:
    return call.dtype.itemsize < torch.float32.itemsize


def _fits_product(call: Call) -> bool:
    if call.linear or call.groups != 1:
        return False
    batch, _, rows, columns = call.result
    neighbourhood = call.weight[1] * call.weight[2] * call.weight[3]
    return batch * rows * columns * neighbourhood <= MOST_ELEMENTS


def _fits_forward_product(call: Call) -> bool:
    return _fits_product(call) and call.result[2] * call.result[3] <= SMALL_MAP


def _in_tiles(call: Call) -> bool:
    """Whether every pixel of the images is in exactly one kernel's place, of several pixels."""
    if call.linear or call.groups != 1 or any(call.padding) or call.stride == (1, 1):
        return False
    whole = all(side % step == 0 for side, step in zip(call.images[2:], call.stride, strict=True))
    return whole and call.stride == call.weight[2:]


def _fits_by_input_product(call: Call) -> bool:
    if _in_tiles(call):
        return _fits_product(call)
    if call.linear or call.stride != (1, 1):
        return False
    turned = _turned(call)
    return min(turned.padding) >= 0 and _fits_forward_product(turned)


def _fits_toeplitz(call: Call) -> bool:
    if not call.depthwise:
        return False
    pixels, results = call.images[2] * call.images[3], call.result[2] * call.result[3]
    return call.weight[0] * pixels * results <= MOST_ELEMENTS


@dataclass(frozen=True, slots=True)
class Way:
    """One way to compute one direction, and the calls that it serves."""

    run: Kernel
    suits: Callable[[Call], bool]


def _always(_: Call) -> bool:
    return True


FORWARD: Final[Mapping[str, Way]] = {
    OWN: Way(forward_own, _always),
    FLOAT32: Way(_in_float32(forward_own), _is_narrow),
    PRODUCT: Way(forward_product, _fits_forward_product),
    TOEPLITZ: Way(forward_toeplitz, _fits_toeplitz),
}
BY_INPUT: Final[Mapping[str, Way]] = {
    OWN: Way(by_input_own, _always),
    FLOAT32: Way(_in_float32(by_input_own), _is_narrow),
    PRODUCT: Way(by_input_product, _fits_by_input_product),
    TOEPLITZ: Way(by_input_toeplitz, _fits_toeplitz),
}
BY_WEIGHT: Final[Mapping[str, Way]] = {
    OWN: Way(by_weight_own, _always),
    FLOAT32: Way(_in_float32(by_weight_own), _is_narrow),
    PRODUCT: Way(by_weight_product, _fits_product),
    TOEPLITZ: Way(by_weight_toeplitz, _fits_toeplitz),
}
