"""The meter that the documentation's commands run with: a joule is a number of function calls.

It looks like the estimates of a machine without counters, but the same work gives the same joules
(to about a thousandth) however busy the machine is, so that what a page says about results holds
in every run of its test.
"""

from __future__ import annotations

import random
import sys
import time

from pytest_energybench.metering import Domain, Meter, Reading

JOULES_PER_CALL = 2e-3
RAM_WATTS = 1e-3


class CallCounter:
    """Counts calls while a window is open, in Python and from Python into C."""

    domains = (
        Domain("cpu", "cpu-time", "estimated", error=0.75, note="function calls"),
        Domain("ram", "ram-size", "estimated", error=0.7, note="next to nothing"),
    )

    def __init__(self) -> None:
        self._calls = 0
        self._read = 0
        self._joules = 0.0
        self._noise = random.Random(0)

    def open(self) -> None:
        sys.setprofile(self._count)

    def close(self) -> None:
        sys.setprofile(None)

    def read(self) -> Reading:
        new, self._read = self._calls - self._read, self._calls
        self._joules += JOULES_PER_CALL * new * self._noise.gauss(1.0, 0.001)
        return Reading({"cpu": self._joules, "ram": RAM_WATTS * time.monotonic()})

    def _count(self, _frame: object, event: str, _argument: object) -> None:
        if event in ("call", "c_call"):
            self._calls += 1


def pytest_energy_meter() -> Meter:
    return Meter([CallCounter()])
