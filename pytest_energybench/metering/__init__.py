"""Joules out of hardware: sources, the window that brackets work, the machine's lock.

```python
from pytest_energybench.metering import measure

with measure("train") as window:
    train()
print(window.total_j, window.energy_j, window.provenance)
```
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_energybench.metering.custom import CounterSource
    from pytest_energybench.metering.default import default_meter, measure
    from pytest_energybench.metering.discovery import discover
    from pytest_energybench.metering.errors import LockTimeoutError, MeterError, Problem
    from pytest_energybench.metering.fake import FakeMeter
    from pytest_energybench.metering.meter import Meter
    from pytest_energybench.metering.source import (
        Bounding,
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
    "Bounding",
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
    "discover",
    "measure",
]

_MODULES = {
    "custom": {"CounterSource"},
    "default": {"default_meter", "measure"},
    "discovery": {"discover"},
    "errors": {"LockTimeoutError", "MeterError", "Problem"},
    "fake": {"FakeMeter"},
    "meter": {"Meter"},
    "window": {"Window"},
}


def __getattr__(name: str) -> Any:
    """Import at first use: who needs the clock alone, as every start of pytest does, loads no
    meter."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = next((each for each, names in _MODULES.items() if name in names), "source")
    return getattr(import_module(f"{__name__}.{module}"), name)
