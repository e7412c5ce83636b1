"""Which RAPL counters a powercap tree has, and which of them count the same joules twice.

The layout is the kernel's (Documentation/power/powercap/powercap.rst): a directory per zone, called
`intel-rapl:0` (a package or the platform) or `intel-rapl:0:1` (inside package zone 0), on AMD as
well, with the files `name`, `energy_uj` and `max_energy_range_uj`.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from pytest_energybench.metering.errors import Problem

ROOT_VARIABLE = "ENERGYBENCH_POWERCAP_ROOT"
SYSTEM_ROOT = Path("/sys/class/powercap")
MAX_DEPTH = 4
TWIN_UJ = 1_000_000
"""Two dies of one package whose counters agree within a joule show the same register. Counters of
their own wrap at 65 kJ or more, so they come this close by chance once in 30,000 starts."""


class Zone(NamedTuple):
    """One powercap zone.

    Attributes:
        id: directory name, e.g. `intel-rapl:0:1`.
        name: content of `name`, e.g. `package-0`, `dram`, `psys`.
        energy: the counter, in microjoules.
        range_uj: value at which the counter wraps to 0; None where the tree doesn't say.
    """

    id: str
    name: str
    energy: Path
    range_uj: int | None

    @property
    def control(self) -> str:
        """The driver: `intel-rapl`, `intel-rapl-mmio`, ..."""
        return self.id.partition(":")[0]


class Counters(NamedTuple):
    """What to read.

    Attributes:
        domains: `cpu:0`, `dram:0`, ... -> the zones that add up to it.
        left_out: zones that would count joules twice, with the reason.
        problems: what can't be read, why, and the remedy.
    """

    domains: Mapping[str, tuple[Zone, ...]]
    left_out: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


def powercap_root(root: str | os.PathLike[str] | None = None) -> Path:
    """Where to look: as told, by `ENERGYBENCH_POWERCAP_ROOT`, or the system's own tree."""
    return Path(root or os.environ.get(ROOT_VARIABLE) or SYSTEM_ROOT)


def find_counters(root: Path) -> Counters:
    """The counters under `root`, each joule once."""
    if not root.is_dir():
        return Counters({}, problems=(Problem("RAPL", f"{root} doesn't exist", _cure(root)),))
    zones = sorted(_zones(root, set(), 0), key=lambda zone: _natural(zone.id))
    if not zones:
        return Counters({}, problems=(Problem("RAPL", f"no counter in {root}", _cure(root)),))
    return _Sorting(zones).sort()


class _Sorting:
    """Zones sorted into domains, step by step."""

    def __init__(self, zones: list[Zone]) -> None:
        self._zones = zones
        self._domains: dict[str, tuple[Zone, ...]] = {}
        self._left_out: list[str] = []
        self._denied: list[Path] = []
        self._broken: list[Problem] = []
        self._values: dict[Path, int] = {}

    def sort(self) -> Counters:
        zones = [zone for zone in self._zones if self._readable(zone)]
        packages = [z for z in zones if z.name.startswith("package")]
        numbers: dict[str, str] = {}
        for zone in sorted(packages, key=lambda z: (z.control != "intel-rapl", _natural(z.id))):
            number = _package_number(zone)
            if self._keep(f"cpu:{number}", zone):
                numbers[zone.id] = number
        for zone in zones:
            parent = zone.id.rpartition(":")[0]
            if zone.name == "dram" and (parent in numbers or parent.count(":") == 0):
                self._keep(f"dram:{numbers.get(parent, '0')}", zone)
            elif zone.name.startswith("psys"):
                self._keep_platform(zone)
        return Counters(self._domains, tuple(self._left_out), tuple(self._problems()))

    def _readable(self, zone: Zone) -> bool:
        if not (zone.name.startswith(("package", "psys")) or zone.name == "dram"):
            return False  # core and uncore are parts of their package
        try:
            self._values[zone.energy] = int(zone.energy.read_bytes())
        except PermissionError:
            self._denied.append(zone.energy)
        except (OSError, ValueError) as error:
            why = str(error) if isinstance(error, OSError) else f"{zone.energy}: {error}"
            self._broken.append(Problem("RAPL", why))
        else:
            return True
        return False

    def _keep(self, domain: str, zone: Zone) -> bool:
        """Add `zone` to `domain` unless one that is there already counts the same joules."""
        kept = self._domains.get(domain, ())
        for other in kept:
            if other.control != zone.control:
                self._left_out.append(f"{zone.id} ({zone.name}): repeats {other.id}")
                return False
            if abs(self._values[other.energy] - self._values[zone.energy]) <= TWIN_UJ:
                self._left_out.append(f"{zone.id} ({zone.name}): mirrors {other.id}")
                return False
        self._domains[domain] = (*kept, zone)
        return True

    def _keep_platform(self, zone: Zone) -> None:
        if any(zone.name.startswith("package") for zone in self._zones):
            self._left_out.append(f"{zone.id} (psys): contains the packages")
        else:
            self._keep("psys:0", zone)

    def _problems(self) -> Iterator[Problem]:
        if self._denied:
            first, more = self._denied[0], len(self._denied) - 1
            others = f" and {more} more" if more else ""
            yield Problem("RAPL", f"permission denied: {first}{others}", remedy(first))
        yield from self._broken


def remedy(energy: Path) -> str:
    """What makes the counters readable: a command for now, and the rule that outlives a boot.

    The kernel keeps them from other users since 2020, because their fine steps leak what a
    processor computes (CVE-2020-8694); on a machine with untrusted users, leave it so.
    """
    now = f"`sudo chmod a+r {energy.parent.parent}/*/energy_uj`"
    if not energy.is_relative_to(SYSTEM_ROOT):
        return f"run {now}"
    return f'run {now}; for good, put that chmod into a udev rule (SUBSYSTEM=="powercap")'


def _zones(folder: Path, seen: set[Path], depth: int) -> Iterator[Zone]:
    """Zones at and below `folder`; the class directory links to each of them, so by real path."""
    for entry in sorted(folder.iterdir()):
        if "rapl" not in entry.name or not entry.is_dir():
            continue
        real = entry.resolve()
        if real in seen:
            continue
        seen.add(real)
        zone = _zone(entry)
        if zone is not None:
            yield zone
        if depth < MAX_DEPTH:
            yield from _zones(entry, seen, depth + 1)


def _zone(folder: Path) -> Zone | None:
    energy = folder / "energy_uj"
    try:
        name = (folder / "name").read_text().strip()
    except OSError:  # the driver's own directory
        return None
    try:
        range_uj = int((folder / "max_energy_range_uj").read_text())
    except (OSError, ValueError):
        range_uj = None
    if not energy.exists():
        return None
    return Zone(folder.name, name, energy, range_uj)


def _package_number(zone: Zone) -> str:
    """`1` of `package-1` and `package-1-die-0`; the zone's own number otherwise."""
    found = re.match(r"package-(\d+)", zone.name) or re.search(r":(\d+)$", zone.id)
    return found.group(1) if found else "0"


def _natural(text: str) -> list[tuple[int, str]]:
    """Sort key that puts `intel-rapl:10` after `intel-rapl:2`."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text)]


def _cure(root: Path) -> str:
    """What may help where there are no counters; most virtual machines have none at all."""
    if root != SYSTEM_ROOT:
        return f"check {ROOT_VARIABLE}"
    if sys.platform != "linux":
        return "only Linux offers RAPL counters; processor and memory are estimated"
    return "outside virtual machines `sudo modprobe intel_rapl_msr` brings them"
