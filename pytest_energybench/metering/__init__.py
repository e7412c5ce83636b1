"""Joules out of hardware: sources, the window that brackets work, the machine's lock.

```python
from pytest_energybench.metering import measure

with measure("train") as window:
    train()
print(window.total_j, window.energy_j, window.provenance)
```
"""

from __future__ import annotations

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

__all__ = [
    "Domain",
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
