"""Which number type a model with n zeroed bits trains in, and what that means."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from pytest_energybench.experiment.training.hardware import has_bfloat16

FITS_BFLOAT16 = 16
"""From so many zeroed bits on a weight fits bfloat16, the upper half of a float32."""


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
