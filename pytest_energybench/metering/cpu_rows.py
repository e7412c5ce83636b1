"""Watts per hardware thread by generation, made by `docs/make_estimates.py --write`."""

from __future__ import annotations

from pytest_energybench.metering.cpu_table import SPEC, Row

THREADS_POWER = 0.5
"""Watts of a chip go by this power of the number of its threads."""
HOST_ERROR = 0.75
"""Relative error of a part of a host of unknown load, from a tenth to nine tenths, whose row has
results of SPEC; it contains the row's own."""

ROWS = {
    "nehalem": Row("Xeon 5500 and 5600", 12, (1.02, 1.87, 4.03, 7.11), "DDR3", 0.5, SPEC, 95),
    "sandy-bridge": Row("Xeon E5", 16, (0.561, 1.27, 3.07, 5.65), "DDR3", 0.5, SPEC, 104),
    "ivy-bridge": Row("Xeon E5 v2", 20, (0.596, 1.02, 2.09, 3.62), "DDR3", 0.5, SPEC, 2),
    "haswell": Row("Xeon E5 v3", 36, (0.208, 0.579, 1.52, 2.88), "DDR4", 0.5, SPEC, 13),
    "broadwell": Row("Xeon E5 v4", 44, (0.163, 0.45, 1.18, 2.23), "DDR4", 0.5, SPEC, 12),
    "skylake": Row("Xeon Scalable 1st", 56, (0.15, 0.567, 1.63, 3.15), "DDR4", 0.5, SPEC, 49),
    "cascade-lake": Row("Xeon Scalable 2nd", 56, (0.164, 0.548, 1.53, 2.93), "DDR4", 0.5, SPEC, 44),
    "ice-lake": Row("Xeon Scalable 3rd", 78, (0.266, 0.635, 1.57, 2.92), "DDR4", 0.5, SPEC, 32),
    "sapphire-rapids": Row(
        "Xeon Scalable 4th", 112, (0.271, 0.617, 1.5, 2.76), "DDR5", 0.5, SPEC, 59
    ),
    "emerald-rapids": Row(
        "Xeon Scalable 5th", 128, (0.245, 0.53, 1.26, 2.29), "DDR5", 0.5, SPEC, 33
    ),
    "granite-rapids": Row("Xeon 6 P-cores", 172, (0.199, 0.44, 1.05, 1.93), "DDR5", 0.5, SPEC, 33),
    "sierra-forest": Row("Xeon 6 E-cores", 144, (0.221, 0.425, 0.945, 1.69), "DDR5", 0.5, SPEC, 18),
    "naples": Row("EPYC 7001", 64, (0.238, 0.668, 1.25, 1.59), "DDR4", 0.5, SPEC, 10),
    "rome": Row("EPYC 7002", 128, (0.139, 0.468, 0.916, 1.18), "DDR4", 0.5, SPEC, 31),
    "milan": Row("EPYC 7003", 128, (0.135, 0.529, 1.07, 1.38), "DDR4", 0.5, SPEC, 25),
    "genoa": Row("EPYC 9004", 256, (0.0868, 0.409, 0.847, 1.1), "DDR5", 0.5, SPEC, 50),
    "siena": Row("EPYC 8004", 128, (0.183, 0.515, 0.966, 1.23), "DDR5", 0.5, SPEC, 22),
    "turin": Row("EPYC 9005", 320, (0.07, 0.337, 0.7, 0.913), "DDR5", 0.5, SPEC, 41),
    "neoverse-n1": Row(
        "Neoverse N1 (Altra, Graviton2)", 128, (0.196, 0.382, 0.635, 0.782), "DDR4", 0.5, SPEC, 7
    ),
    "sandy-bridge-client": Row("Core 2nd", 8, (0.856, 2.19, 5.21, 8.74), "DDR3", 0.75, SPEC, 9),
    "ivy-bridge-client": Row(
        "Core 3rd, Xeon E3 v2", 8, (0.764, 1.61, 3.51, 5.74), "DDR3", 0.75, SPEC, 7
    ),
    "haswell-client": Row(
        "Core 4th, Xeon E3 v3", 8, (0.64, 1.48, 3.38, 5.6), "DDR3", 0.75, SPEC, 5
    ),
    "skylake-client": Row(
        "Core 6th, 7th, Xeon E3 v5, v6", 8, (0.524, 1.13, 2.49, 4.08), "DDR4", 0.75, SPEC, 7
    ),
    "coffee-lake-client": Row(
        "Core 8th to 11th, Xeon E", 16, (0.388, 0.92, 2.12, 3.53), "DDR4", 0.75, SPEC, 31
    ),
    "ryzen": Row(
        "Ryzen 1000 to 5000",
        16,
        (1.0, 1.62, 3.04, 4.69),
        "DDR4",
        0.8,
        "0.8 of the maker's long-term power limit",
    ),
    "ryzen-7000": Row(
        "Ryzen 7000 to 9000",
        16,
        (1.25, 2.04, 3.84, 5.94),
        "DDR5",
        0.8,
        "0.8 of the maker's long-term power limit",
    ),
    "threadripper": Row(
        "Ryzen Threadripper",
        32,
        (0.875, 2.08, 3.73, 4.69),
        "DDR4",
        0.8,
        "0.8 of the maker's long-term power limit",
    ),
    "core-12": Row(
        "Core 12th to 14th, Ultra",
        20,
        (0.4, 1.18, 2.94, 5.0),
        "DDR5",
        0.8,
        "0.8 of the maker's long-term power limit",
    ),
    "laptop-intel": Row(
        "Core U, P, Y, G and Ultra U, V",
        8,
        (0.188, 0.579, 1.46, 2.5),
        "LPDDR",
        0.8,
        "0.8 of the maker's long-term power limit",
    ),
    "laptop-intel-h": Row(
        "Core H, HQ, HK, HX",
        16,
        (0.188, 0.684, 1.81, 3.12),
        "DDR4",
        0.8,
        "0.8 of the maker's long-term power limit",
    ),
    "laptop-amd": Row(
        "Ryzen U, H, HS, HX, AI",
        16,
        (0.188, 0.494, 1.19, 2.0),
        "LPDDR",
        0.8,
        "0.8 of the maker's long-term power limit",
    ),
    "atom": Row(
        "Atom, Celeron N and J, Pentium N and J",
        4,
        (0.25, 0.504, 1.08, 1.75),
        "DDR4",
        0.8,
        "0.8 of the maker's long-term power limit",
    ),
    "apple": Row(
        "M1 to M4",
        8,
        (0.0625, 0.411, 1.2, 2.12),
        "LPDDR",
        0.8,
        "Apple's and Eco-CI's whole machine",
    ),
    "apple-pro": Row(
        "M1 to M4 Pro, Max", 12, (0.0833, 0.633, 1.88, 3.33), "LPDDR", 0.8, "twice the plain chip"
    ),
    "neoverse-v1": Row(
        "Neoverse V1 (Graviton3)", 64, (0.234, 0.63, 1.17, 1.48), "DDR5", 0.8, "N1, doubled vectors"
    ),
    "neoverse-v2": Row(
        "Neoverse V2 (Graviton4)", 96, (0.26, 0.739, 1.39, 1.77), "DDR5", 0.8, "maker's limits"
    ),
    "neoverse-n2": Row(
        "Neoverse N2 (Cobalt, Yitian)", 128, (0.195, 0.505, 0.926, 1.17), "DDR5", 0.8, "N1"
    ),
    "ampere-one": Row(
        "AmpereOne",
        192,
        (0.234, 0.556, 0.994, 1.25),
        "DDR5",
        0.8,
        "0.8 of the maker's long-term power limit",
    ),
    "cortex-a72": Row(
        "Cortex-A72 (Pi 4, Graviton)", 4, (0.25, 0.39, 0.705, 1.07), "LPDDR", 0.8, "whole board"
    ),
    "cortex-a76": Row(
        "Cortex-A76 (Pi 5)", 4, (0.25, 0.44, 0.871, 1.38), "LPDDR", 0.8, "whole board"
    ),
    "cortex-a53": Row(
        "Cortex-A53 (Pi 3)", 4, (0.15, 0.243, 0.454, 0.7), "LPDDR", 0.8, "whole board"
    ),
}
