"""Watts per hardware thread by generation of processors.

The rows are made by `docs/make_estimates.py --write`. Those with `SPECpower_ssj2008` as their
source are medians over published results, package share, with supply and regulators, fans, memory
and board taken out. SPEC and SPECpower_ssj2008 are marks of the Standard Performance Evaluation
Corporation (spec.org/power_ssj2008).
"""

from __future__ import annotations

from typing import NamedTuple

VERSION = 3
"""Of the model: figures of two versions are not comparable. 1 was CPU seconds x TDP share; 2 had
its public curves a load late."""

SPEC = "SPECpower_ssj2008"
SHEETS = "0.8 of the maker's long-term power limit"
IDLE_THREADS_POWER = 0.2
"""A chip's idle watts go by this power of the number of its threads. Within the generations of
SPEC's results the exponent is 0.29 for Xeons, -0.09 for EPYCs and 0.27 for desktops."""
CLASS_ERROR = 1.0
"""Relative error of a processor that stands for its class."""
HOST_ERROR = 0.65
"""Relative error of a part of a host of unknown load, from a tenth to nine tenths, whose row has
results of SPEC; it contains the row's own."""


class Row(NamedTuple):
    """A generation of processors.

    Attributes:
        title: for people.
        threads: hardware threads of the chip that the watts are of.
        watts: per thread with none, a tenth, half and all of them busy.
        memory: its kind.
        threads_power: a chip's watts above idle go by this power of the number of its threads.
        error: relative; 90 % of true figures lie no further from the model's.
        source: where the watts are from.
        machines: how many results.
    """

    title: str
    threads: int
    watts: tuple[float, float, float, float]
    memory: str
    threads_power: float
    error: float
    source: str
    machines: int = 0

    def of_chips(self, threads: float, chip_threads: float) -> tuple[float, float, float, float]:
        """Watts at the four loads of chips of so many threads each, which have `threads` in all."""
        ratio, own = chip_threads / self.threads, self.threads * threads / chip_threads
        idle_w = own * ratio**IDLE_THREADS_POWER * self.watts[0]
        per_w = own * ratio**self.threads_power
        b, c, d = (idle_w + per_w * (each - self.watts[0]) for each in self.watts[1:])
        return idle_w, b, c, d


