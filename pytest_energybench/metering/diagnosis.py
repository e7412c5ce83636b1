"""What this machine can measure, how, what is missing, and whether it reacts to load."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

from pytest_energybench.base.system import logical_cpus
from pytest_energybench.metering.clock import SYSTEM_CLOCK
from pytest_energybench.metering.discovery import BUILT_IN, EXPERIMENTAL, discover, source_module
from pytest_energybench.metering.errors import Problem
from pytest_energybench.metering.machine import MachineFacts, machine_facts
from pytest_energybench.metering.meter import Meter
from pytest_energybench.metering.source import Domain, Source
from pytest_energybench.metering.window import Window

SELF_TEST_S = 5.0
PERIOD_CHANGES = 8
SURELY_SEEN = 100
"""A counter that should have changed so often while it was watched, and didn't, does not count."""
PERIOD_LIMIT_S = 1.5
LONGEST_LOOK_S = 0.01
"""Looking at a machine's counters takes a tenth of that."""
PERIOD_LIMIT_QUICK_S = 0.3


@dataclass(frozen=True, slots=True)
class DomainReport:
    """One domain, as promised and as seen.

    Attributes:
        name: of the domain; source, provenance, error (relative) and note as its source says.
        resolution_j: smallest step in joules that the source states.
        period_s: update period in seconds that the source states.
        seen_period_s: update period seen now; None for a model, which is always up to date, and
            for a counter that didn't move while it was watched.
        idle_w: watts that the self-test saw while nothing ran; None without a self-test.
        load_w: watts that it saw with all processors busy.
    """

    name: str
    source: str
    provenance: str
    resolution_j: float | None
    error: float | None
    period_s: float | None
    note: str
    seen_period_s: float | None = None
    idle_w: float | None = None
    load_w: float | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that isn't metered; `remedy` is empty if nothing mends it."""

    what: str
    why: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the doctor found.

    Attributes:
        machine: what it looked at.
        domains: what can be metered.
        missing: what can't, why, and the remedy.
        left_out: counters that would have counted joules twice.
        uncovered: parts of the machine without even an estimate; empty is healthy.
        lost: domains that can't be read, or whose figures can't be: no gate can judge with them.
        findings: what the self-test has to say.
        self_test_s: length of the self-test in seconds; 0 if it was left out.
    """

    machine: MachineFacts
    domains: tuple[DomainReport, ...]
    missing: tuple[Missing, ...]
    left_out: tuple[str, ...]
    uncovered: tuple[str, ...]
    lost: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    self_test_s: float = 0.0

    @property
    def exit_status(self) -> int:
        """0 if a gate could judge here: every part of the machine has at least an estimate, and no
        domain is lost; else 1."""
        return 1 if self.uncovered or self.lost else 0


def diagnose(
    quick: bool = False,
    *,
    meter: Meter | None = None,
    seconds: float = SELF_TEST_S,
    sleep: Callable[[float], None] = SYSTEM_CLOCK.sleep,
) -> Diagnosis:
    """Look at everything that can be metered here.

    Args:
        quick: leave the self-test out.
        meter: what to look at; discovered by default.
        seconds: length of the self-test, half idle and half under load.
        sleep: lets the time pass.

    Raises:
        MeterError: nothing can be metered at all.
        LockTimeoutError: another process metered for too long.
    """
    meter = meter or discover()
    limit_s = PERIOD_LIMIT_QUICK_S if quick else PERIOD_LIMIT_S
    periods: dict[str, float | None] = {}
    for source in meter.sources:
        periods |= update_periods(source, limit_s)
    lost = meter.lost()
    for domain in meter.domains:
        expected = limit_s / domain.period_s if domain.period_s else 0.0
        if expected >= SURELY_SEEN and periods.get(domain.name, 0.0) is None:
            lost.setdefault(domain.name, f"its counter stood still for {limit_s:g} s")
    idle_w, load_w = {}, {}
    if not quick:
        idle, load = self_test(meter, seconds, sleep)
        idle_w, load_w = _watts(idle), _watts(load)
        for error in (*idle.errors, *load.errors):
            name, _, why = error.partition(": ")
            lost.setdefault(name, why)
        for domain in meter.domains:
            if domain.provenance == "measured" and load_w.get(domain.name) == 0.0:
                lost.setdefault(domain.name, "its counter stood still under load; don't trust it")
    domains = tuple(
        _report(domain, periods.get(domain.name), idle_w.get(domain.name), load_w.get(domain.name))
        for domain in meter.domains
    )
    missing = (*map(_missing, meter.problems), *_offers({d.source for d in meter.domains}))
    return Diagnosis(
        machine=machine_facts(meter.gpu_names),
        domains=domains,
        missing=missing,
        left_out=tuple(line for s in meter.sources for line in getattr(s, "left_out", ())),
        uncovered=tuple(_uncovered(meter.domains, missing)),
        lost=tuple(f"{name}: {why}" for name, why in lost.items()),
        findings=tuple(_findings(domains)),
        self_test_s=0.0 if quick else seconds,
    )


def update_periods(
    source: Source, limit_s: float, clock: Callable[[], float] = SYSTEM_CLOCK.monotonic
) -> dict[str, float | None]:
    """Domain -> seconds between two changes of its counter, watched for at most `limit_s` of
    `clock`; of a time in which this process was stopped only `LONGEST_LOOK_S` counts.

    Only counters are watched: a model follows the clock and changes with every look.
    """
    seen: dict[str, list[float]] = {
        domain.name: [] for domain in source.domains if domain.provenance == "measured"
    }
    last: dict[str, float] = {}
    watched_s, before = 0.0, clock()
    source.open()
    while watched_s < limit_s and any(len(at) < PERIOD_CHANGES for at in seen.values()):
        joules = source.read().joules
        now = clock()
        watched_s += min(now - before, LONGEST_LOOK_S)
        before = now
        for name in seen.keys() & joules.keys():
            if name in last and joules[name] != last[name]:
                seen[name].append(now)
            last[name] = joules[name]
    source.close()
    return {name: _median_gap(at) for name, at in seen.items()}


def self_test(
    meter: Meter, seconds: float, sleep: Callable[[float], None] = SYSTEM_CLOCK.sleep
) -> tuple[Window, Window]:
    """A window while nothing runs, and one with all processors busy; half of `seconds` each."""
    with meter.measure("idle") as idle:
        sleep(seconds / 2)
    with meter.measure("load") as load, busy_processors(logical_cpus()):
        sleep(seconds / 2)
    return idle, load


def _watts(window: Window) -> dict[str, float]:
    return {name: joules / window.duration_s for name, joules in window.energy_j.items()}


@contextmanager
def busy_processors(count: int) -> Iterator[None]:
    """Keep so many logical CPUs busy, each with a process that only counts."""
    command = [sys.executable, "-S", "-E", "-c", "while True: pass"]
    workers = [subprocess.Popen(command) for _ in range(count)]
    try:
        yield
    finally:
        for worker in workers:
            worker.kill()
        for worker in workers:
            worker.wait()


def _report(
    domain: Domain, seen_period_s: float | None, idle_w: float | None, load_w: float | None
) -> DomainReport:
    return DomainReport(
        name=domain.name,
        source=domain.source,
        provenance=domain.provenance,
        resolution_j=domain.resolution_j,
        error=domain.error,
        period_s=domain.period_s,
        note=domain.note,
        seen_period_s=seen_period_s,
        idle_w=idle_w,
        load_w=load_w,
    )


def _missing(problem: str) -> Missing:
    if isinstance(problem, Problem):
        return Missing(problem.what, problem.why, problem.remedy)
    return Missing("meter", problem)


def _offers(read: Collection[str]) -> Iterator[Missing]:
    """What this machine has that an experimental source would read if it were asked for."""
    for name in EXPERIMENTAL:
        offer = None if name in read else source_module(name).offer()
        if offer is not None:
            enable = offer.enable
            if offer.has == "gpu" and "nvml" in read:
                enable = f"{_without_nvml(enable)}, in place of NVIDIA's"
            yield Missing(offer.what, "there, and not read: experimental", enable)


def _without_nvml(enable: str) -> str:
    """The option without NVIDIA's GPUs: a second `gpu:0` beside theirs is refused."""
    others = ",".join(name for name in BUILT_IN if name != "nvml")
    return enable.replace("=auto,", f"={others},").replace("=nvml,", "=")


def _uncovered(domains: Sequence[Domain], missing: Sequence[Missing]) -> Iterator[str]:
    """Parts of the machine that nothing meters or estimates."""
    covered = {part for domain in domains for part in domain.parts}
    yield from (part for part in ("cpu", "ram") if part not in covered)
    yield from (gap.what for gap in missing if gap.what.startswith("GPU "))


def _findings(domains: Sequence[DomainReport]) -> Iterator[str]:
    for domain in domains:
        if domain.idle_w is None or domain.load_w is None or domain.name.startswith("gpu"):
            continue
        if domain.name.startswith("cpu") and domain.load_w < 1.05 * domain.idle_w:
            yield f"{domain.name}: no more watts under load than when idle; don't trust it"


def _median_gap(at: Sequence[float]) -> float | None:
    gaps = [after - before for before, after in pairwise(at)]
    return statistics.median(gaps) if gaps else None
