"""Power that is drawn whatever runs, and what is left of a window's joules without it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pytest_energybench.base.flags import BUSY, spoils
from pytest_energybench.metering.clock import SYSTEM_CLOCK
from pytest_energybench.metering.meter import Meter

IDLE_S = 5.0
ROUNDING = 1e-9
"""Of two equal sums of floats one may be the smaller by this share."""


@dataclass(frozen=True, slots=True)
class IdlePower:
    """What an idle machine draws.

    Attributes:
        watts: domain -> watts; without those that were lost meanwhile, or whose counter also
            counted what kept the machine busy, and without any if no time passed on the meter's
            clock.
        duration_s: how long it was measured, in seconds.
        started: wall-clock time of the start, UTC in ISO 8601.
        flags: what there is to say of it, e.g. that the machine wasn't idle.
        errors: why domains have none, each beginning with its name.
    """

    watts: Mapping[str, float]
    duration_s: float
    started: str
    flags: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NetEnergy:
    """A window's joules with idle power and without; both are kept.

    Attributes:
        gross_j: domain -> joules as metered.
        idle_j: domain -> joules that an idle machine would have used meanwhile.
        net_j: domain -> the difference; without those if it isn't known.
        errors: domains whose difference isn't known, with both figures.
    """

    gross_j: Mapping[str, float]
    idle_j: Mapping[str, float]
    net_j: Mapping[str, float]
    errors: tuple[str, ...] = ()

    @property
    def net_total_j(self) -> float:
        """Sum of `net_j` in joules; nan if there is no domain, or one isn't known."""
        return math.fsum(self.net_j.values()) if self.net_j and not self.errors else math.nan


def measure_idle(
    meter: Meter, seconds: float = IDLE_S, *, sleep: Callable[[float], None] = SYSTEM_CLOCK.sleep
) -> IdlePower:
    """Meter `seconds` of doing nothing, with the machine's lock held like any window.

    An estimate's own idle power takes the place of what it shows then: that has this process's
    work in it.

    Args:
        meter: its domains are measured.
        seconds: how long; longer evens out what wakes up now and then.
        sleep: lets the time pass.

    Raises:
        ValueError: no time to measure in.
    """
    if not seconds > 0:
        raise ValueError(f"idle power needs some time to be measured, not {seconds} s")
    with meter.measure("idle") as window:
        sleep(seconds)
    known = {domain.name: domain.idle_w for domain in meter.domains if domain.idle_w is not None}
    joules = window.energy_j if window.duration_s else {}
    seen = {name: used / window.duration_s for name, used in joules.items()}
    busy = next((flag for flag in window.flags if spoils(flag) == BUSY), None)
    void = [] if busy is None else [name for name in seen if name not in known]
    return IdlePower(
        watts={name: known.get(name, watts) for name, watts in seen.items() if name not in void},
        duration_s=window.duration_s,
        started=window.started,
        flags=tuple(window.flags),
        errors=(*window.errors, *(f"{name}: spoiled: {busy}" for name in void)),
    )


def subtract_idle(energy_j: Mapping[str, float], duration_s: float, idle: IdlePower) -> NetEnergy:
    """A window's joules without what an idle machine would have used in its time.

    Args:
        energy_j: domain -> joules of the window.
        duration_s: its length in seconds.
        idle: measured before, on the same machine.
    """
    idle_j: dict[str, float] = {}
    net_j: dict[str, float] = {}
    errors: list[str] = []
    for name, joules in energy_j.items():
        if name not in idle.watts:
            own = f"{name}: "
            why = "".join(f" ({e.removeprefix(own)})" for e in idle.errors if e.startswith(own))
            errors.append(f"{own}its idle power is not known, so it can't be subtracted{why}")
            continue
        idle_j[name] = idle.watts[name] * duration_s
        if joules < idle_j[name] * (1 - ROUNDING):
            errors.append(
                f"{name}: used {joules:.4g} J where the idle machine is said to use"
                f" {idle_j[name]:.4g} J ({idle.watts[name]:.3g} W): was it idle when that was"
                " measured?"
            )
            continue
        net_j[name] = max(0.0, joules - idle_j[name])
    return NetEnergy(dict(energy_j), idle_j, net_j, tuple(errors))