_TABLE = """
nehalem; Xeon 5500 and 5600; 12; 1.11 2.25 4.16 7.2; DDR3; 0.5; 0.45; 95
sandy-bridge; Xeon E5; 16; 0.633 1.59 3.18 5.72; DDR3; 0.5; 0.45; 104
ivy-bridge; Xeon E5 v2; 20; 0.673 1.24 2.19 3.7; DDR3; 0.5; 0.45; 2
haswell; Xeon E5 v3; 36; 0.235 0.735 1.57 2.9; DDR4; 0.5; 0.45; 13
broadwell; Xeon E5 v4; 44; 0.182 0.57 1.22 2.25; DDR4; 0.5; 0.45; 12
skylake; Xeon Scalable 1st; 56; 0.171 0.733 1.68 3.17; DDR4; 0.5; 0.45; 49
cascade-lake; Xeon Scalable 2nd; 56; 0.183 0.7 1.57 2.94; DDR4; 0.5; 0.45; 44
ice-lake; Xeon Scalable 3rd; 78; 0.303 0.799 1.63 2.95; DDR4; 0.5; 0.45; 32
sapphire-rapids; Xeon Scalable 4th; 112; 0.306 0.773 1.55 2.8; DDR5; 0.5; 0.45; 59
emerald-rapids; Xeon Scalable 5th; 128; 0.273 0.656 1.3 2.32; DDR5; 0.5; 0.45; 33
granite-rapids; Xeon 6 P-cores; 172; 0.225 0.55 1.09 1.96; DDR5; 0.5; 0.45; 33
sierra-forest; Xeon 6 E-cores; 144; 0.249 0.524 0.986 1.72; DDR5; 0.5; 0.45; 18
naples; EPYC 7001; 64; 0.269 0.687 1.32 1.63; DDR4; 0.5; 0.45; 10
rome; EPYC 7002; 128; 0.157 0.477 0.961 1.2; DDR4; 0.5; 0.45; 31
milan; EPYC 7003; 128; 0.152 0.536 1.11 1.4; DDR4; 0.5; 0.45; 25
genoa; EPYC 9004; 256; 0.0927 0.406 0.879 1.11; DDR5; 0.5; 0.45; 50
siena; EPYC 8004; 128; 0.207 0.53 1.02 1.25; DDR5; 0.5; 0.45; 22
turin; EPYC 9005; 320; 0.079 0.339 0.731 0.922; DDR5; 0.5; 0.45; 41
neoverse-n1; Neoverse N1 (Altra, Graviton2); 128; 0.205 0.386 0.659 0.791; DDR4; 0.5; 0.45; 7
sandy-bridge-client; Core 2nd; 8; 0.966 2.07 5.83 8.85; DDR3; 0.25; 0.75; 9
ivy-bridge-client; Core 3rd, Xeon E3 v2; 8; 0.862 1.47 3.52 5.17; DDR3; 0.25; 0.75; 7
haswell-client; Core 4th, Xeon E3 v3; 8; 0.722 1.42 3.79 5.68; DDR3; 0.25; 0.75; 5
skylake-client; Core 6th, 7th, Xeon E3 v5, v6; 8; 0.591 1.09 2.79 4.15; DDR4; 0.25; 0.75; 7
coffee-lake-client; Core 8th to 11th, Xeon E; 16; 0.438 0.879 2.38 3.58; DDR4; 0.25; 0.75; 31
ryzen; Ryzen 1000 to 5000; 16; 1.0 1.52 3.28 4.69; DDR4; 0.25; 0.8; sheets
ryzen-7000; Ryzen 7000 to 9000; 16; 1.25 2.08 4.92 7.19; DDR5; 0.25; 0.8; sheets
threadripper; Ryzen Threadripper; 32; 0.875 2.05 3.83 4.69; DDR4; 0.5; 0.8; sheets
core-12; Core 12th to 14th, Ultra; 20; 0.4 1.22 4.01 6.25; DDR5; 0.25; 0.8; makers' limits
laptop-intel; Core U, P, Y, G and Ultra U, V; 8; 0.188 0.512 1.62 2.5; LPDDR; 0.25; 0.8; sheets
laptop-intel-h; Core H, HQ, HK, HX; 16; 0.188 0.731 2.58 4.06; DDR4; 0.25; 0.8; makers' limits
laptop-amd; Ryzen U, H, HS, HX, AI; 16; 0.188 0.529 1.69 2.62; LPDDR; 0.25; 0.8; sheets
atom; Atom, Celeron N and J, Pentium N and J; 4; 0.25 0.46 1.18 1.75; DDR4; 0.25; 0.8; sheets
apple; M1 to M4; 8; 0.0625 0.474 1.88 3.0; LPDDR; 0.25; 0.8; Apple's whole machines
apple-pro; M1 to M4 Pro, Max; 12; 0.0833 0.632 2.5 4.0; LPDDR; 0.25; 0.8; twice the plain chip
neoverse-v1; Neoverse V1 (Graviton3); 64; 0.234 0.62 1.2 1.48; DDR5; 0.5; 0.8; N1, doubled vectors
neoverse-v2; Neoverse V2 (Graviton4); 96; 0.26 0.727 1.43 1.77; DDR5; 0.5; 0.8; maker's limits
neoverse-n2; Neoverse N2 (Cobalt, Yitian); 128; 0.195 0.497 0.951 1.17; DDR5; 0.5; 0.8; N1
ampere-one; AmpereOne; 192; 0.234 0.548 1.02 1.25; DDR5; 0.5; 0.8; sheets
cortex-a72; Cortex-A72 (Pi 4, Graviton); 4; 0.25 0.366 0.76 1.07; LPDDR; 0.25; 0.8; whole board
cortex-a76; Cortex-A76 (Pi 5); 4; 0.25 0.408 0.945 1.38; LPDDR; 0.25; 0.8; whole board
cortex-a53; Cortex-A53 (Pi 3); 4; 0.15 0.227 0.49 0.7; LPDDR; 0.25; 0.8; whole board
"""
"""Key and fields of a row; a number as its source is that of SPEC's results."""


def _row(line: str) -> tuple[str, Row]:
    key, title, threads, watts, memory, power, error, source = line.split("; ")
    a, b, c, d = map(float, watts.split())
    machines = int(source) if source.isdecimal() else 0
    origin = SPEC if machines else SHEETS if source == "sheets" else source
    figures = (memory, float(power), float(error), origin, machines)
    return key, Row(title, int(threads), (a, b, c, d), *figures)


ROWS = dict(map(_row, _TABLE.strip().splitlines()))
