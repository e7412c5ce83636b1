"""Which RAPL counters a powercap tree has, and which of them count the same joules twice.

The layout is the kernel's (Documentation/power/powercap/powercap.rst): a directory per zone, called
`intel-rapl:0` (a package or the platform) or `intel-rapl:0:1` (inside package zone 0), on AMD as
well, with the files `name`, `energy_uj` and `max_energy_range_uj`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from pytest_energybench.base.plain_file import read_plain
from pytest_energybench.base.system import LINUX
from pytest_energybench.base.text import sanitize
from pytest_energybench.metering.clock import SYSTEM_CLOCK
from pytest_energybench.metering.errors import Problem

ROOT_VARIABLE = "ENERGYBENCH_POWERCAP_ROOT"
SYSTEM_ROOT = Path("/sys/class/powercap")
MAX_DEPTH = 4
TWIN_UJ = 1_000_000
"""Two dies of one package whose counters agree within a joule show the same register. Counters of
their own wrap at 65 kJ or more, so they come this close by chance once in 30,000 starts."""
YOUNG_UJ = 1_000_000_000
"""Below a kilojoule that says nothing: all counters begin at 0 when the machine starts."""
YOUNG_LOOKS = 20
YOUNG_PAUSE_S = 0.001
"""A counter moves about once in a millisecond."""

MOST_WATTS = {"package": 1000.0, "dram": 1000.0, "psys": 10_000.0}
"""More than any one part draws, by kind: the largest packages are rated at 500 W, and their memory
and a whole platform stay as far below."""
HEADROOM = 2.0
"""Bursts of milliseconds go beyond the limits that a zone states: those are for averages."""


UNNAMED = ("package?", "dram?")
"""What a zone with a counter is taken for if its name can't be read, and one inside a package."""


class Zone(NamedTuple):
    """One powercap zone.

    Attributes:
        id: directory name, e.g. `intel-rapl:0:1`.
        name: content of `name`, e.g. `package-0`, `dram`, `psys`.
        energy: the counter, in microjoules.
        range_uj: value at which the counter wraps to 0; None if the tree doesn't say.
        most_w: more watts than the part can draw: a counter that shows them is wrong.
    """

    id: str
    name: str
    energy: Path
    range_uj: int | None
    most_w: float = MOST_WATTS["psys"]

    @property
    def control(self) -> str:
        """The driver: `intel-rapl`, `intel-rapl-mmio`, ..."""
        return self.id.partition(":")[0]

    @property
    def kind(self) -> str | None:
        """`package`, `psys` or `dram`; None for what is a part of its package."""
        return _kind(self.name)


class Counters(NamedTuple):
    """What to read.

    Attributes:
        domains: `cpu:0`, `dram:0`, ... -> the zones that add up to it, whether they can be read
            now or not: what the machine shows and nobody can read is lost, not absent.
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
    if not _is_folder(root):
        return Counters(
            {}, problems=(Problem("RAPL", f"{root} doesn't exist", _cure(root), absent=True),)
        )
    zones = sorted(_zones(root, set(), 0), key=lambda zone: _natural(zone.id))
    if not _names(root) and (closed := _zone(root)):
        zones = [closed]
    if not zones:
        return Counters(
            {}, problems=(Problem("RAPL", f"no counter in {root}", _cure(root), absent=True),)
        )
    return _Sorting(zones).sort()


class _Sorting:
    """Zones sorted into domains, step by step."""

    def __init__(self, zones: list[Zone]) -> None:
        self._zones = zones
        self._domains: dict[str, tuple[Zone, ...]] = {}
        self._left_out: list[str] = []
        self._denied: list[Path] = []
        self._broken: dict[Path, Problem] = {}
        self._values: dict[Path, int] = {}

    def sort(self) -> Counters:
        zones = [zone for zone in self._zones if zone.kind is not None]
        if not any(_may_exist(zone.energy) for zone in zones if zone.kind == "dram"):
            zones = [zone for zone in zones if zone.kind != "dram"]  # memory isn't counted here
        for zone in zones:
            self._look(zone)
        packages = [zone for zone in zones if zone.kind == "package"]
        numbers: dict[str, str] = {}
        for zone in sorted(packages, key=self._rank):
            number = _package_number(zone)
            if self._keep(f"cpu:{number}", zone):
                numbers[zone.id] = number
        for zone in zones:
            parent = zone.id.rpartition(":")[0]
            if zone.kind == "dram" and (parent in numbers or parent.count(":") == 0):
                self._keep(f"dram:{numbers.get(parent, '0')}", zone)
            elif zone.kind == "psys":
                self._keep_platform(zone)
        return Counters(self._domains, tuple(self._left_out), tuple(self._problems()))

    def _rank(self, zone: Zone) -> tuple[bool, bool, list[tuple[int, str]]]:
        """What can be read before its twin that can't, the usual driver before others."""
        unreadable = zone.energy not in self._values
        return unreadable, zone.control != "intel-rapl", _natural(zone.id)

    def _look(self, zone: Zone) -> None:
        try:
            self._values[zone.energy] = int(read_plain(zone.energy))
        except PermissionError:
            self._denied.append(zone.energy)
        except (OSError, ValueError) as error:
            why = str(error) if isinstance(error, OSError) else f"{zone.energy}: {error}"
            self._broken[zone.energy] = Problem("RAPL", why)

    def _keep(self, domain: str, zone: Zone) -> bool:
        """Add `zone` to `domain` unless one that is there already counts the same joules."""
        kept = self._domains.get(domain, ())
        for other in kept:
            if other.control != zone.control:
                self._left_out.append(f"{zone.id} ({zone.name}): repeats {other.id}")
                return False
            if self._is_mirror(zone, other):
                self._left_out.append(f"{zone.id} ({zone.name}): mirrors {other.id}")
                return False
        self._domains[domain] = (*kept, zone)
        return True

    def _is_mirror(self, zone: Zone, other: Zone) -> bool:
        """Whether two zones of one package show one register; no, if that can't be seen."""
        ours, theirs = self._values.get(zone.energy), self._values.get(other.energy)
        if ours is None or theirs is None or abs(ours - theirs) > TWIN_UJ:
            return False
        return min(ours, theirs) > YOUNG_UJ or _move_as_one(other.energy, zone.energy)

    def _keep_platform(self, zone: Zone) -> None:
        if any(zone.kind == "package" for zone in self._zones):
            self._left_out.append(f"{zone.id} (psys): contains the packages")
        else:
            self._keep("psys:0", zone)

    def _problems(self) -> Iterator[Problem]:
        wanted = {z.energy: name for name, zones in self._domains.items() for z in zones}
        denied = [path for path in self._denied if path in wanted]
        if denied:
            first, more = denied[0], len(denied) - 1
            others = f" and {more} more" if more else ""
            ways = ways_out(first, [wanted[path] for path in denied])
            yield Problem("RAPL", f"permission denied: {first}{others}", ways)
        yield from (problem for path, problem in self._broken.items() if path in wanted)


