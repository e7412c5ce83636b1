"""Processors' data sheets: thermal design power and hardware threads.

Sources: AMD's product specification pages (default TDP) and Intel ARK (TDP, from the 12th Core
generation on "processor base power"). Only processors that their makers list are here; those made
for one cloud have no public figure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Processor(NamedTuple):
    """Thermal design power in watts, and hardware threads that share it."""

    tdp_w: float
    threads: int


PROCESSORS: Mapping[str, Processor] = {
    # AMD EPYC
    "EPYC 7402": Processor(180, 48),
    "EPYC 7452": Processor(155, 64),
    "EPYC 7502": Processor(180, 64),
    "EPYC 7542": Processor(225, 64),
    "EPYC 7702": Processor(200, 128),
    "EPYC 7742": Processor(225, 128),
    "EPYC 7413": Processor(180, 48),
    "EPYC 7443": Processor(200, 48),
    "EPYC 7543": Processor(225, 64),
    "EPYC 7713": Processor(225, 128),
    "EPYC 7763": Processor(280, 128),
    "EPYC 9354": Processor(280, 64),
    "EPYC 9454": Processor(290, 96),
    "EPYC 9554": Processor(360, 128),
    "EPYC 9654": Processor(360, 192),
    "EPYC 9754": Processor(360, 256),
    # AMD Ryzen
    "Ryzen 5 3600": Processor(65, 12),
    "Ryzen 7 3700X": Processor(65, 16),
    "Ryzen 9 3950X": Processor(105, 32),
    "Ryzen 5 5600X": Processor(65, 12),
    "Ryzen 7 5800X": Processor(105, 16),
    "Ryzen 9 5900X": Processor(105, 24),
    "Ryzen 9 5950X": Processor(105, 32),
    "Ryzen 7 7700X": Processor(105, 16),
    "Ryzen 9 7900X": Processor(170, 24),
    "Ryzen 9 7950X": Processor(170, 32),
    "Ryzen 9 9950X": Processor(170, 32),
    # Intel Xeon
    "E5-2620 v3": Processor(85, 12),
    "E5-2680 v4": Processor(120, 28),
    "E5-2690 v4": Processor(135, 28),
    "E5-2699 v4": Processor(145, 44),
    "Silver 4210": Processor(85, 20),
    "Gold 6140": Processor(140, 36),
    "Gold 6148": Processor(150, 40),
    "Gold 6230": Processor(125, 40),
    "Gold 6248": Processor(150, 40),
    "Gold 6338": Processor(205, 64),
    "Platinum 8160": Processor(150, 48),
    "Platinum 8260": Processor(165, 48),
    "Platinum 8280": Processor(205, 56),
    "Platinum 8358": Processor(250, 64),
    "Platinum 8380": Processor(270, 80),
    "Platinum 8480+": Processor(350, 112),
    "Platinum 8490H": Processor(350, 120),
    # Intel Core
    "i5-8250U": Processor(15, 8),
    "i7-8565U": Processor(15, 8),
    "i7-1165G7": Processor(28, 8),
    "i7-8700K": Processor(95, 12),
    "i9-9900K": Processor(95, 16),
    "i9-10900K": Processor(125, 20),
    "i7-12700K": Processor(125, 20),
    "i9-12900K": Processor(125, 24),
    "i7-13700K": Processor(125, 24),
    "i9-13900K": Processor(125, 32),
    "i9-14900K": Processor(125, 32),
}


def find_processor(model: str) -> tuple[str, Processor] | None:
    """The data sheet of a processor, by its name as the system gives it.

    A trailing P (EPYC for one socket) is the same processor otherwise; any other letter isn't.
    """
    words = f" {model} "
    for name, processor in PROCESSORS.items():
        if f" {name} " in words or f" {name}P " in words:
            return name, processor
    return None
