"""RAPL through `perf_event_open`, for those who may not read powercap's files.

The kernel's event source `power` (Documentation/ABI/testing/sysfs-bus-event_source-devices-events)
names events, the unit of a count, and one CPU of each package; a count is 64 bits and starts at 0.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from collections.abc import Callable
from pathlib import Path

from pytest_energybench.base.plain_file import read_plain
from pytest_energybench.base.system import LINUX
from pytest_energybench.metering.clock import Clock
from pytest_energybench.metering.custom import CounterSource
from pytest_energybench.metering.errors import Problem
from pytest_energybench.metering.source import Source
from pytest_energybench.metering.sources import Offer, unreadable

ROOT = Path("/sys/bus/event_source/devices/power")
EVENTS = {"cpu": "energy-pkg", "dram": "energy-ram"}
PERIOD_S = 0.001
CPUS = Path("/sys/devices/system/cpu")
SYSCALL = {"x86_64": 298, "i686": 336}
"""Number of perf_event_open(2); only x86 has RAPL."""
CLOSE_ON_EXEC = 8
CURE = "`sudo sysctl kernel.perf_event_paranoid=0`, which lets all users count events of all others"

Open = Callable[[bytes, int], int]
"""A counter's descriptor, by perf_event_attr and CPU; raises OSError."""


def offer() -> Offer | None:
    """The kernel counts packages' energy as events."""
    if not (ROOT / "events" / EVENTS["cpu"]).exists():  # a virtual machine may have others
        return None
    return Offer("RAPL by perf events", f"{CURE}, and --energy-meters=nvml,perf,estimate")


def find(
    clock: Clock, root: Path = ROOT, opened: Open | None = None, topology: Path = CPUS
) -> tuple[list[Source], list[Problem]]:
    """A source for each package, and one for its memory where it is counted.

    Args:
        root: the event source.
        opened: opens a counter; the system call by default.
        topology: which package a CPU is of.
    """
    if opened is None:
        opened = _perf_event_open
    sources: list[Source] = []
    problems: list[Problem] = []
    try:
        kind = int(read_plain(root / "type"))
        cpus = _numbers(read_plain(root / "cpumask").decode())
    except (OSError, ValueError) as error:
        return [], [Problem("perf", str(error), "`sudo modprobe rapl`", absent=not root.is_dir())]
    if len({_package(topology, cpu) for cpu in cpus}) < len(cpus):
        why = f"{root}/cpumask lists CPUs of one package, and each may count a die or all of it"
        twice = Problem("perf", why, "use Linux 6.11 or newer, where AMD's count is told once")
        return [unreadable("cpu:0", twice, "perf", clock)], [twice]
    for domain, event in EVENTS.items():
        if not (root / "events" / event).exists():
            continue
        for number, cpu in enumerate(cpus):
            try:
                config = _config(read_plain(root / "events" / event).decode())
                unit_j = float(read_plain(root / "events" / f"{event}.scale"))
                descriptor = opened(_attributes(kind, config), cpu)
            except (OSError, ValueError) as error:
                problems.append(Problem(f"perf {event} of CPU {cpu}", str(error), CURE))
                sources.append(unreadable(f"{domain}:{number}", problems[-1], "perf", clock))
                continue
            sources.append(
                CounterSource(
                    _joules(descriptor, unit_j),
                    f"{domain}:{number}",
                    resolution_j=unit_j,
                    period_s=PERIOD_S,
                    note=f"experimental: {event} of the package of CPU {cpu}, by perf_event_open",
                    source="perf",
                    clock=clock,
                )
            )
    if not sources:
        problems.append(Problem("perf", f"no {EVENTS['cpu']} in {root}/events", absent=True))
    return sources, problems


def _joules(descriptor: int, unit_j: float) -> Callable[[], float]:
    def joules() -> float:
        (count,) = struct.unpack("Q", os.read(descriptor, 8))
        return float(count) * unit_j

    return joules


def _config(event: str) -> int:
    """`event=0x02` as a number."""
    name, _, number = event.strip().partition("=")
    if name != "event":
        raise ValueError(f"{event!r} names no event")
    return int(number, 0)


def _numbers(text: str) -> list[int]:
    """CPUs in a list such as `0,8-9`."""
    spans = [span.split("-") for span in text.strip().split(",")]
    return [cpu for span in spans for cpu in range(int(span[0]), int(span[-1]) + 1)]


def _package(topology: Path, cpu: int) -> str:
    """The package that a CPU is of; one of its own where the system doesn't say."""
    try:
        return read_plain(topology / f"cpu{cpu}/topology/physical_package_id").decode().strip()
    except OSError:
        return f"of CPU {cpu}"


def _attributes(kind: int, config: int) -> bytes:
    """perf_event_attr in its first version: type, size and config; all else is 0."""
    return struct.pack("IIQ48x", kind, 64, config)


def _perf_event_open(attributes: bytes, cpu: int) -> int:
    number = SYSCALL.get(platform.machine())
    if not LINUX or number is None:
        raise OSError("there is no RAPL on this architecture")
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.syscall(number, attributes, -1, cpu, -1, ctypes.c_ulong(CLOSE_ON_EXEC))
    if descriptor < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return int(descriptor)
