"""What a processor draws at a load, and which part of it is a process tree's: pure figures.

A processor with some of its threads busy draws its idle power and something above it that grows
more slowly than their number. A busy thread is charged its part of what is above idle. Of the idle
power, this system is charged its part of the processor's threads, whether it works or waits: the
same that a counter of a whole processor would show.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import NamedTuple

from pytest_energybench.base.system import logical_cpus
from pytest_energybench.metering.cpu_identity import CpuIdentity, identify
from pytest_energybench.metering.cpu_rows import CLASS_ERROR, HOST_ERROR, ROWS, SPEC, Row
from pytest_energybench.metering.errors import MeterError
from pytest_energybench.metering.limits import allowed_cpus, cpu_quota

TDP_VARIABLE = "ENERGYBENCH_CPU_TDP_W"
WATTS_VARIABLE = "ENERGYBENCH_CPU_WATTS"

LOADS = (0.0, 0.1, 0.5, 1.0)
"""The loads that watts are known at, as shares of all hardware threads; straight lines between, in
`CpuPower.package_w`."""

HOST_LOAD = 0.5
"""How busy the threads of a host are that a virtual machine doesn't see; from 0.1 to 0.9 is in the
stated error."""

TDP_SHARE = 0.7
"""Watts with all threads busy, as a part of the design power: 0.51 to 0.93 on the machines of
`docs/estimates.md`."""
TDP_ERROR = 0.6
CALIBRATED_ERROR = 0.5
"""Of a curve that was measured on the machine itself, thread by thread: the public ones of loads
that are spread lie within 44 % of it at nine of ten loads."""


Watts = tuple[float, float, float, float]


class CpuPower(NamedTuple):
    """Power of a host's processors by load, and this system's place on it.

    Attributes:
        watts: of all processors with none, a tenth, half and all of their threads busy.
        threads: hardware threads of all processors.
        visible: logical CPUs that this system sees; the others belong to somebody else.
        ours: logical CPUs that this process may use: a quota's or a cpuset's part.
        error: relative; 90 % of true figures lie no further off.
        note: where the watts come from.
        memory: kind of memory that goes with it.
    """

    watts: Watts
    threads: float
    visible: float
    ours: float
    error: float
    note: str
    memory: str = "DDR4"

    @property
    def idle_w(self) -> float:
        """Watts of this process's part of the processors while nothing runs."""
        return self.watts[0] * min(self.ours, self.visible) / self.threads

    def package_w(self, busy: float) -> float:
        """Watts of all processors with so many of their threads busy."""
        load = busy / self.threads
        a, b, c, d = self.watts
        if load <= 0.1:
            return a + (b - a) * load / 0.1
        if load <= 0.5:
            return b + (c - b) * (load - 0.1) / 0.4
        return c + (d - c) * (min(load, 1.0) - 0.5) / 0.5

    def work_w(self, own: float, others: float = 0.0) -> float:
        """Watts above idle of `own` busy threads, beside so many busy ones of others that this
        system sees.

        The part of others never exceeds the threads that are left: time that a hypervisor stole
        counts as busy, and comes on top of the threads.
        """
        if own <= 0.0:
            return 0.0
        busy = own = min(own, self.visible)
        if others > 0.0:
            busy += min(others, self.visible - own)
        busy += HOST_LOAD * (self.threads - self.visible)
        return (self.package_w(busy) - self.watts[0]) * own / busy


def cpu_power(
    identity: CpuIdentity | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    visible: int | None = None,
    ours: float | None = None,
) -> CpuPower:
    """The processor's power: as told, from its row of the table, or from that of its class.

    Args:
        identity: the processor; found out by default.
        environ: `ENERGYBENCH_CPU_WATTS` has watts of all that this system sees at idle, a tenth,
            half and full load; `ENERGYBENCH_CPU_TDP_W` the design power of all processors, of the
            host's where this is a part of one.
        visible: logical CPUs; those of this system by default.
        ours: those of them that this process may use; from cpuset and quota by default.

    Raises:
        MeterError: a variable holds no such figures.
    """
    identity = identity or identify()
    visible = visible or logical_cpus()
    if ours is None:
        ours = min(allowed_cpus() or visible, cpu_quota() or visible)
    row = ROWS[identity.row]
    if WATTS_VARIABLE in environ:
        return _told_watts(environ[WATTS_VARIABLE], row, visible, ours)
    threads, chip_threads = _host(identity, row, visible)
    part = "" if threads == visible else f", {visible} of some {threads} threads of a host"
    watts = row.of_chips(threads, chip_threads)
    if TDP_VARIABLE in environ:
        watts = _told_tdp(environ[TDP_VARIABLE], watts)
        note = (
            f"{TDP_SHARE} x TDP, {TDP_VARIABLE}={environ[TDP_VARIABLE]}; curve of {row.title}{part}"
        )
        error = CLASS_ERROR if part else TDP_ERROR
        return CpuPower(watts, threads, visible, ours, error, note, row.memory)
    return CpuPower(
        watts,
        threads,
        visible,
        ours,
        _error(identity, row, threads > visible),
        f"{row.title}{part}, {_source(identity, row)}",
        row.memory,
    )


def told_power(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What decides the curve in place of the table: runs under two curves are not comparable."""
    names = {"cpu_watts": WATTS_VARIABLE, "cpu_tdp_w": TDP_VARIABLE}
    return {name: environ[variable] for name, variable in names.items() if variable in environ}


def _host(identity: CpuIdentity, row: Row, visible: int) -> tuple[int, float]:
    """Threads of all processors, and of each of them."""
    if identity.virtual:
        chips = math.ceil(visible / row.threads)
        return max(visible, chips * row.threads), row.threads
    if identity.package_threads:  # more than are seen where a container shows only its own
        return max(visible, identity.package_threads), identity.package_threads
    chips = max(1, round(visible / row.threads))
    return visible, visible / chips


def _error(identity: CpuIdentity, row: Row, is_part: bool) -> float:
    if not identity.known:
        return CLASS_ERROR
    if not is_part:
        return row.error
    return max(HOST_ERROR, row.error) if row.source == SPEC else CLASS_ERROR


def _source(identity: CpuIdentity, row: Row) -> str:
    source = f"{row.source} of {row.machines} machines" if row.machines else row.source
    return source if identity.known else f"stands for an unlisted processor, set {TDP_VARIABLE}"


def _told_tdp(text: str, watts: Watts) -> Watts:
    """Watts at the four loads, scaled to a design power."""
    tdp_w = _watts(text)
    if tdp_w is None:
        raise MeterError(f"{TDP_VARIABLE}={text!r} is no power; give watts, e.g. 65")
    a, b, c, d = (each / watts[3] * tdp_w * TDP_SHARE for each in watts)
    return a, b, c, d


def _told_watts(text: str, row: Row, visible: int, ours: float) -> CpuPower:
    known = [_watts(each) or 0.0 for each in text.split(",")]
    if len(known) != len(LOADS) or known[0] == 0.0 or known != sorted(known):
        raise MeterError(
            f"{WATTS_VARIABLE}={text!r}: give four rising powers in watts: idle, at a tenth, half"
            " and full load, e.g. 8,19,43,47; `energybench validate` prints them"
        )
    a, b, c, d = known
    note = f"{WATTS_VARIABLE}, measured on this machine"
    return CpuPower((a, b, c, d), visible, visible, ours, CALIBRATED_ERROR, note, row.memory)


def _watts(text: str) -> float | None:
    try:
        watts = float(text)
    except ValueError:
        return None
    return watts if 0.0 < watts < 1e5 else None
