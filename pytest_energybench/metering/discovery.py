"""Which sources this machine has, and what to say about those it hasn't."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from importlib import import_module
from typing import Any

from pytest_energybench.metering.clock import SYSTEM_CLOCK, Clock
from pytest_energybench.metering.cpu_time import CpuTime, cpu_time
from pytest_energybench.metering.errors import MeterError, Problem
from pytest_energybench.metering.load_monitor import LoadMonitor
from pytest_energybench.metering.locks import MachineLock, Patience
from pytest_energybench.metering.machine_state import MachineWatch
from pytest_energybench.metering.meter import Meter
from pytest_energybench.metering.source import Domain, Source

__tracebackhide__ = True  # a user's mistake is shown at the user's line

BUILT_IN = ("rapl", "nvml", "estimate")
"""What `auto` stands for, besides the user's own meters."""
EXPERIMENTAL = ("amd", "apple", "jetson", "hwmon", "perf", "emi")
"""Modules of `metering.sources`, read only where a selection names them: written from their makers'
documentation and not yet seen on hardware."""


def discover(
    selection: str | None = None,
    *,
    own: Sequence[Source] = (),
    patience: Patience | None = None,
    exclusive: bool = True,
    clock: Clock = SYSTEM_CLOCK,
    local_pids: Sequence[int] = (),
    gpus: str | None = None,
    allow_missing: Collection[str] = (),
) -> Meter:
    """The meter of this machine.

    Counters are preferred. Where processor or memory have none, they are estimated: `cpu` and
    `ram` stand in for `cpu:N` and `dram:N`, never beside them. A counter that the machine shows and
    that can't be read is a domain that is lost: no estimate stands in for it unasked.

    Args:
        selection: `auto` (`BUILT_IN` and all of `own`), or a comma list of names, of which `auto`
            may be one; the user's own meters go by the names of their domains.
        own: meters that the user brings along.
        patience: how to wait while another process meters, and whom to tell.
        exclusive: keep other processes' windows away while one is open.
        clock: handed to the window and to every source.
        local_pids: ids of processes of this machine that work on the same thing: their CPU time is
            this one's, in estimates as in what counts as background load.
        gpus: which GPUs, in place of what `CUDA_VISIBLE_DEVICES` says to this process.
        allow_missing: domains that totals may go without; one that isn't here is told.

    Raises:
        MeterError: an unknown name, nothing of what was selected is here, or two of it would count
            the same joules.
    """
    own_names = [domain.name for source in own for domain in source.domains]
    names = parse_selection(selection, own_names)
    cpu = cpu_time(local_pids)
    problems: list[str] = [] if cpu.problem is None else [cpu.problem]
    sources = [s for s in own if any(domain.name in names for domain in s.domains)]
    if "rapl" in names:
        sources += _rapl(problems, clock)
    if "nvml" in names:
        sources += _nvml(problems, clock, gpus, patience)
    for name in EXPERIMENTAL:
        if name in names:
            sources += _experimental(name, problems, clock)
    if "estimate" in names:
        sources += _estimates(sources, clock, cpu)
    if not any(source.domains for source in sources):
        why = "; ".join(problems) or "no meter offers a domain"
        raise MeterError(f"nothing can be metered with {selection or 'auto'!r}: {why}")
    problems += _unknown(sources, allow_missing)
    domains = [domain for source in sources for domain in source.domains]
    _check_overlap(domains)
    devices = tuple(domain.device for domain in domains if domain.device)
    return Meter(
        sources,
        clock=clock,
        problems=problems,
        exclusion=MachineLock(devices, patience=patience) if exclusive else None,
        load=LoadMonitor(cpu, clock=clock),
        watch=MachineWatch([g for s in sources for g in getattr(s, "gpus", ())], clock=clock),
        allow_missing=allow_missing,
    )


def _unknown(sources: Sequence[Source], names: Collection[str]) -> list[Problem]:
    """A line where a domain may be missing that was never here."""
    here = [domain.name for source in sources for domain in source.domains]
    unknown = [name for name in names if name not in here]
    if not unknown:
        return []
    why = f"no domain {', '.join(unknown)} here, which may be missing; there are {', '.join(here)}"
    return [Problem("--energy-allow-missing", why)]


def parse_selection(selection: str | None, own: Sequence[str] = ()) -> frozenset[str]:
    """Names in a selection such as `auto` or `rapl,nvml`.

    Raises:
        MeterError: a name is unknown; the message has those that are allowed.
    """
    known = (*BUILT_IN, *EXPERIMENTAL, *own)
    words = [word.strip() for word in (selection or "auto").split(",") if word.strip()]
    for word in words:
        if word != "auto" and word not in known:
            allowed = ", ".join(("auto", *known))
            raise MeterError(f"unknown meter {word!r} in {selection!r}; allowed: {allowed}")
    auto = (*BUILT_IN, *own) if "auto" in words or not words else ()
    return frozenset((*auto, *words)) - {"auto"}


def _rapl(problems: list[str], clock: Clock) -> list[Source]:
    from pytest_energybench.metering.powercap import find_counters, powercap_root

    counters = find_counters(powercap_root())
    problems += counters.problems
    if not counters.domains:
        return []
    from pytest_energybench.metering.rapl import RaplSource

    return [RaplSource(counters, clock=clock)]


def _nvml(
    problems: list[str], clock: Clock, setting: str | None, patience: Patience | None
) -> list[Source]:
    from pytest_energybench.metering.nvml import find_gpus

    found = find_gpus(setting, patience)
    problems += found.problems
    if not found.gpus and not found.lost:
        return []
    from pytest_energybench.metering.nvidia import GpuSource

    return [GpuSource(found.gpus, lost=found.lost, clock=clock)]


def _experimental(name: str, problems: list[str], clock: Clock) -> list[Source]:
    """What an experimental source reads; one domain that is lost where it is here and can't be."""
    from pytest_energybench.metering.sources import unreadable

    sources, found_problems = source_module(name).find(clock)
    problems += found_problems
    lost = [] if sources else [problem for problem in found_problems if not problem.absent]
    return [*sources, *(unreadable(name, problem, name, clock) for problem in lost[:1])]


def source_module(name: str) -> Any:
    """The module of an experimental source, with `find(clock)` and `offer()`."""
    return import_module(f"pytest_energybench.metering.sources.{name}")


def _check_overlap(domains: Sequence[Domain]) -> None:
    """Raise `MeterError` where a domain of several parts stands beside one of them."""
    for whole in domains:
        for part in domains if len(whole.parts) > 1 else ():
            if part is not whole and set(part.parts) & set(whole.parts):
                name = whole.name if whole.source == "custom" else whole.source
                raise MeterError(
                    f"{whole.name} of {whole.source} has in it what {part.name} of {part.source}"
                    f" counts, and would count it twice; leave one out: --energy-meters={name}"
                )


def _estimates(sources: Sequence[Source], clock: Clock, cpu: CpuTime) -> list[Source]:
    """Estimates of processor and memory, each unless something counts it already."""
    counted = {part for source in sources for domain in source.domains for part in domain.parts}
    found: list[Source] = []
    without = {"cpu", "ram"} - counted
    if not without:
        return []
    from pytest_energybench.metering.cpu_power import cpu_power

    power = cpu_power()
    if "cpu" in without:
        from pytest_energybench.metering.cpu_estimate import CpuEstimate

        found.append(CpuEstimate(power, cpu=cpu, clock=clock))
    if "ram" in without:
        from pytest_energybench.metering.ram import RamEstimate

        found.append(RamEstimate(power=power, clock=clock))
    return found
