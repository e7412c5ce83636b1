"""Joules out of hardware: sources, the window that brackets work, the machine's lock.

```python
from pytest_energybench.metering import measure

with measure("train") as window:
    train()
print(window.total_j, window.energy_j, window.provenance)
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_energybench.metering.errors import LockTimeoutError, MeterError, Problem
from pytest_energybench.metering.meter import Meter, default_meter, measure
from pytest_energybench.metering.source import (
    Domain,
    Judging,
    Loss,
    Provenance,
    Reading,
    Sampling,
    Source,
    Ticking,
)
from pytest_energybench.metering.window import Window

if TYPE_CHECKING:
    from pytest_energybench.metering.custom import CounterSource
    from pytest_energybench.metering.fake import FakeMeter

__all__ = [
    "CounterSource",
    "Domain",
    "FakeMeter",
    "Judging",
    "LockTimeoutError",
    "Loss",
    "Meter",
    "MeterError",
    "Problem",
    "Provenance",
    "Reading",
    "Sampling",
    "Source",
    "Ticking",
    "Window",
    "default_meter",
    "measure",
]


def __getattr__(name: str) -> Any:
    """What a meter of one's own or a test needs, imported at first use."""
    if name == "CounterSource":
        from pytest_energybench.metering.custom import CounterSource

        return CounterSource
    if name == "FakeMeter":
        from pytest_energybench.metering.fake import FakeMeter

        return FakeMeter
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
