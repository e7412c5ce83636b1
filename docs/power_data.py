"""What `docs/make_estimates.py` reads: published results, and what is known without any."""

from __future__ import annotations

import csv
import math
import re
from pathlib import Path
from typing import NamedTuple


class Spec(NamedTuple):
    """A generation with results of SPEC: key, what people call it, its names, its kind of curve,
    memory."""

    key: str
    title: str
    pattern: str
    kind: str
    memory: str


SPEC = (
    Spec("nehalem", "Xeon 5500 and 5600", r"\b[XEL]5[56]\d\d\b", "xeon", "DDR3"),
    Spec("sandy-bridge", "Xeon E5", r"E[57]-\d{4}[LW]?( 0)?$", "xeon", "DDR3"),
    Spec("ivy-bridge", "Xeon E5 v2", r"E[57]-\d{4}\w? ?v2", "xeon", "DDR3"),
    Spec("haswell", "Xeon E5 v3", r"E[57]-\d{4}\w? ?v3", "xeon", "DDR4"),
    Spec("broadwell", "Xeon E5 v4", r"E[57]-\d{4}\w? ?v4", "xeon", "DDR4"),
    Spec("skylake", "Xeon Scalable 1st", r"(Platinum|Gold|Silver|Bronze) \d1\d\d", "xeon", "DDR4"),
    Spec("cascade-lake", "Xeon Scalable 2nd", r"(Platinum|Gold|Silver) \d2\d\d", "xeon", "DDR4"),
    Spec("ice-lake", "Xeon Scalable 3rd", r"(Platinum|Gold|Silver) \d3\d\d", "xeon", "DDR4"),
    Spec("sapphire-rapids", "Xeon Scalable 4th", r"(Platinum|Gold|Silver) \d4\d\d", "xeon", "DDR5"),
    Spec("emerald-rapids", "Xeon Scalable 5th", r"(Platinum|Gold|Silver) \d5\d\d", "xeon", "DDR5"),
    Spec("granite-rapids", "Xeon 6 P-cores", r"Xeon 6\d\d\dP", "xeon", "DDR5"),
    Spec("sierra-forest", "Xeon 6 E-cores", r"Xeon 6\d\d\dE", "xeon", "DDR5"),
    Spec("naples", "EPYC 7001", r"EPYC 7\w\w1", "epyc", "DDR4"),
    Spec("rome", "EPYC 7002", r"EPYC 7\w\w2", "epyc", "DDR4"),
    Spec("milan", "EPYC 7003", r"EPYC 7\w\w3", "epyc", "DDR4"),
    Spec("genoa", "EPYC 9004", r"EPYC 9\w\w4", "epyc", "DDR5"),
    Spec("siena", "EPYC 8004", r"EPYC 8\w\w4", "epyc", "DDR5"),
    Spec("turin", "EPYC 9005", r"EPYC 9\w\w5", "epyc", "DDR5"),
    Spec("neoverse-n1", "Neoverse N1 (Altra, Graviton2)", r"Altra", "epyc", "DDR4"),
    Spec("sandy-bridge-client", "Core 2nd", r"E3-\d{4}L?( 0)?$", "client", "DDR3"),
    Spec("ivy-bridge-client", "Core 3rd, Xeon E3 v2", r"E3-\d{4}\w* ?v2", "client", "DDR3"),
    Spec("haswell-client", "Core 4th, Xeon E3 v3", r"E3-\d{4}\w* ?v3", "client", "DDR3"),
    Spec(
        "skylake-client", "Core 6th, 7th, Xeon E3 v5, v6", r"E3-\d{4}\w* ?v[56]", "client", "DDR4"
    ),
    Spec("coffee-lake-client", "Core 8th to 11th, Xeon E", r"E-2\d\d\d", "client", "DDR4"),
)


class Hand(NamedTuple):
    """A row without results of SPEC: threads of a typical chip, its watts idle and with all threads
    busy, and where they are from."""

    key: str
    title: str
    kind: str
    memory: str
    threads: int
    idle_w: float
    full_w: float
    source: str


