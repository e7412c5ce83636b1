"""Watts per hardware thread by generation, made by `docs/make_estimates.py --write`."""

from __future__ import annotations

from pytest_energybench.metering.cpu_table import SPEC, Row

HOST_ERROR = 0.65
"""Relative error of a part of a host of unknown load, from a tenth to nine tenths, whose row has
results of SPEC; it contains the row's own."""

ROWS = {
    "nehalem": Row("Xeon 5500 and 5600", 12, (1.11, 2.25, 4.16, 7.2), "DDR3", 0.5, 0.45, SPEC, 95),
    "sandy-bridge": Row("Xeon E5", 16, (0.633, 1.59, 3.18, 5.72), "DDR3", 0.5, 0.45, SPEC, 104),
    "ivy-bridge": Row("Xeon E5 v2", 20, (0.673, 1.24, 2.19, 3.7), "DDR3", 0.5, 0.45, SPEC, 2),
    "haswell": Row("Xeon E5 v3", 36, (0.235, 0.735, 1.57, 2.9), "DDR4", 0.5, 0.45, SPEC, 13),
    "broadwell": Row("Xeon E5 v4", 44, (0.182, 0.57, 1.22, 2.25), "DDR4", 0.5, 0.45, SPEC, 12),
    "skylake": Row(
        "Xeon Scalable 1st", 56, (0.171, 0.733, 1.68, 3.17), "DDR4", 0.5, 0.45, SPEC, 49
    ),
    "cascade-lake": Row(
        "Xeon Scalable 2nd", 56, (0.183, 0.7, 1.57, 2.94), "DDR4", 0.5, 0.45, SPEC, 44
    ),
    "ice-lake": Row(
        "Xeon Scalable 3rd", 78, (0.303, 0.799, 1.63, 2.95), "DDR4", 0.5, 0.45, SPEC, 32
    ),
    "sapphire-rapids": Row(
        "Xeon Scalable 4th", 112, (0.306, 0.773, 1.55, 2.8), "DDR5", 0.5, 0.45, SPEC, 59
    ),
    "emerald-rapids": Row(
        "Xeon Scalable 5th", 128, (0.273, 0.656, 1.3, 2.32), "DDR5", 0.5, 0.45, SPEC, 33
    ),
    "granite-rapids": Row(
        "Xeon 6 P-cores", 172, (0.225, 0.55, 1.09, 1.96), "DDR5", 0.5, 0.45, SPEC, 33
    ),
    "sierra-forest": Row(
        "Xeon 6 E-cores", 144, (0.249, 0.524, 0.986, 1.72), "DDR5", 0.5, 0.45, SPEC, 18
    ),
    "naples": Row("EPYC 7001", 64, (0.269, 0.687, 1.32, 1.63), "DDR4", 0.5, 0.45, SPEC, 10),
    "rome": Row("EPYC 7002", 128, (0.157, 0.477, 0.961, 1.2), "DDR4", 0.5, 0.45, SPEC, 31),
    "milan": Row("EPYC 7003", 128, (0.152, 0.536, 1.11, 1.4), "DDR4", 0.5, 0.45, SPEC, 25),
    "genoa": Row("EPYC 9004", 256, (0.0927, 0.406, 0.879, 1.11), "DDR5", 0.5, 0.45, SPEC, 50),
    "siena": Row("EPYC 8004", 128, (0.207, 0.53, 1.02, 1.25), "DDR5", 0.5, 0.45, SPEC, 22),
    "turin": Row("EPYC 9005", 320, (0.079, 0.339, 0.731, 0.922), "DDR5", 0.5, 0.45, SPEC, 41),
    "neoverse-n1": Row(
        "Neoverse N1 (Altra, Graviton2)",
        128,
        (0.205, 0.386, 0.659, 0.791),
        "DDR4",
        0.5,
        0.45,
        SPEC,
        7,
    ),
    "sandy-bridge-client": Row(
        "Core 2nd", 8, (0.966, 2.07, 5.83, 8.85), "DDR3", 0.25, 0.75, SPEC, 9
    ),
    "ivy-bridge-client": Row(
        "Core 3rd, Xeon E3 v2", 8, (0.862, 1.47, 3.52, 5.17), "DDR3", 0.25, 0.75, SPEC, 7
    ),
    "haswell-client": Row(
        "Core 4th, Xeon E3 v3", 8, (0.722, 1.42, 3.79, 5.68), "DDR3", 0.25, 0.75, SPEC, 5
    ),
    "skylake-client": Row(
        "Core 6th, 7th, Xeon E3 v5, v6", 8, (0.591, 1.09, 2.79, 4.15), "DDR4", 0.25, 0.75, SPEC, 7
    ),
    "coffee-lake-client": Row(
        "Core 8th to 11th, Xeon E", 16, (0.438, 0.879, 2.38, 3.58), "DDR4", 0.25, 0.75, SPEC, 31
    ),
    "ryzen": Row(
        "Ryzen 1000 to 5000",
        16,
        (1.0, 1.52, 3.28, 4.69),
        "DDR4",
        0.25,
        0.8,
        "0.8 of the maker's long-term power limit",
    ),
    "ryzen-7000": Row(
        "Ryzen 7000 to 9000",
        16,
        (1.25, 1.91, 4.14, 5.94),
        "DDR5",
        0.25,
        0.8,
        "0.8 of the maker's long-term power limit",
    ),
    "threadripper": Row(
        "Ryzen Threadripper",
        32,
        (0.875, 2.05, 3.83, 4.69),
        "DDR4",
        0.5,
        0.8,
        "0.8 of the maker's long-term power limit",
    ),
    "core-12": Row(
        "Core 12th to 14th, Ultra", 20, (0.4, 1.22, 4.01, 6.25), "DDR5", 0.25, 0.8, "makers' limits"
    ),
    "laptop-intel": Row(
        "Core U, P, Y, G and Ultra U, V",
        8,
        (0.188, 0.512, 1.62, 2.5),
        "LPDDR",
        0.25,
        0.8,
        "0.8 of the maker's long-term power limit",
    ),
    "laptop-intel-h": Row(
        "Core H, HQ, HK, HX",
        16,
        (0.188, 0.599, 2.0, 3.12),
        "DDR4",
        0.25,
        0.8,
        "0.8 of the maker's long-term power limit",
    ),
    "laptop-amd": Row(
        "Ryzen U, H, HS, HX, AI",
        16,
        (0.188, 0.442, 1.31, 2.0),
        "LPDDR",
        0.25,
        0.8,
        "0.8 of the maker's long-term power limit",
    ),
    "atom": Row(
        "Atom, Celeron N and J, Pentium N and J",
        4,
        (0.25, 0.46, 1.18, 1.75),
        "DDR4",
        0.25,
        0.8,
        "0.8 of the maker's long-term power limit",
    ),
    "apple": Row(
        "M1 to M4",
        8,
        (0.0625, 0.352, 1.34, 2.12),
        "LPDDR",
        0.25,
        0.8,
        "Apple's and Eco-CI's whole machine",
    ),
    "apple-pro": Row(
        "M1 to M4 Pro, Max",
        12,
        (0.0833, 0.539, 2.09, 3.33),
        "LPDDR",
        0.25,
        0.8,
        "twice the plain chip",
    ),
    "neoverse-v1": Row(
        "Neoverse V1 (Graviton3)",
        64,
        (0.234, 0.62, 1.2, 1.48),
        "DDR5",
        0.5,
        0.8,
        "N1, doubled vectors",
    ),
    "neoverse-v2": Row(
        "Neoverse V2 (Graviton4)", 96, (0.26, 0.727, 1.43, 1.77), "DDR5", 0.5, 0.8, "maker's limits"
    ),
    "neoverse-n2": Row(
        "Neoverse N2 (Cobalt, Yitian)", 128, (0.195, 0.497, 0.951, 1.17), "DDR5", 0.5, 0.8, "N1"
    ),
    "ampere-one": Row(
        "AmpereOne",
        192,
        (0.234, 0.548, 1.02, 1.25),
        "DDR5",
        0.5,
        0.8,
        "0.8 of the maker's long-term power limit",
    ),
    "cortex-a72": Row(
        "Cortex-A72 (Pi 4, Graviton)",
        4,
        (0.25, 0.366, 0.76, 1.07),
        "LPDDR",
        0.25,
        0.8,
        "whole board",
    ),
    "cortex-a76": Row(
        "Cortex-A76 (Pi 5)", 4, (0.25, 0.408, 0.945, 1.38), "LPDDR", 0.25, 0.8, "whole board"
    ),
    "cortex-a53": Row(
        "Cortex-A53 (Pi 3)", 4, (0.15, 0.227, 0.49, 0.7), "LPDDR", 0.25, 0.8, "whole board"
    ),
}
