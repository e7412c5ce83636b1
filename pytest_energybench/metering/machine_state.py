"""What moves joules while a run goes on: governor, turbo, source of power, power limits and heat.

It is read before a round's first window and after its last, never within one. A round in which it
was not what it was at the run's beginning decides nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pytest_energybench.base.flags import CHANGED, THROTTLED
from pytest_energybench.base.system import open_flags
from pytest_energybench.metering.clock import SYSTEM_CLOCK, Clock

if TYPE_CHECKING:
    from pytest_energybench.metering.nvml import Gpu, GpuState

_FLAGS = os.O_RDONLY | open_flags("O_NONBLOCK", "O_CLOEXEC")

SLOWED_SHARE = 0.01
"""Slowed down by heat for less of a round than this is no disturbance: a counter's own error is
larger."""


class MachineState(NamedTuple):
    """The machine at one moment.

    Attributes:
        settings: what stays the same unless somebody or the system changes it, by its name.
        slowed_s: part -> seconds for which heat has slowed it down since its start.
        slowed: part -> how often, where no seconds are told.
        gpus: domain -> state.
    """

    settings: Mapping[str, str]
    slowed_s: Mapping[str, float]
    slowed: Mapping[str, int]
    gpus: Mapping[str, GpuState]


class MachineWatch:
    """Looks at the machine's state and tells what changed.

    What the machine does not show is not looked at.
    """

    def __init__(
        self, gpus: Sequence[Gpu] = (), *, root: Path = Path("/"), clock: Clock = SYSTEM_CLOCK
    ) -> None:
        """
        Args:
            gpus: those that are metered.
            root: of the file system, for tests.
            clock: tells how long a round was.
        """
        self._gpus = gpus
        self._root = root
        self._clock = clock

    @cached_property
    def first(self) -> MachineState:
        """The state at the run's beginning: when this was first asked for."""
        return self.look()

    def look(self) -> MachineState:
        """The state now."""
        settings = cpu_settings(self._root, self._governors)
        gpus = {f"gpu:{gpu.index}": gpu.state() for gpu in self._gpus}
        for name, gpu in gpus.items():
            if gpu.limit_w:
                settings[f"{name} power limit"] = f"{gpu.limit_w:g} W"
        slowed_s = {name: gpu.slowed_s for name, gpu in gpus.items() if gpu.slowed_s is not None}
        if times := self._heat("total_time_ms"):
            slowed_s["cpu"] = max(times) / 1e3
        return MachineState(
            settings, slowed_s, {} if times else {"cpu": sum(self._heat("count"))}, gpus
        )

    def begin_round(self) -> RoundWatch:
        """Look before the first window of a round."""
        return RoundWatch(self, self.first, self.look(), self._clock)

    def facts(self) -> dict[str, str]:
        """The GPUs at the run's beginning, for its settings; those of the processor are there."""
        gpus = self.first.gpus.values()
        named: dict[str, list[float | None]] = {
            "gpu_power_limit_w": [gpu.limit_w or None for gpu in gpus],
            "gpu_temperature_c": [gpu.temperature_c for gpu in gpus],
            "gpu_clock_mhz": [gpu.clock_mhz for gpu in gpus],
        }
        return {
            name: ", ".join("?" if each is None else f"{each:g}" for each in values)
            for name, values in named.items()
            if any(each is not None for each in values)
        }

    def _heat(self, what: str) -> list[int]:
        """Counts of all cores and packages (kernel documentation, `thermal_throttle` in
        ABI/testing/sysfs-devices-system-cpu)."""
        texts = (_read(file) for file in self._throttle_files if file.endswith(what))
        return [int(text) for text in texts if text.isdecimal()]

    @cached_property
    def _governors(self) -> list[str]:
        return governors(self._root)

    @cached_property
    def _throttle_files(self) -> list[str]:
        cpus = self._root / "sys/devices/system/cpu"
        return sorted(map(str, cpus.glob("cpu[0-9]*/thermal_throttle/*_throttle_*")))