def _move_as_one(one: Path, other: Path) -> bool:
    """Whether two counters move, and the second always shows what the first shows around it."""
    try:
        first = last = int(read_plain(one))
        for _ in range(YOUNG_LOOKS):
            before, between, last = (int(read_plain(path)) for path in (one, other, one))
            if not before <= between <= last:
                return False
            SYSTEM_CLOCK.sleep(YOUNG_PAUSE_S)
    except (OSError, ValueError):
        return False
    return last > first


def ways_out(energy: Path, domains: list[str]) -> str:
    """What to do where a counter may not be read: three ways, of which each changes the figures."""
    return (
        f"{remedy(energy)}; or --energy-meters=estimate; or go on without with"
        f" --energy-allow-missing={','.join(dict.fromkeys(domains))}"
    )


def remedy(energy: Path) -> str:
    """What makes the counters readable: a command for now, and the rule that outlives a boot.

    The kernel keeps them from other users since 2020, because their fine steps leak what a
    processor computes (CVE-2020-8694); on a machine with untrusted users, leave it so.
    """
    if energy.name == "name":
        return f"run `sudo chmod -R a+rX {energy.parent}`"
    now = f"`sudo chmod a+r {energy.parent.parent}/*/energy_uj`"
    if not energy.is_relative_to(SYSTEM_ROOT):
        return f"run {now}"
    return f"run {now}; for good, do what `energybench doctor --fix` prints"


def _zones(folder: Path, seen: set[Path], depth: int) -> Iterator[Zone]:
    """Zones at and below `folder`; the class directory links to each of them, so by real path."""
    for entry in (folder / name for name in _names(folder)):
        if "rapl" not in entry.name or not _is_folder(entry):
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
        name = sanitize(read_plain(folder / "name").decode(errors="backslashreplace").strip())
    except OSError:
        if not _may_exist(energy):
            return None  # the driver's own directory
        # It counts nobody knows what. Its name, read as a counter, has no figure: it is lost.
        name, energy = UNNAMED[folder.name.count(":") > 1], folder / "name"
    try:
        range_uj = int(read_plain(folder / "max_energy_range_uj"))
    except (OSError, ValueError):
        range_uj = None
    return Zone(folder.name, name, energy, range_uj, _most_w(folder, _kind(name)))


def _names(folder: Path) -> list[str]:
    """What is in a folder; nothing if one may not know, which makes it a zone without a name."""
    try:
        return sorted(os.listdir(folder))
    except PermissionError:
        return []


def _is_folder(path: Path) -> bool:
    """Whether it is a folder, or one may not know."""
    try:
        return path.is_dir()
    except PermissionError:
        return True


def _may_exist(path: Path) -> bool:
    """Whether it is there, or one may not know."""
    try:
        path.lstat()
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def _kind(name: str) -> str | None:
    """Drivers differ in the case of their zones' names."""
    name = name.lower()
    if name in ("dram", UNNAMED[1]):
        return "dram"
    return next((kind for kind in ("package", "psys") if name.startswith(kind)), None)


def _most_w(folder: Path, kind: str | None) -> float:
    """More watts than a zone can draw: by the limits that it states, or by its kind."""
    stated = [0]
    for name in _names(folder):
        if re.fullmatch(r"constraint_\d+_(max_power|power_limit)_uw", name):
            try:
                stated.append(int(read_plain(folder / name)))
            except (OSError, ValueError):  # not stated
                continue
    most_w = MOST_WATTS[kind or "psys"]
    return min(most_w, HEADROOM * max(stated) / 1e6) if max(stated) > 0 else most_w


def _package_number(zone: Zone) -> str:
    """`1` of `package-1` and `package-1-die-0`; the zone's own number otherwise."""
    found = re.match(r"package-(\d+)", zone.name.lower()) or re.search(r":(\d+)$", zone.id)
    return found.group(1) if found else "0"


def _natural(text: str) -> list[tuple[int, str]]:
    """Sort key that puts `intel-rapl:10` after `intel-rapl:2`."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text)]


def _cure(root: Path) -> str:
    """What may help if there are no counters; most virtual machines have none at all."""
    if root != SYSTEM_ROOT:
        return f"check {ROOT_VARIABLE}"
    if not LINUX:
        return "only Linux offers RAPL counters; processor and memory are estimated"
    return "outside virtual machines `sudo modprobe intel_rapl_msr` brings them"
