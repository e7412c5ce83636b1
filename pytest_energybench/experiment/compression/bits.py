"""Low-order bits of float32 numbers: exact integer operations on their patterns, and the number
type that a model without them trains in.

A float32 is, from the high end, 1 sign bit, 8 exponent bits and 23 mantissa bits. The n-bit grid is
the set of numbers whose n low-order bits are zero. Up to n = 23 only precision is lost; from n = 24
exponent bits fall too, and what is left are powers of 4, 16, ... and zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pytest_energybench.experiment.training.hardware import has_bfloat16

FLOAT_BITS = 32
MANTISSA_BITS = 23
MOST_ZEROED = 31
"""All but the sign."""
FITS_BFLOAT16 = 16
"""From so many zeroed bits on a weight fits bfloat16, the upper half of a float32."""


def _check(source: Tensor, zeroed: int) -> None:
    if source.dtype != torch.float32:
        raise TypeError(f"bits are counted in float32 numbers, not in {source.dtype}")
    if not 0 <= zeroed <= MOST_ZEROED:
        raise ValueError(f"zeroed bits must be 0 to {MOST_ZEROED}, not {zeroed}")


def truncate(source: Tensor, zeroed: int) -> Tensor:
    """A copy of float32 `source`, any shape, with its `zeroed` low-order bits zero.

    This is the paper's steganographic measure (Section 3.2). Signs stay, so a small negative number
    may become -0. Infinities and NaN are returned as they are: clearing bits would turn a NaN into
    an infinity, or either into a number. Raises ValueError outside 0 to 31.
    """
    _check(source, zeroed)
    pattern = source.view(torch.int32)
    cut = torch.bitwise_and(pattern, -(1 << zeroed)).view(torch.float32)
    if bool(torch.isfinite(source.sum())):  # then every number is, and one pass has shown it
        return cut
    return torch.where(torch.isfinite(source), cut, source)


def nearest_into(zeroed: int, source: Tensor, out: Tensor) -> None:
    """Round to the nearest pattern of the n-bit grid.

    `source` and `out` are float32, of one shape, and not the same memory; `zeroed` is 1 to 31.
    Half-way patterns go away from zero: to the even one would take twice the passes over memory in
    each step of a training, and a weight that has moved is hardly ever half-way. Up to 23 bits that
    is the nearest number, too; from 24 the grid is that of exponents, and nearest is meant in the
    pattern, which is near to logarithmic. Next to infinity it may leave the finite numbers: there a
    training has diverged and is ended by the checks of its loss and its masters.
    """
    pattern, result = source.view(torch.int32), out.view(torch.int32)
    torch.add(pattern, 1 << (zeroed - 1), out=result)
    result.bitwise_and_(-(1 << zeroed))


def truncate_into(zeroed: int, source: Tensor, out: Tensor) -> None:
    """`truncate` without a copy and without care for what is not finite."""
    torch.bitwise_and(source.view(torch.int32), -(1 << zeroed), out=out.view(torch.int32))


def on_grid(values: Tensor, zeroed: int) -> bool:
    """Whether every value of any float type has its `zeroed` low-order bits zero, as a float32."""
    pattern = values.detach().to(torch.float32).contiguous().view(torch.int32)
    return not bool(torch.bitwise_and(pattern, (1 << zeroed) - 1).any())


def idle_bits(values: Tensor) -> int:
    """How many low-order bits are zero in every one of the float32 `values`, 0 to 32."""
    pattern = values.detach().contiguous().view(torch.int32)
    low, high = 0, FLOAT_BITS
    while low < high:
        middle = (low + high + 1) // 2
        if bool(torch.bitwise_and(pattern, (1 << middle) - 1 if middle < 32 else -1).any()):
            high = middle - 1
        else:
            low = middle
    return low


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """The type a model runs in; `scaled`: its loss must be scaled; `note` is for the report.

    `lacking`: the weights fit a narrower type, and the device computes in none.
    """

    dtype: torch.dtype
    scaled: bool = False
    note: str | None = None
    lacking: bool = False


def number_format(zeroed: int, device: torch.device) -> NumberFormat:
    """The narrowest type that holds 32 - `zeroed` bits and that `device` computes in.

    float16 has fewer exponent bits than a weight may need: magnitudes under 6e-5 lose precision
    there and such under 3e-8 vanish, but none leaves the grid.
    """
    if zeroed < FITS_BFLOAT16:
        return NumberFormat(
            torch.float32,
            note=f"{32 - zeroed} bits fit no narrow type: trained in float32 on the grid of "
            f"{zeroed} zeroed bits, nothing can be saved",
        )
    if has_bfloat16(device):
        return NumberFormat(torch.bfloat16)
    if device.type == "cuda":
        return NumberFormat(
            torch.float16, scaled=True, note="float16 with loss scaling: the GPU has no bfloat16"
        )
    return NumberFormat(
        torch.float32,
        note="no 16-bit type was found that the CPU computes in (AVX512-BF16, AMX, Arm's BF16): "
        "trained in float32, the bits save nothing",
        lacking=True,
    )
