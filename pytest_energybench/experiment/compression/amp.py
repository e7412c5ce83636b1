"""Mixed precision without compression: controls for what the number format alone gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import nn

from pytest_energybench.experiment.compression.plan import CompressionPlan, Metric, Task
from pytest_energybench.experiment.compression.sizes import size


def amp(plan: CompressionPlan, task: Task) -> CompressionPlan:  # noqa: ARG001 - the signature of a method
    """Train and store the weights in bfloat16, from float32 master weights that keep all bits.

    float16 with loss scaling on GPUs without bfloat16 (compute capability below 8.0); float32 on a
    CPU without it, which the report then says.
    """
    return replace(plan, mixed_precision=True).checked(stored, "stored_rate")


def autocast(plan: CompressionPlan, task: Task) -> CompressionPlan:  # noqa: ARG001 - the signature of a method
    """Train in torch's own `autocast`: weights stay float32, so nothing is stored in fewer bits.

    The device decides on the narrow type as for `amp`.
    """
    return replace(plan, autocast=True)


def stored(model: nn.Module) -> Mapping[str, Metric]:
    """`stored_rate`: the share of float32's bytes that the stored weights need not, 0 to 1."""
    found = size(model)
    return {"stored_rate": 1 - found.compressed_bytes / (4 * found.compressed_parameters)}
