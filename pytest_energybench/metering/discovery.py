"""Which sources this machine has, and what to say about those it hasn't."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_energybench.metering.clock import SYSTEM_CLOCK, Clock
from pytest_energybench.metering.cpu_time import cpu_time
from pytest_energybench.metering.errors import MeterError
from pytest_energybench.metering.exclusion import Exclusion
from pytest_energybench.metering.load import LoadWatch
from pytest_energybench.metering.lock import Patience
from pytest_energybench.metering.meter import Meter
from pytest_energybench.metering.source import Source

BUILT_IN = ("rapl", "nvml", "estimate")
"""Names that a selection may hold, besides `auto` and those of the user's own meters."""


def discover(
    selection: str | None = None,
    *,
    own: Sequence[Source] = (),
    patience: Patience | None = None,
    exclusive: bool = True,
    clock: Clock = SYSTEM_CLOCK,
    company: Sequence[int] = (),
    gpus: str | None = None,
) -> Meter:
    """The meter of this machine.

    Counters are preferred. Where processor or memory have none, they are estimated: `cpu` and
    `ram` stand in for `cpu:N` and `dram:N`, never beside them.

    Args:
        selection: `auto` (all built-in meters and all of `own`), or a comma list of names; the
            user's own meters go by the names of their domains.
        own: meters that the user brings along.
        patience: how to wait while another process meters, and whom to tell.
        exclusive: keep other processes' windows away while one is open.
        clock: handed to the window and to every source.
        company: ids of processes of this machine that work on the same thing: their CPU time is
            this one's, in estimates as in what counts as foreign load.
        gpus: which GPUs, in place of what `CUDA_VISIBLE_DEVICES` says to this process.

    Raises:
        MeterError: an unknown name, or nothing of what was selected can be read here.
    """
    own_names = [domain.name for source in own for domain in source.domains]
    names = parse_selection(selection, own_names)
    problems: list[str] = []
    sources = [s for s in own if any(domain.name in names for domain in s.domains)]
    if "rapl" in names:
        sources += _rapl(problems, clock)
    uuids: tuple[str, ...] = ()
    if "nvml" in names:
        found, uuids = _nvml(problems, clock, gpus)
        sources += found
    if "estimate" in names:
        sources += _estimates(sources, clock, company)
    if not any(source.domains for source in sources):
        why = "; ".join(problems) or "no meter offers a domain"
        raise MeterError(f"nothing can be metered with {selection or 'auto'!r}: {why}")
    return Meter(
        sources,
        clock=clock,
        problems=problems,
        exclusion=Exclusion(uuids, patience=patience) if exclusive else None,
        load=LoadWatch(cpu_time(company), clock=clock),
    )


def parse_selection(selection: str | None, own: Sequence[str] = ()) -> frozenset[str]:
    """Names in a selection such as `auto` or `rapl,nvml`.

    Raises:
        MeterError: a name is unknown; the message has those that are allowed.
    """
    known = (*BUILT_IN, *own)
    words = [word.strip() for word in (selection or "auto").split(",") if word.strip()]
    for word in words:
        if word != "auto" and word not in known:
            allowed = ", ".join(("auto", *known))
            raise MeterError(f"unknown meter {word!r} in {selection!r}; allowed: {allowed}")
    return frozenset(known if "auto" in words or not words else words)


def _rapl(problems: list[str], clock: Clock) -> list[Source]:
    from pytest_energybench.metering.powercap import find_counters, powercap_root

    counters = find_counters(powercap_root())
    problems += counters.problems
    if not counters.domains:
        return []
    from pytest_energybench.metering.rapl import RaplSource

    return [RaplSource(counters, clock=clock)]


def _nvml(
    problems: list[str], clock: Clock, setting: str | None
) -> tuple[list[Source], tuple[str, ...]]:
    from pytest_energybench.metering.nvml import find_gpus

    found = find_gpus(setting)
    problems += found.problems
    if not found.gpus:
        return [], ()
    from pytest_energybench.metering.gpu import GpuSource

    return [GpuSource(found.gpus, clock=clock)], tuple(gpu.uuid for gpu in found.gpus)


def _estimates(sources: Sequence[Source], clock: Clock, company: Sequence[int]) -> list[Source]:
    """Estimates of processor and memory, each unless something counts it already."""
    counted = {domain.name.partition(":")[0] for source in sources for domain in source.domains}
    found: list[Source] = []
    if not counted & {"cpu", "psys"}:
        from pytest_energybench.metering.cpu import CpuEstimate

        found.append(CpuEstimate(cpu=cpu_time(company), clock=clock))
    if not counted & {"dram", "ram", "psys"}:
        from pytest_energybench.metering.ram import RamEstimate

        found.append(RamEstimate(clock=clock))
    return found
