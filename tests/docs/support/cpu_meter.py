"""CPU time alone: on a busy machine its ratios hold, while those of seconds don't."""

from __future__ import annotations

from pytest_energybench.metering import Meter
from pytest_energybench.metering.cpu_estimate import CpuEstimate


def pytest_energy_meter() -> Meter:
    return Meter([CpuEstimate()])
