"""Joules of a processor without a readable counter: CPU seconds times watts of a busy CPU."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pytest_energybench.metering.clock import SYSTEM_CLOCK, Clock
from pytest_energybench.metering.cpu_time import CpuTime, cpu_time
from pytest_energybench.metering.errors import MeterError
from pytest_energybench.metering.fork import tell_after_fork
from pytest_energybench.metering.load_monitor import FRESH_S, CpuSample, impossible
from pytest_energybench.metering.source import MIN_UPDATES, Domain, Loss, Reading

TDP_VARIABLE = "ENERGYBENCH_CPU_TDP_W"

DEFAULT_WATTS = 3.5
"""Cloud Carbon Footprint, "Methodology", 2021: a server vCPU at full load draws 3.5 W on average
(from SPECpower results of the processors that AWS runs)."""


class CorePower(NamedTuple):
    """The power model: a busy logical CPU draws `watts`, an idle one nothing.

    Attributes:
        watts: of one busy logical CPU.
        error: relative error of the figure.
        note: where it comes from.
    """

    watts: float
    error: float
    note: str


def core_power(
    environ: Mapping[str, str] = os.environ, model: str | None = None, cores: int | None = None
) -> CorePower:
    """Watts of a busy logical CPU: as told, by data sheet, or a documented default.

    A data sheet's power is divided by that processor's own threads, so that a virtual machine with
    a few of them is charged its share. Design power is what a processor may draw in the long run
    with all threads busy; a single busy thread runs faster and draws more than its share, a memory
    bound one less. That is what the stated error is for.

    Args:
        environ: `ENERGYBENCH_CPU_TDP_W` is the design power of all that this system sees, in watts.
        model: name of the processor; read from the system by default.
        cores: logical CPUs that the given design power is shared among.

    Raises:
        MeterError: the variable is no positive number.
    """
    told = environ.get(TDP_VARIABLE)
    if told is not None:
        try:
            tdp_w = float(told)
        except ValueError:
            tdp_w = -1.0
        if not 0.0 < tdp_w < 1e5:
            raise MeterError(f"{TDP_VARIABLE}={told!r} is no power; give watts, e.g. 65")
        count = cores or os.cpu_count() or 1
        return CorePower(tdp_w / count, 0.3, f"TDP {tdp_w:g} W / {count} CPUs, {TDP_VARIABLE}")
    name = cpu_model() if model is None else model
    found = find_processor(name)
    if found is not None:
        key, (tdp_w, threads) = found
        note = f"TDP {tdp_w:g} W / {threads} threads, data sheet of {key}"
        return CorePower(tdp_w / threads, 0.4, note)
    return CorePower(DEFAULT_WATTS, 0.6, f"default for unlisted CPUs; set {TDP_VARIABLE}")


def cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name as the system gives it; empty if it gives none."""
    try:
        with cpuinfo.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith(("model name", "Model", "cpu model")):
                    return line.partition(":")[2].strip()
    except OSError:
        import platform

        return platform.processor()
    return ""


class Processor(NamedTuple):
    """Thermal design power in watts, and hardware threads that share it."""

    tdp_w: float
    threads: int