SHEETS = "0.8 of the maker's long-term power limit"
LIMITS = "makers' limits"
HAND = (
    Hand("ryzen", "Ryzen 1000 to 5000", "client", "DDR4", 16, 16, 75, SHEETS),
    Hand("ryzen-7000", "Ryzen 7000 to 9000", "client", "DDR5", 16, 20, 115, SHEETS),
    Hand("threadripper", "Ryzen Threadripper", "epyc", "DDR4", 32, 28, 150, SHEETS),
    Hand("core-12", "Core 12th to 14th, Ultra", "client", "DDR5", 20, 8, 125, LIMITS),
    Hand("laptop-intel", "Core U, P, Y, G and Ultra U, V", "client", "LPDDR", 8, 1.5, 20, SHEETS),
    Hand("laptop-intel-h", "Core H, HQ, HK, HX", "client", "DDR4", 16, 3.0, 65, LIMITS),
    Hand("laptop-amd", "Ryzen U, H, HS, HX, AI", "client", "LPDDR", 16, 3.0, 42, SHEETS),
    Hand("atom", "Atom, Celeron N and J, Pentium N and J", "client", "DDR4", 4, 1.0, 7, SHEETS),
    Hand("apple", "M1 to M4", "client", "LPDDR", 8, 0.5, 24, "Apple's whole machines"),
    Hand("apple-pro", "M1 to M4 Pro, Max", "client", "LPDDR", 12, 1.0, 48, "twice the plain chip"),
    Hand(
        "neoverse-v1", "Neoverse V1 (Graviton3)", "epyc", "DDR5", 64, 15, 95, "N1, doubled vectors"
    ),
    Hand("neoverse-v2", "Neoverse V2 (Graviton4)", "epyc", "DDR5", 96, 25, 170, "maker's limits"),
    Hand("neoverse-n2", "Neoverse N2 (Cobalt, Yitian)", "epyc", "DDR5", 128, 25, 150, "N1"),
    Hand("ampere-one", "AmpereOne", "epyc", "DDR5", 192, 45, 240, SHEETS),
    Hand(
        "cortex-a72", "Cortex-A72 (Pi 4, Graviton)", "client", "LPDDR", 4, 1.0, 4.3, "whole board"
    ),
    Hand("cortex-a76", "Cortex-A76 (Pi 5)", "client", "LPDDR", 4, 1.0, 5.5, "whole board"),
    Hand("cortex-a53", "Cortex-A53 (Pi 3)", "client", "LPDDR", 4, 0.6, 2.8, "whole board"),
)


class Server(NamedTuple):
    """A result of SPEC: chips, threads a chip, watts at the wall at idle and full load, and at all
    eleven loads where they are known."""

    spec: Spec
    name: str
    chips: int
    threads: float
    idle_w: float
    full_w: float
    levels: tuple[float, ...] = ()


class Curve(NamedTuple):
    """A public RAPL curve: name, what is known of it, how the load was spread, threads, and (load,
    watts) points from idle to full load; load is a share of all threads."""

    name: str
    machine: Checked
    spread: str
    threads: int
    points: tuple[tuple[float, float], ...]


def number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan


def spec_of(name: str) -> Spec | None:
    name = re.sub(r"[®(].*?[)]|®|Processor|[\d.]+ ?[GM]hz.*", "", name, flags=re.I).strip()
    return next((each for each in SPEC if re.search(each.pattern, name, re.I)), None)


def servers(folder: Path) -> list[Server]:
    """Single nodes of known generations: idle and full load of all, all levels of those to 2022."""
    found = []
    for row in csv.DictReader((folder / "specpower-2026-03-09.csv").open()):
        spec = spec_of(row["CPU Description"])
        chips, threads = number(row["Chips"]), number(row["Total Threads"])
        idle, full = number(row["avg. watts @ active idle"]), number(row["avg. watts @ 100%"])
        if spec and 1 <= chips <= 4 and full > idle:
            name = row["CPU Description"]
            found.append(Server(spec, name, int(chips), threads / chips, idle, full))
    return found


def levels(folder: Path) -> list[Server]:
    """Those with all eleven loads."""
    found = []
    for row in csv.DictReader((folder / "specpower-load-levels-2022.csv").open()):
        spec = spec_of(row["HW_CPUName"])
        chips = re.search(r"(\d+) chip", row["HW_CPUsEnabled"])
        threads = number(row["HW_HardwareThreads"].split(" ")[0])
        watts = [number(row["ActiveIdle"])]
        watts += [number(row[f"{load}_AvgPower"]) for load in range(10, 101, 10)]
        if (
            spec
            and chips
            and row["Test_Method"] == "Single Node"
            and not any(map(math.isnan, watts))
        ):
            n = int(chips[1])
            each = Server(
                spec, row["HW_CPUName"], n, threads / n, watts[0], watts[-1], tuple(watts)
            )
            found.append(each)
    return found


class Checked(NamedTuple):
    """A machine with a public RAPL curve: its row, kind, chips, and design power of all of them in
    watts."""

    row: str
    kind: str
    chips: int
    tdp_w: float


CHECKED = {
    "EPYC 8024P": Checked("siena", "epyc", 1, 90),
    "E5-2620 v3": Checked("haswell", "xeon", 2, 170),
    "Threadripper 1950X": Checked("threadripper", "epyc", 1, 180),
    "E3-1240 V2": Checked("ivy-bridge-client", "client", 1, 69),
}


JOULES = 3.6e6
"""Of a kilowatt-hour."""


def curves(folder: Path) -> list[Curve]:
    """RAPL watts by load, from none on.

    A row's watts are its joules over its time. The column `rapl_power` shows, in each of these
    files, those of the row before.
    """
    found = []
    for path in sorted((folder / "rapl_by_load").glob("*.csv")):
        rows = list(csv.DictReader(path.open()))
        name = rows[0]["cpu_name"]
        machine = next(what for key, what in CHECKED.items() if key in name)
        watts = [number(r["rapl_energy"]) * JOULES / number(r["duration"]) for r in rows]
        loads = [0.0, *(number(row["cpu_load"]) / 100 for row in rows[1:])]
        points = tuple(zip(loads, watts, strict=True))
        threads = max(int(number(row["cores_used"])) for row in rows)
        spread = rows[0]["load_type"]
        found.append(Curve(name, machine, spread, threads, points))
    return found
