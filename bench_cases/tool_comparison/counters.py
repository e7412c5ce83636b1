"""A made tree of RAPL counters, and joules that are known because this file spends them.

Standard library only: peers' interpreters run it too. The layout is the kernel's, with the flat
links of `/sys/class/powercap` beside the nested zones. Counters change in place by one write of
constant length, as a reader of sysfs would see it: never empty, never a new file.
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

RANGE_UJ = 262_143_328_850
"""Where an Intel package counter wraps."""


def make_tree(root: Path, *, packages: int = 2, dram: bool = True) -> Path:
    """Packages with or without dram, nested as the kernel nests them."""
    for package in range(packages):
        zone = root / "intel-rapl" / f"intel-rapl:{package}"
        names = {zone: f"package-{package}"} | ({zone / f"{zone.name}:0": "dram"} if dram else {})
        for folder, name in names.items():
            folder.mkdir(parents=True)
            (folder / "name").write_text(f"{name}\n")
            (folder / "max_energy_range_uj").write_text(f"{RANGE_UJ}\n")
            first = (7_000_000_000 if folder is zone else 1_900_000_000) * (package + 1)
            set_counter(folder / "energy_uj", first)  # equal ones would be taken for mirrors
            (root / folder.name).symlink_to(folder)
    return root


def set_counter(path: Path, value_uj: int) -> None:
    """Write a counter's value in microjoules, in place."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        os.pwrite(handle, b"%015d\n" % value_uj, 0)
    finally:
        os.close(handle)


class Replay:
    """Spends known joules in a made tree.

    Attributes:
        spent_uj: microjoules spent so far, all counters together.
    """

    def __init__(self, root: Path, *, seed: int = 1) -> None:
        folder = root / "intel-rapl"
        self._counters = {path: int(path.read_text()) for path in folder.rglob("energy_uj")}
        self._chance = random.Random(seed)
        self.spent_uj = 0

    def wrap_soon(self, left_uj: int) -> None:
        """Set every counter so that it wraps after `left_uj` microjoules."""
        for path in self._counters:
            self._counters[path] = RANGE_UJ - left_uj
            set_counter(path, self._counters[path])

    def spend(self, step_uj: int) -> None:
        """Each counter goes on by between none and twice `step_uj` microjoules."""
        for path, value in self._counters.items():
            step = self._chance.randrange(2 * step_uj)
            self._counters[path] = (value + step) % RANGE_UJ
            set_counter(path, self._counters[path])
            self.spent_uj += step

    def play(self, seconds: float, *, watts: float = 50.0, period_s: float = 0.02) -> None:
        """Spend about `watts` in each counter for some seconds of real time."""
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            time.sleep(period_s)
            self.spend(int(watts * period_s * 1e6))
