"""Which sources this machine has, and what to say about those it hasn't."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pytest_energybench.metering.clock import SYSTEM_CLOCK, Clock
from pytest_energybench.metering.errors import MeterError
from pytest_energybench.metering.meter import Meter
from pytest_energybench.metering.source import Source

BUILT_IN = ("rapl", "nvml", "estimate")
"""Names that a selection may hold, besides `auto` and those of meters that the user registered."""


def discover(
    selection: str | None = None,
    *,
    extra: Mapping[str, Callable[[], Source]] | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> Meter:
    """The meter of this machine.

    Counters are preferred. Where processor or memory have none, they are estimated: `cpu` and
    `ram` stand in for `cpu:N` and `dram:N`, never beside them.

    Args:
        selection: `auto` (all built-in meters and all of `extra`), or a comma list of names.
        extra: meters that the user registered, name -> a function that makes the source.
        clock: handed to the window and to every source.

    Raises:
        MeterError: an unknown name, or nothing of what was selected can be read here.
    """
    own = dict(extra or {})
    names = parse_selection(selection, tuple(own))
    sources: list[Source] = []
    problems: list[str] = []
    if "rapl" in names:
        _add_rapl(sources, problems, clock)
    if "nvml" in names:
        _add_nvml(sources, problems, clock)
    sources += [make() for name, make in own.items() if name in names]
    if "estimate" in names:
        _add_estimates(sources, clock)
    if not any(source.domains for source in sources):
        why = "; ".join(problems) or "no meter offers a domain"
        raise MeterError(f"nothing can be metered with {selection!r}: {why}")
    return Meter(sources, clock=clock, problems=problems)


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


def _add_rapl(sources: list[Source], problems: list[str], clock: Clock) -> None:
    from pytest_energybench.metering.powercap import find_counters, powercap_root

    counters = find_counters(powercap_root())
    problems += counters.problems
    if counters.domains:
        from pytest_energybench.metering.rapl import RaplSource

        sources.append(RaplSource(counters, clock=clock))


def _add_nvml(sources: list[Source], problems: list[str], clock: Clock) -> None:
    from pytest_energybench.metering.nvml import NvmlSource

    found = NvmlSource.find(clock=clock)
    if found is None:
        problems.append("NVML: no NVIDIA driver on this machine: GPUs aren't metered")
    elif found.domains:
        sources.append(found)


def _add_estimates(sources: list[Source], clock: Clock) -> None:
    counted = {domain.name.partition(":")[0] for source in sources for domain in source.domains}
    if not counted & {"cpu", "psys"}:
        from pytest_energybench.metering.cpu import CpuEstimate

        sources.append(CpuEstimate(clock=clock))
    if not counted & {"dram", "ram", "psys"}:
        from pytest_energybench.metering.ram import RamEstimate

        sources.append(RamEstimate(clock=clock))