PROCESSORS: Mapping[str, Processor] = {
    # AMD EPYC
    "EPYC 7402": Processor(180, 48),
    "EPYC 7452": Processor(155, 64),
    "EPYC 7502": Processor(180, 64),
    "EPYC 7542": Processor(225, 64),
    "EPYC 7702": Processor(200, 128),
    "EPYC 7742": Processor(225, 128),
    "EPYC 7413": Processor(180, 48),
    "EPYC 7443": Processor(200, 48),
    "EPYC 7543": Processor(225, 64),
    "EPYC 7713": Processor(225, 128),
    "EPYC 7763": Processor(280, 128),
    "EPYC 9354": Processor(280, 64),
    "EPYC 9454": Processor(290, 96),
    "EPYC 9554": Processor(360, 128),
    "EPYC 9654": Processor(360, 192),
    "EPYC 9754": Processor(360, 256),
    # AMD Ryzen
    "Ryzen 5 3600": Processor(65, 12),
    "Ryzen 7 3700X": Processor(65, 16),
    "Ryzen 9 3950X": Processor(105, 32),
    "Ryzen 5 5600X": Processor(65, 12),
    "Ryzen 7 5800X": Processor(105, 16),
    "Ryzen 9 5900X": Processor(105, 24),
    "Ryzen 9 5950X": Processor(105, 32),
    "Ryzen 7 7700X": Processor(105, 16),
    "Ryzen 9 7900X": Processor(170, 24),
    "Ryzen 9 7950X": Processor(170, 32),
    "Ryzen 9 9950X": Processor(170, 32),
    # Intel Xeon
    "E5-2620 v3": Processor(85, 12),
    "E5-2680 v4": Processor(120, 28),
    "E5-2690 v4": Processor(135, 28),
    "E5-2699 v4": Processor(145, 44),
    "Silver 4210": Processor(85, 20),
    "Gold 6140": Processor(140, 36),
    "Gold 6148": Processor(150, 40),
    "Gold 6230": Processor(125, 40),
    "Gold 6248": Processor(150, 40),
    "Gold 6338": Processor(205, 64),
    "Platinum 8160": Processor(150, 48),
    "Platinum 8260": Processor(165, 48),
    "Platinum 8280": Processor(205, 56),
    "Platinum 8358": Processor(250, 64),
    "Platinum 8380": Processor(270, 80),
    "Platinum 8480+": Processor(350, 112),
    "Platinum 8490H": Processor(350, 120),
    # Intel Core
    "i5-8250U": Processor(15, 8),
    "i7-8565U": Processor(15, 8),
    "i7-1165G7": Processor(28, 8),
    "i7-8700K": Processor(95, 12),
    "i9-9900K": Processor(95, 16),
    "i9-10900K": Processor(125, 20),
    "i7-12700K": Processor(125, 20),
    "i9-12900K": Processor(125, 24),
    "i7-13700K": Processor(125, 24),
    "i9-13900K": Processor(125, 32),
    "i9-14900K": Processor(125, 32),
}


def find_processor(model: str) -> tuple[str, Processor] | None:
    """The data sheet of a processor, by its name as the system gives it.

    A trailing P (EPYC for one socket) is the same processor otherwise; any other letter isn't.
    """
    words = f" {model} "
    for name, processor in PROCESSORS.items():
        if f" {name} " in words or f" {name}P " in words:
            return name, processor
    return None


SHORTEST_S = 0.05
"""Seconds. Reading both edges takes some 0.1 ms of CPU time, which is far below the model's error
from this length on."""


class CpuEstimate:
    """The domain `cpu`: CPU seconds of the process tree x watts of one busy core.

    It contains neither idle power nor the work of other processes. If the tree shows more CPU
    seconds than the machine was busy for, the domain is lost until a first window opens again. The
    charge never exceeds all cores busy for the time that passed; a few hundredths of a second that
    arrive late are charged to the time that follows.
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
        self._charged_s = 0.0
        self._start()
        self.domains = (
            Domain(
                name="cpu",
                source="cpu-time",
                provenance="estimated",
                estimate_version=1,
                error=self.power.error,
                shortest_s=max(SHORTEST_S, MIN_UPDATES * self._cpu.step_s),
                note=f"CPU seconds of the process tree x {self.power.watts:.3g} W"
                f" ({self.power.note})",
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

    def read(self) -> Reading:
        """Joules since the estimate was made."""
        with self._mutex:
            if self._lost is None:
                self._charge()
            if self._lost is not None:
                return Reading({}, {"cpu": self._lost})
            return Reading({"cpu": self._charged_s * self.power.watts})

    def _start(self) -> None:
        self._lost: Loss | None = None
        self._at = self._clock.monotonic()
        self._begin = CpuSample(self._at, self._cpu.busy_s(), self._cpu.tree_s())
        self._used_s = self._begin.own_s
        self._owed_s = 0.0

    def _charge(self) -> None:
        """Charge what was used since the last reading; lose it where that can't have been."""
        used_s, now = self._cpu.tree_s(), self._clock.monotonic()
        most_s = (now - self._at) * self._cores
        self._owed_s += used_s - self._used_s
        if now - self._begin.at > FRESH_S or self._owed_s > most_s:
            end = CpuSample(now, self._cpu.busy_s(), used_s)
            why = impossible(self._begin, end, self._cores, self._cpu.tick_s)
            if why is not None:
                self._lost = Loss(why, now)
                return
            self._begin = end
        charged_s = min(self._owed_s, most_s)
        self._owed_s -= charged_s
        self._charged_s += charged_s
        self._at, self._used_s = now, used_s
