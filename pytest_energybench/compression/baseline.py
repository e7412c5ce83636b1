"""No compression: the model as it is, in float32."""

from __future__ import annotations

from pytest_energybench.compression.plan import Plan, Task


def baseline(plan: Plan, task: Task) -> Plan:  # noqa: ARG001 - the signature of a method
    """Return the plan unchanged."""
    return plan
