"""pyJoules: packages and dram; cores are part of a package."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from pyJoules.device import rapl_device
from pyJoules.device.rapl_device import RaplDevice
from pyJoules.energy_meter import EnergyMeter

if root := os.environ.get("ENERGYBENCH_POWERCAP_ROOT"):
    rapl_device.RAPL_API_DIR = f"{root}/intel-rapl"

_device = RaplDevice()
_device.configure(RaplDevice.available_package_domains() + RaplDevice.available_dram_domains())
_meter = EnergyMeter([_device])


@contextmanager
def window() -> Iterator[None]:
    _meter.start()
    yield
    _meter.stop()


def joules() -> float:
    """Of microjoules, all domains together."""
    return sum(sum(sample.energy.values()) for sample in _meter.get_trace()) / 1e6
