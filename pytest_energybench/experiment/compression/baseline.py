"""No compression: the model as it is, in float32."""

from __future__ import annotations

from pytest_energybench.experiment.compression.plan import CompressionPlan, Task


def baseline(plan: CompressionPlan, task: Task) -> CompressionPlan:  # noqa: ARG001 - the signature of a method
    """Return the plan unchanged."""
    return plan
