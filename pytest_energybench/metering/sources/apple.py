"""Apple silicon by the counters that macOS shows as its "Energy Model", through zeus-apple-silicon.

`AppleEnergyMonitor.get_cumulative_energy()` gives millijoules by part, None for what a chip lacks.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from pytest_energybench.metering.clock import Clock
from pytest_energybench.metering.custom import CounterSource
from pytest_energybench.metering.errors import Problem
from pytest_energybench.metering.source import Source
from pytest_energybench.metering.sources import Offer

INSTALL = "pip install 'pytest-energybench[apple]'"
FIELDS = {
    "cpu:0": ("cpu_total_mj",),
    "gpu:0": ("gpu_mj", "gpu_sram_mj"),
    "dram:0": ("dram_mj",),
    "ane:0": ("ane_mj",),
}
"""Domain -> what adds up to it. GPU and neural engine are switched off where nothing uses them."""
PERIOD_S = 0.01


def offer() -> Offer | None:
    """This is a Mac with Apple's own chip."""
    if sys.platform != "darwin" or platform.machine() != "arm64":
        return None
    return Offer("Apple silicon", f"{INSTALL}, and --energy-meters=auto,apple")


def find(clock: Clock, monitor: Any = None) -> tuple[list[Source], list[Problem]]:
    """A source for each part that the chip counts.

    Args:
        monitor: an `AppleEnergyMonitor`; made by default.
    """
    if monitor is None:
        try:
            monitor = import_module("zeus_apple_silicon").AppleEnergyMonitor()
        except (ImportError, RuntimeError) as error:
            return [], [Problem("Apple silicon", str(error), INSTALL, absent=offer() is None)]
    now = monitor.get_cumulative_energy()
    sources: list[Source] = []
    for domain, fields in FIELDS.items():
        here = [field for field in fields if getattr(now, field) is not None]
        if here:
            sources.append(
                CounterSource(
                    _joules(monitor, here),
                    domain,
                    resolution_j=1e-3,
                    period_s=PERIOD_S,
                    note=f"experimental: macOS' energy model ({', '.join(here)})",
                    may_be_zero=domain in ("gpu:0", "ane:0"),
                    source="apple",
                    clock=clock,
                )
            )
    return sources, []


def _joules(monitor: Any, fields: list[str]) -> Callable[[], float]:
    def joules() -> float:
        now = monitor.get_cumulative_energy()
        return float(sum(getattr(now, field) for field in fields)) / 1e3

    return joules
