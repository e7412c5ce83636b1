"""CPU time alone: on a busy machine its ratios hold, while those of seconds don't."""

from __future__ import annotations

from pytest_energybench.metering import Meter
from pytest_energybench.metering.cpu_estimate import CpuEstimate
from pytest_energybench.metering.cpu_power import CpuPower

SECONDS = CpuPower((0.0, 10.0, 50.0, 100.0), 100, 100, 100, 0.5, "a watt for each busy thread")


def pytest_energy_meter() -> Meter:
    return Meter([CpuEstimate(SECONDS)])
