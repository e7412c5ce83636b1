"""Mixed precision without compression: the control for what the number format alone gives."""

from __future__ import annotations

from dataclasses import replace

from pytest_energybench.experiment.compression.plan import CompressionPlan, Task


def amp(plan: CompressionPlan, task: Task) -> CompressionPlan:  # noqa: ARG001 - the signature of a method
    """Train in bfloat16 from float32 master weights, all bits kept in the masters.

    float16 with loss scaling on GPUs without bfloat16 (compute capability below 8.0); float32 on a
    CPU without it, which the report then says.
    """
    return replace(plan, mixed_precision=True)
