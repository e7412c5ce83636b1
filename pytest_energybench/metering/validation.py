"""The processor's estimate beside its counter, from one busy thread to all of them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from pytest_energybench.base.system import logical_cpus
from pytest_energybench.metering.clock import SYSTEM_CLOCK, Clock
from pytest_energybench.metering.cpu_estimate import CpuEstimate
from pytest_energybench.metering.cpu_power import LOADS, WATTS_VARIABLE
from pytest_energybench.metering.diagnosis import busy_processors
from pytest_energybench.metering.discovery import discover
from pytest_energybench.metering.errors import MeterError
from pytest_energybench.metering.meter import Meter
from pytest_energybench.metering.source import Source

LOAD_S = 5.0
SETTLE_S = 1.0
"""Seconds under load before a window opens: clocks and governors need some tenths."""
COVERED = 0.9
"""Of the loads, the part that the stated error promises to hold at."""


@dataclass(frozen=True, slots=True)
class LoadPoint:
    """One load.

    Attributes:
        threads: busy threads.
        counter_w: watts that the counters of all packages showed.
        estimate_w: watts that the estimate made of it.
        holds: the counter lies within the stated error of the estimate.
        flags: what disturbed it.
    """

    threads: int
    counter_w: float
    estimate_w: float
    holds: bool
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Validation:
    """Counter and estimate side by side.

    Attributes:
        note: where the estimate's watts come from.
        error: its stated relative error.
        cores: threads of the machine.
        points: from no busy thread to all.
    """

    note: str
    error: float
    cores: int
    points: tuple[LoadPoint, ...]

    @property
    def held(self) -> int:
        """At how many loads the stated error held; idle is none of them."""
        return sum(point.holds for point in self.loads)

    @property
    def loads(self) -> tuple[LoadPoint, ...]:
        """The points with a busy thread."""
        return tuple(point for point in self.points if point.threads)

    @property
    def median_error(self) -> float:
        """Median over the loads of how far the estimate is off, relative to the counter."""
        return statistics.median(abs(p.estimate_w / p.counter_w - 1) for p in self.loads)

    @property
    def curve(self) -> tuple[float, ...]:
        """Counter's watts at the loads that `ENERGYBENCH_CPU_WATTS` takes, each at least the one
        before."""
        loads = [point.threads / self.cores for point in self.points]
        watts = [point.counter_w for point in self.points]
        found: list[float] = []
        for load in LOADS:
            right = next(place for place, each in enumerate(loads) if each >= load - 1e-9)
            left = max(0, right - 1)
            span = loads[right] - loads[left]
            part = (load - loads[left]) / span if span else 1.0
            at = watts[left] + (watts[right] - watts[left]) * part
            found.append(max(at, *found) if found else at)
        return tuple(found)

    @property
    def exit_status(self) -> int:
        """0 if the stated error held at nine of ten loads, else 1."""
        return 0 if self.held >= COVERED * len(self.loads) else 1


def validate(
    seconds: float = LOAD_S,
    *,
    counters: Meter | None = None,
    estimate: Source | None = None,
    cores: int | None = None,
    busy: Callable[[int], AbstractContextManager[None]] = busy_processors,
    clock: Clock = SYSTEM_CLOCK,
    sleep: Callable[[float], None] = SYSTEM_CLOCK.sleep,
) -> Validation:
    """Meter loads from none to all threads with both.

    Args:
        seconds: of each load, after a second to settle.
        counters: what to hold the estimate against; RAPL's by default.
        estimate: of the processor; this machine's by default.
        cores: threads of the machine.
        busy: keeps so many threads busy.
        clock: of the windows.
        sleep: lets the time pass.

    Raises:
        MeterError: there is no counter of the processor, or one was lost.
    """
    counters = counters or discover("rapl")
    packages = [d.name for d in counters.domains if d.name.partition(":")[0] == "cpu"]
    if not packages:
        raise MeterError(
            "no counter of the processor here, so nothing to hold the estimate against"
        )
    source = estimate or CpuEstimate(clock=clock)
    (domain,) = source.domains
    both = counters.beside(source)
    cores = cores or logical_cpus()
    points = []
    for threads in _threads(cores):
        with busy(threads):
            sleep(SETTLE_S)
            with both.measure(f"{threads} threads") as window:
                sleep(seconds)
        if window.errors:
            raise MeterError("; ".join(window.errors))
        counter_w = sum(window.energy_j[name] for name in packages) / window.duration_s
        estimate_w = window.energy_j[domain.name] / window.duration_s
        if threads and not counter_w:
            raise MeterError(f"{', '.join(packages)}: stood still with {threads} busy threads")
        holds = abs(counter_w - estimate_w) <= (domain.error or 0.0) * estimate_w
        points.append(LoadPoint(threads, counter_w, estimate_w, holds, tuple(window.flags)))
    return Validation(domain.note, domain.error or 0.0, cores, tuple(points))


def _threads(cores: int) -> Sequence[int]:
    """None, the powers of two, a tenth, half and all."""
    powers = {2**power for power in range(cores.bit_length())}
    return sorted({0, 1, max(1, cores // 10), max(1, cores // 2), cores, *powers})


def render(found: Validation) -> str:
    """As text for a terminal."""
    from tabulate import tabulate

    rows = [
        (
            point.threads,
            f"{point.counter_w:.1f} W",
            f"{point.estimate_w:.1f} W",
            f"{point.estimate_w / point.counter_w - 1:+.0%}" if point.counter_w else "-",
            ("yes" if point.holds else "no") + " *" * bool(point.flags),
        )
        for point in found.points
    ]
    head = ["busy threads", "counter", "estimate", "off by", f"within ±{found.error:.0%}"]
    lines = [tabulate(rows, head, tablefmt="simple", disable_numparse=True), "", found.note, ""]
    lines += [f"* {flag}" for flag in dict.fromkeys(f for p in found.points for f in p.flags)]
    lines.append(
        f"The stated error held at {found.held} of {len(found.loads)} loads;"
        f" median error {found.median_error:.0%}."
    )
    curve = ",".join(f"{watts:.3g}" for watts in found.curve)
    lines.append(
        f"This machine's own curve, for where its counter can't be read: {WATTS_VARIABLE}={curve}"
    )
    return "\n".join(lines)


def to_json(found: Validation) -> bytes:
    """As JSON: the fields, and what follows from them."""
    import msgspec

    more = {
        "held": found.held,
        "median_error": found.median_error,
        "curve": found.curve,
        "exit_status": found.exit_status,
    }
    return msgspec.json.format(
        msgspec.json.encode({**msgspec.to_builtins(found), **more}), indent=2
    )
