"""Joules of a processor without a counter: its power curve and the threads that are busy."""

from __future__ import annotations

import threading

from pytest_energybench.base.system import logical_cpus, tell_after_fork
from pytest_energybench.metering.clock import SYSTEM_CLOCK, Clock
from pytest_energybench.metering.cpu_power import CpuPower, cpu_power
from pytest_energybench.metering.cpu_rows import VERSION
from pytest_energybench.metering.cpu_time import CpuTime, cpu_time
from pytest_energybench.metering.load_monitor import FRESH_S, CpuSample, impossible
from pytest_energybench.metering.source import MIN_UPDATES, Domain, Loss, Reading

TICK_S = 1.0
"""Seconds between two looks in a long window. Power is no straight line of the load, so phases of
one busy thread and of all of them must not be averaged first."""

SHORTEST_S = 0.05
"""Seconds. Reading both edges takes some 0.1 ms of CPU time, which is far below the model's error
from this length on."""


class CpuEstimate:
    """The domain `cpu`: idle share, and the process tree's part of what is above it.

    It contains no work of other processes. If the tree shows more CPU seconds than the machine was
    busy for, the domain is lost until a first window opens again. The charge never exceeds all
    cores busy for the time that passed; a few hundredths of a second that arrive late are charged
    to the time that follows.
    """

    tick_s = TICK_S

    def __init__(
        self,
        power: CpuPower | None = None,
        *,
        cpu: CpuTime | None = None,
        cores: int | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """
        Args:
            power: the power curve; by variable, table or class unless given.
            cpu: where CPU seconds come from.
            cores: logical CPUs of the whole machine.
            clock: seconds of the idle share, and a limit of what the tree can have used.
        """
        self.power = power or cpu_power()
        self._cpu = cpu or cpu_time()
        self._cores = cores or logical_cpus()
        self._clock = clock
        self._mutex = threading.Lock()
        tell_after_fork(self)
        self._joules = 0.0
        self._idle_w = self.power.idle_w
        self._start()
        one_w = self.power.work_w(1.0)
        all_w = self.power.work_w(self.power.visible)
        curve = " ".join(f"{watts:.3g}" for watts in self.power.watts)
        self.domains = (
            Domain(
                name="cpu",
                source="cpu-time",
                provenance="estimated",
                estimate_version=VERSION,
                error=self.power.error,
                idle_w=self._idle_w,
                shortest_s=max(SHORTEST_S, MIN_UPDATES * self._cpu.step_s),
                note=f"idle share {self._idle_w:.3g} W + {one_w:.3g} W for one busy thread,"
                f" {all_w:.3g} W for {self.power.visible:g}; the whole draws {curve} W with 0, 10,"
                f" 50 and 100 % of {self.power.threads:g} threads busy ({self.power.note})",
            ),
        )

    def after_fork(self) -> None:
        """In a child: another thread may have been reading when it was forked."""
        self._mutex = threading.Lock()

    def open(self) -> None:
        """Forget what happened since the last window: it is no reason to doubt this one."""
        with self._mutex:
            if self._lost is not None or self._clock.monotonic() - self._begin.at > FRESH_S:
                self._start()

    def close(self) -> None:
        """Nothing to stop."""

    def tick(self) -> None:
        """Charge what was used so far at the load of so far."""
        with self._mutex:
            self._update()

    def read(self) -> Reading:
        """Joules since the estimate was made."""
        with self._mutex:
            self._update()
            if self._lost is not None:
                return Reading({}, {"cpu": self._lost})
            return Reading({"cpu": self._joules})

    def _start(self) -> None:
        self._lost: Loss | None = None
        self._at = self._clock.monotonic()
        try:
            self._begin = CpuSample(self._at, self._cpu.busy_s(), self._cpu.tree_s())
        except OSError as error:
            self._lost = Loss(str(error), self._at)
            return
        self._used_s = self._begin.own_s
        self._owed_s = 0.0
        self._others = 0.0

    def _update(self) -> None:
        """Charge what was used so far; lose what can't be read."""
        if self._lost is None:
            try:
                self._charge()
            except OSError as error:
                self._lost = Loss(str(error), self._clock.monotonic())

    def _charge(self) -> None:
        """Charge what was used since the last reading; lose it where that can't have been."""
        used_s, now = self._cpu.tree_s(), self._clock.monotonic()
        seconds = now - self._at
        most_s = seconds * self._cores
        self._owed_s += used_s - self._used_s
        if now - self._begin.at > FRESH_S or self._owed_s > most_s:
            end = CpuSample(now, self._cpu.busy_s(), used_s)
            why = impossible(self._begin, end, self._cores, self._cpu.tick_s)
            if why is not None:
                self._lost = Loss(why, now)
                return
            if now - self._begin.at > FRESH_S:
                foreign_s = end.busy_s - self._begin.busy_s - (end.own_s - self._begin.own_s)
                self._others = foreign_s / (now - self._begin.at)
            self._begin = end
        charged_s = min(self._owed_s, most_s)
        if seconds > 0.0:
            work_w = self.power.work_w(charged_s / seconds, self._others)
            self._joules += (self._idle_w + work_w) * seconds
        self._owed_s -= charged_s
        self._at, self._used_s = now, used_s