class RoundWatch:
    """A round between two looks."""

    def __init__(
        self, watch: MachineWatch, first: MachineState, begin: MachineState, clock: Clock
    ) -> None:
        self._watch = watch
        self._first = first
        self._begin = begin
        self._clock = clock
        self._began = clock.monotonic()

    def flags(self) -> list[str]:
        """Look once more, after the last window: what there is to say of the round."""
        now, seconds = self._watch.look(), self._clock.monotonic() - self._began
        return [*changes(self._first, self._begin, now), *slowdowns(self._begin, now, seconds)]


def changes(first: MachineState, begin: MachineState, end: MachineState) -> list[str]:
    """Flags for settings that are not those of the run's beginning at either end of a round."""
    found = []
    for name, was in first.settings.items():
        for state in (begin, end):
            now = state.settings.get(name)
            if now is not None and now != was:
                found.append(f"{CHANGED}: {name} {was} → {now} since the run began")
                break
    return found


def slowdowns(begin: MachineState, end: MachineState, seconds: float) -> list[str]:
    """Flags for parts that slowed themselves down in a round of so many seconds."""
    found = []
    for part, total_s in end.slowed_s.items():
        slowed_s = total_s - begin.slowed_s.get(part, total_s)
        if slowed_s > SLOWED_SHARE * seconds:
            found.append(f"{part}: {THROTTLED} by heat for {slowed_s:.3g} s{_seen(end, part)}")
    for part, count in end.slowed.items():
        if count > begin.slowed.get(part, count):
            found.append(f"{part}: {THROTTLED} by heat, as the kernel counted")
    for part, gpu in end.gpus.items():
        reason = gpu.slowdown or (begin.gpus[part].slowdown if part in begin.gpus else "")
        if reason and not any(flag.startswith(f"{part}: ") for flag in found):
            found.append(f"{part}: {THROTTLED}: {reason}{_seen(end, part)}")
    return found


def _seen(state: MachineState, part: str) -> str:
    gpu = state.gpus.get(part)
    if gpu is None or gpu.temperature_c is None or gpu.clock_mhz is None:
        return ""
    return f" (at its end {gpu.temperature_c} °C, {gpu.clock_mhz} MHz)"


def governors(root: Path = Path("/")) -> list[str]:
    """The files that name a governor, for each group of cores one."""
    policies = root / "sys/devices/system/cpu/cpufreq"
    return sorted(map(str, policies.glob("policy*/scaling_governor")))


def cpu_settings(root: Path, governors: Sequence[str]) -> dict[str, str]:
    """Name -> value of what the system may change about its processors; what it doesn't tell is
    left out.

    `power source` is `mains` or `battery`, where there is a battery to run on.
    """
    found = {
        "cpu governor": ", ".join(sorted({_read(file) for file in governors} - {""})) or None,
        "cpu turbo": _turbo(root),
        "power source": _power_source(root),
    }
    return {name: value for name, value in found.items() if value is not None}


def _turbo(root: Path) -> str | None:
    cpu = root / "sys/devices/system/cpu"
    off = {"1": "off", "0": "on"}.get(_read(cpu / "intel_pstate/no_turbo"))
    return off or {"1": "on", "0": "off"}.get(_read(cpu / "cpufreq/boost"))


def _power_source(root: Path) -> str | None:
    """`mains` or `battery`; None if there is no battery to run on."""
    states = [
        _read(supply / "status")
        for supply in (root / "sys/class/power_supply").glob("*")
        if _read(supply / "type") == "Battery" and _read(supply / "scope") != "Device"
    ]
    if not states:
        return None
    return "battery" if "Discharging" in states else "mains"


def _read(file: str | Path) -> str:
    """A file of one short line: read without Python's own files, since there may be hundreds."""
    try:
        opened = os.open(file, _FLAGS)
    except OSError:
        return ""
    try:
        return os.read(opened, 256).decode("ascii", "replace").strip()
    except OSError:
        return ""
    finally:
        os.close(opened)
