"""Joules of the processor where no counter has them: CPU seconds x watts of a busy core."""

from __future__ import annotations

import os
import threading

from pytest_energybench.metering.clock import SYSTEM_CLOCK, Clock
from pytest_energybench.metering.cpu_power import CorePower, core_power
from pytest_energybench.metering.cpu_time import CpuTime, cpu_time
from pytest_energybench.metering.fork import tell_after_fork
from pytest_energybench.metering.source import Domain, Reading


class CpuEstimate:
    """The domain `cpu`: CPU seconds of the process tree x watts of one busy core.

    Idle power is not in it, and nothing that neighbours do. What is charged never exceeds all cores
    busy for the time that passed: seconds that arrive late and in a lump (the kernel hands over a
    child's when it is waited for) are charged over the time that follows.
    """

    def __init__(
        self,
        power: CorePower | None = None,
        *,
        cpu: CpuTime | None = None,
        cores: int | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """
        Args:
            power: the power model; by option, table or default unless given.
            cpu: where CPU seconds come from.
            cores: logical CPUs of the whole machine.
            clock: limits what the tree can have used.
        """
        self.power = power or core_power()
        self._cpu = cpu or cpu_time()
        self._cores = cores or os.cpu_count() or 1
        self._clock = clock
        self._mutex = threading.Lock()
        tell_after_fork(self)
        self._at = clock.monotonic()
        self._origin_s = self._cpu.tree_s()
        self._charged_s = 0.0
        self.domains = (
            Domain(
                name="cpu",
                source="cpu-time",
                provenance="estimated",
                error=self.power.error,
                note=f"CPU seconds of the process tree x {self.power.watts:.3g} W"
                f" ({self.power.note})",
            ),
        )

    def after_fork(self) -> None:
        """In a child: another thread may have been reading when it was forked."""
        self._mutex = threading.Lock()

    def open(self) -> None:
        """Nothing runs between the edges."""

    def close(self) -> None:
        """Nothing to stop."""

    def read(self) -> Reading:
        """Joules since the estimate was made."""
        with self._mutex:
            used_s = self._cpu.tree_s() - self._origin_s
            now = self._clock.monotonic()
            most_s = self._charged_s + (now - self._at) * self._cores
            self._at = now
            self._charged_s = max(self._charged_s, min(used_s, most_s))
            return Reading({"cpu": self._charged_s * self.power.watts})
