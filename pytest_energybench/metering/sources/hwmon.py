"""Energy counters that Linux shows as sensors: Intel GPUs, and AMD processors by `amd_energy`.

`energyN_input` is in microjoules and may have a label `energyN_label` (Documentation/hwmon/
sysfs-interface.rst). `i915` and `xe` count a card, `xe` its package as well (Documentation/ABI/
testing/sysfs-driver-intel-*-hwmon); `amd_energy` counts each core and each socket.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from pytest_energybench.base.plain_file import plain_text, read_plain
from pytest_energybench.base.text import sanitize
from pytest_energybench.metering.clock import Clock
from pytest_energybench.metering.custom import CounterSource
from pytest_energybench.metering.errors import Problem
from pytest_energybench.metering.source import Source
from pytest_energybench.metering.sources import Offer

ROOT = Path("/sys/class/hwmon")
GPUS = ("i915", "xe")
PERIOD_S = 0.01
"""More than the millisecond in which the hardware counts."""


class _Counter(NamedTuple):
    """A counter file, the domain that it is, and the driver."""

    file: Path
    domain: str
    driver: str


def offer() -> Offer | None:
    """One of these sensors is here."""
    drivers = sorted({counter.driver for counter in _counters(ROOT)})
    if not drivers:
        return None
    without_rapl = "nvml,hwmon,estimate" if "amd_energy" in drivers else "auto,hwmon"
    what = f"energy counters of {', '.join(drivers)}"
    has = "gpu" if set(drivers) & set(GPUS) else ""
    return Offer(what, f"--energy-meters={without_rapl}", has)


def find(clock: Clock, root: Path = ROOT) -> tuple[list[Source], list[Problem]]:
    """A source for each card and each socket.

    Args:
        root: where the sensors are.
    """
    sources: list[Source] = []
    problems: list[Problem] = []
    for counter in _counters(root):
        joules = _joules(counter.file)
        try:
            joules()
        except (OSError, ValueError) as error:
            problems.append(Problem(counter.domain, str(error), f"`sudo chmod a+r {counter.file}`"))
        note = f"experimental: {counter.driver}: {counter.file}"
        sources.append(
            CounterSource(
                joules,
                counter.domain,
                resolution_j=1e-6,
                period_s=PERIOD_S,
                note=sanitize(note),
                source="hwmon",
                device=str(counter.file.parent.resolve()) if counter.driver in GPUS else "",
                clock=clock,
            )
        )
    return sources, problems


def _counters(root: Path) -> Iterator[_Counter]:
    gpus = 0
    for folder in sorted(root.glob("hwmon*"), key=lambda each: str(each.resolve())):
        driver = plain_text(folder / "name")
        labels = {
            plain_text(file.with_name(file.name.replace("_input", "_label"))): file
            for file in sorted(folder.glob("energy*_input"))
        }
        if driver in GPUS:
            card = labels.get("card") or labels.get("") or labels.get("pkg")
            if card is not None:
                yield _Counter(card, f"gpu:{gpus}", driver)
                gpus += 1
        elif driver == "amd_energy":
            for label, file in labels.items():
                if found := re.fullmatch(r"Esocket(\d+)", label):
                    yield _Counter(file, f"cpu:{int(found[1])}", driver)


def _joules(file: Path) -> Callable[[], float]:
    return lambda: int(read_plain(file)) / 1e6
